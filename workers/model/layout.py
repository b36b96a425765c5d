"""The layout of a Triton model repository: its folders, configurations, version and card."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import orjson

from workers.domain.model_card import (
    CARD_FILE,
    CHECKED_FILE,
    FAILED_FILE,
    CentringMeans,
    ImageInput,
    ModelCard,
    ServedAs,
    TextInput,
    checksum,
)
from workers.domain.priority import Priority
from workers.model import gpu_layout
from workers.model.tokenizer import Codes

IMAGE, TEXT = "clip_image", "clip_text"
IMAGE_FILE, TEXT_FILE = f"{IMAGE}/1/model.onnx", f"{TEXT}/1/model.onnx"
TOKENIZER_FILE = f"{TEXT}/1/tokenizer.json"
GPU_TOKENIZER_FILE = f"{gpu_layout.TOKENS}/1/tokenizer.json"
MODELS = (IMAGE, TEXT, gpu_layout.TOKENS, gpu_layout.TOWER)
Target = Literal["cpu", "gpu"]
Engine = Literal["openvino", "tensorrt", "torch"]
Precision = Literal["bf16", "f32", "fp16"]
Weights = Literal["half", "whole"]
BACKEND = Path(__file__).with_name("triton_backend.py")
MAX_BATCH, BEST_BATCH = 32, 16
PROGRAM = "model.pt2"
KEEP = "KEEP"
TOKENS = ', {{ name: "tokens", data_type: TYPE_INT64, dims: [ {context} ] }}'
# Requests of up to MAX_BATCH rows that may wait for a model. A worker has few in flight (4 for each priority), so that
# many wait only where there are too many workers: they are told to come again (503), as is a search sooner.
WAITING = {Priority.SEARCH: 64, Priority.LIVE: 256, Priority.BACKFILL: 64}
# As long as a client waits (workers/adapters/triton.py): what nobody waits for any more is not computed.
WAITS_MICROSECONDS = 30_000_000

CONFIG = """\
# Written by workers.model.layout; the card beside it is {card}.
name: "{name}"
backend: "python"
max_batch_size: {max_batch}
input [ {{ name: "{input_name}", data_type: {data_type}, dims: [ {dims} ] }} ]
output [ {{ name: "embedding", data_type: TYPE_FP32, dims: [ {dimensions} ] }}{tokens} ]
version_policy {{ specific {{ versions: [ 1 ] }} }}
dynamic_batching {{
  preferred_batch_size: [ {best_batch}, {max_batch} ]
  max_queue_delay_microseconds: 2000
{queues}
}}
instance_group [ {{ count: 1, kind: {kind} }} ]
"""


@dataclass(frozen=True)
class How:
    """On what a repository is served, see ``model_card.ServedAs``; `threads` are OpenVINO's (0: as many as there are).

    The torch engine's files (``model.pt2``) must lie beside the ONNX pair already.
    """

    target: Target = "cpu"
    engine: Engine = "openvino"
    precision: Precision = "bf16"
    weights: Weights = "half"
    threads: int = 0
    reason: str = "not measured"


def queues() -> str:
    """Triton's priorities: live search text before live posts before backfill, each with a limit of its own."""
    policy = f"timeout_action: REJECT, default_timeout_microseconds: {WAITS_MICROSECONDS}, max_queue_size:"
    lines = [
        f"priority_levels: {len(Priority)}",
        f"default_priority_level: {Priority.LIVE:d}",
        *(f"priority_queue_policy {{ key: {p:d}, value: {{ {policy} {WAITING[p]} }} }}" for p in Priority),
    ]
    return "\n".join(f"  {line}" for line in lines)


def version_of(name: str, root: Path, means: CentringMeans) -> str:
    """`<name>_<8 hex digits>`: other weights, another tokenizer or other means are another version."""
    digest = hashlib.sha256()
    for file in (IMAGE_FILE, TEXT_FILE, TOKENIZER_FILE):
        # The weights of a large tower lie beside it.
        for path in (root / file, root / f"{file}.data"):
            if path.is_file():
                _add(digest, path)
    digest.update(orjson.dumps(means.model_dump()))
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_')[:48]}_{digest.hexdigest()[:8]}"


def _add(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)


def configurations(
    version: str, dimensions: int, image: ImageInput, text: TextInput, how: How | None = None
) -> dict[str, str]:
    """config.pbtxt of each model."""
    how = how or How()
    if how.engine == "tensorrt":
        said = parameters(version, text, "fp16", "tokens", how.threads)
        return gpu_layout.configurations(version, dimensions, image, text.context_length, queues(), said)
    context, on_gpu = text.context_length, how.target == "gpu"
    inputs = {
        IMAGE: ("pixels", "TYPE_UINT8", f"{image.size}, {image.size}, 3", how.precision),
        TEXT: ("text", "TYPE_STRING", "1", how.precision if on_gpu else "f32"),
    }
    return {
        model: CONFIG.format(
            card=CARD_FILE, name=model, input_name=input_name, data_type=data_type, dims=dims, dimensions=dimensions,
            max_batch=gpu_layout.MAX_BATCH if on_gpu else MAX_BATCH, queues=queues(),
            best_batch=gpu_layout.BEST_BATCH if on_gpu else BEST_BATCH,
            tokens=TOKENS.format(context=context) if model == TEXT else "",
            # On the processor where there is no GPU, so that these files can be tried anywhere.
            kind="KIND_AUTO" if on_gpu else "KIND_CPU",
        ) + parameters(version, text, computed, how.engine, how.threads)
        for model, (input_name, data_type, dims, computed) in inputs.items()
    }  # fmt: skip


def parameters(version: str, text: TextInput, precision: str, engine: str, threads: int) -> str:
    """What ``triton_backend`` reads, and who asks Triton what it serves."""
    said = {
        "model_version": version, "engine": engine, "precision": precision, "threads": threads,
        "context_length": text.context_length, "tokenizer": text.kind, "cleaning": text.cleaning,
        "cleared": "" if text.cleared is None else text.cleared,
    }  # fmt: skip
    return "".join(
        f'parameters {{ key: "{key}", value: {{ string_value: "{value}" }} }}\n' for key, value in said.items()
    )


def finish_layout(
    root: Path,
    *,
    name: str,
    dimensions: int,
    image: ImageInput,
    context_length: int,
    logit_scale: float,
    means: CentringMeans,
    licence: str,
    sources: tuple[str, ...],
    built_by: str,
    codes: Codes | None = None,
    how: How | None = None,
) -> ModelCard:
    """Given the ONNX pair and the tokenizer under `root`, writes the rest and answers with the card.

    The version is the same for either target and any engine: it is that of the ONNX pair.
    """
    codes, how = codes or Codes(), how or How()
    version = version_of(name, root, means)
    text = TextInput(
        context_length=context_length,
        tokenizer=GPU_TOKENIZER_FILE if how.engine == "tensorrt" else TOKENIZER_FILE,
        kind=codes.kind,
        cleaning=codes.cleaning,
        cleared=codes.cleared,
    )
    _arrange(root, how)
    for model, config in configurations(version, dimensions, image, text, how).items():
        (root / model / "config.pbtxt").write_text(config)
    for model in (gpu_layout.TOKENS,) if how.engine == "tensorrt" else (IMAGE, TEXT):
        shutil.copyfile(BACKEND, root / model / "1" / "model.py")
    card = ModelCard(
        name=name,
        model_version=version,
        dimensions=dimensions,
        image=image,
        text=text,
        logit_scale=logit_scale,
        centring_means=means,
        licence=licence,
        sources=sources,
        checksums={file: checksum(root / file) for file in served_files(root)},
        built_by=built_by,
        served_as=ServedAs(**{key: value for key, value in asdict(how).items() if key != "threads"}),
    )
    (root / CARD_FILE).write_bytes(orjson.dumps(card.model_dump(), option=orjson.OPT_INDENT_2) + b"\n")
    return card


def _arrange(root: Path, how: How) -> None:
    """The files of the towers where the engine looks for them."""
    if how.engine == "torch":
        for file in (IMAGE_FILE, TEXT_FILE):
            for path in (root / file).parent.glob("model.onnx*"):
                path.unlink()
    elif how.engine == "tensorrt":
        # The text tower and the tokenizer in folders of their own: clip_text is an ensemble, whose version is empty.
        for folder, pattern in ((gpu_layout.TOKENS, "tokenizer.json"), (gpu_layout.TOWER, "model.onnx*")):
            (root / folder / "1").mkdir(parents=True, exist_ok=True)
            for path in (root / TEXT / "1").glob(pattern):
                path.replace(root / folder / "1" / path.name)
        (root / TEXT / "1" / KEEP).write_text(
            "Triton wants this folder, and git and object stores keep no empty one.\n"
        )


@contextmanager
def in_place_of(out: Path) -> Iterator[Path]:
    """A folder to build a repository in, which takes the place of the one in `out` once it is whole.

    What an earlier build left there, of whatever target, is gone then; files that are no models' stay. What fails
    leaves the earlier build as it was.
    """
    part = out / ".part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        for left in (*MODELS, CARD_FILE, CHECKED_FILE, FAILED_FILE):
            old = out / left
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
        # The card last: with it the repository is whole.
        for path in sorted(part.iterdir(), key=lambda path: path.name == CARD_FILE):
            path.replace(out / path.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if not any(out.iterdir()):
            out.rmdir()


def served_files(root: Path) -> list[str]:
    """Every file that Triton reads, by its path under `root`; the backend's own copies included."""
    files = [path for model in MODELS for path in (root / model).rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(root)) for path in files if "__pycache__" not in path.parts)
