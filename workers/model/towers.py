"""The two towers of an open_clip model as ONNX files with half-precision weights."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from workers.domain.vectors import Array

OPSET = 18
HALVED_FROM = 256  # elements: smaller tensors cost nothing and stay float32
ONE_FILE_BYTES = 1_900_000_000  # protobuf's own limit is 2 GiB

Head = Callable[[Any], Any]


def picture_tower(model: Any, mean: tuple[float, ...], std: tuple[float, ...], head: Head | None = None) -> Any:
    """A torch module: uint8 [n, s, s, 3] to float32 [n, d] of unit length, with `head` behind the unit embedding."""
    import torch

    class Pictures(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.visual = model.visual
            self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

        def forward(self, pixels: Any) -> Any:
            pictures = pixels.permute(0, 3, 1, 2).float() / 255.0
            found = self.visual((pictures - self.mean) / self.std)
            # A captioner's tower gives what the words are made of, too (CoCa).
            found = found[0] if isinstance(found, tuple) else found
            found = torch.nn.functional.normalize(found, dim=-1)
            return found if head is None else head(found)

    return Pictures().eval()


def text_tower(model: Any) -> Any:
    """A torch module: token ids int64 [n, context] to float32 [n, d] of unit length."""
    import torch

    class Texts(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens: Any) -> Any:
            return self.model.encode_text(tokens, normalize=True)

    return Texts().eval()


def without_pictures(model: Any) -> Any:
    """The same model, sharing its weights, without the picture tower: a program of texts would carry it along."""
    lone = copy(model)
    lone._modules = {name: part for name, part in model._modules.items() if name != "visual"}
    return lone


def posterior_head(anchors: Array, sharpness: float) -> Head:
    """e' = normalise(softmax(sharpness · e · Aᵀ) · A): the posterior mean of the anchors A [m, d]."""
    import torch

    fixed = torch.from_numpy(np.asarray(anchors, dtype=np.float32))

    def head(found: Any) -> Any:
        weights = torch.softmax(sharpness * found @ fixed.T, dim=-1)
        return torch.nn.functional.normalize(weights @ fixed, dim=-1)

    return head


def export_onnx(tower: Any, example: Any, input_name: str, path: Path, whole: str | None = None) -> None:
    """Writes `tower` with a free batch size; its larger weights are stored as float16 and computed as float32.

    With all weights in float32 it is written beside it under the name `whole`, where that is asked for.
    """
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        program = torch.onnx.export(
            tower,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[input_name],
            output_names=["embedding"],
            dynamic_shapes=({0: _batch()},),
            verbose=False,
        )
    model = program.model_proto
    if whole:
        forget_source(model)
        _save(model, path.with_name(whole))
    halve_weights(model)
    forget_source(model)
    _save(model, path)


def export_torch(tower: Any, example: Any, path: Path) -> None:
    """Writes `tower` with a free batch size as a program of torch.export: the torch fallback's `model.pt2`."""
    import torch

    with torch.no_grad():
        program = torch.export.export(tower, (example,), dynamic_shapes=({0: _batch()},))
    torch.export.save(program, path)


def keep_one(half: Path, whole: Path, weights: str) -> None:
    """Of a tower with float16 weights and the same with whole ones, the one that is wanted, in the place of `half`."""
    import onnx

    if weights == "whole":
        model = onnx.load(whole)  # with what lies beside it, which is named for it
        _remove(half)
        _save(model, half)
    _remove(whole)


def _remove(path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)


def _batch() -> Any:
    import torch

    return torch.export.Dim("batch", min=1, max=4096)


def _save(model: Any, path: Path) -> None:
    """In one file, or with the weights in another beside it where protobuf's limit is near; `model` stays whole."""
    import onnx

    if model.ByteSize() <= ONE_FILE_BYTES:
        onnx.save(model, path)
        return
    beside = path.with_name(f"{path.name}.data")
    onnx.save(model, path, save_as_external_data=True, location=beside.name)
    # What was written is taken out of the model, and only its owner may read it.
    onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
    beside.chmod(path.stat().st_mode)


def halve_weights(model: Any) -> None:
    """float32 initializers to float16 with a Cast behind each, in place; a runtime folds the Cast when it loads."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < HALVED_FROM:
            continue
        values = np.clip(numpy_helper.to_array(tensor), -65504.0, 65504.0).astype(np.float16)
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    kept = [info for info in graph.value_info if info.name not in {cast.output[0] for cast in casts}]
    del graph.value_info[:]
    graph.value_info.extend(kept)


def forget_source(model: Any) -> None:
    """Takes out what the exporter writes of its own source lines and folders: the same model gives the same bytes."""
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
