"""Triton's Python backend for both towers: copied to each model's ``1/model.py`` by ``workers.model.layout``.

This file runs inside Triton, in an interpreter that knows neither this package nor the virtual environment. So it is
the one exception to "config.py alone reads the environment", and it imports nothing of ours.
"""

from __future__ import annotations

import os
import site

if packages := os.environ.get("STREAMSCOUT_TRITON_SITE"):  # a container has them among its own
    site.addsitedir(packages)

import html
import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ftfy
import numpy as np
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer

SPECIALS = ("<start_of_text>", "<end_of_text>")
WITHOUT_PUNCTUATION = str.maketrans("_", " ", string.punctuation.replace("_", ""))

Codes = np.ndarray[Any, np.dtype[np.int64]]
Run = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def clean(text: str, how: str) -> str:
    """As open_clip cleans: "lower", "whitespace" (blanks alone) or "canonicalize" (no punctuation either)."""
    plain = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    if how == "canonicalize":
        plain = plain.translate(WITHOUT_PUNCTUATION)
    plain = " ".join(plain.split())
    return plain if how == "whitespace" else plain.lower()


class ClipCodes:
    """Texts to token ids [n, context], token for token as open_clip's SimpleTokenizer does it."""

    def __init__(self, path: Path, context: int, cleaning: str) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        self.context, self.cleaning = context, cleaning
        self.start, self.end = (self.tokenizer.token_to_id(token) for token in SPECIALS)

    def ids(self, text: str) -> list[int]:
        if not any(special in text for special in SPECIALS):
            return list(self.tokenizer.encode(text, add_special_tokens=False).ids)
        found: list[int] = []
        for _, (first, last) in self.tokenizer.pre_tokenizer.pre_tokenize_str(text):
            piece = text[first:last]
            if piece in SPECIALS:
                found.append(self.tokenizer.token_to_id(piece))
            else:
                found += self.tokenizer.encode(piece, add_special_tokens=False).ids
        return found

    def __call__(self, texts: list[str]) -> Codes:
        rows = np.zeros((len(texts), self.context), dtype=np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = [self.start, *self.ids(clean(text, self.cleaning)), self.end][: self.context]
            ids[-1] = self.end
            row[: len(ids)] = ids
        return rows


class HubCodes:
    """The same as open_clip's HFTokenizer does it: special tokens, cut and padding stand in the file itself.

    `cleared` is the id that becomes 0 (a model that was trained without its separator), or none.
    """

    def __init__(self, path: Path, cleaning: str, cleared: str) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        self.cleaning, self.cleared = cleaning, int(cleared) if cleared else None

    def __call__(self, texts: list[str]) -> Codes:
        found = self.tokenizer.encode_batch([clean(text, self.cleaning) for text in texts])
        rows = np.array([one.ids for one in found], dtype=np.int64)
        if self.cleared is not None:
            rows[rows == self.cleared] = 0
        return rows


def openvino_engine(folder: Path, threads: int, precision: str) -> Run:
    """``model.onnx`` on the processor: in bfloat16 where that is asked for and there, else in float32."""
    import openvino

    core = openvino.Core()
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings["INFERENCE_PRECISION_HINT"] = "bf16" if fast and precision == "bf16" else "f32"
    model = core.compile_model(core.read_model(folder / "model.onnx"), "CPU", settings)
    return lambda rows: np.asarray(model(rows)[0], dtype=np.float32)


def torch_engine(folder: Path, device: str) -> Run:
    """``model.pt2``, a program of torch.export: in float16 on a GPU ("cuda:0"), in float32 on the processor ("cpu")."""
    import torch
    from torch.export.passes import move_to_device_pass

    program = torch.export.load(folder / "model.pt2")
    on_gpu = device != "cpu"
    module = (move_to_device_pass(program, device) if on_gpu else program).module()

    def run(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=on_gpu):
            found = module(torch.from_numpy(rows).to(device))
        return np.asarray(found.float().cpu().numpy())

    return run


class TritonPythonModel:
    """A tower: ``pixels`` uint8 [n, s, s, 3] or ``text`` [n, 1] in; ``embedding`` float32 [n, d] out, unit length.

    ``tokens`` int64 [n, context] out as well, of texts, for who asks: `streamscout model check` does. The parameter
    ``engine`` is "openvino", "torch", or "tokens", which is the tokenizer before a tower, and no tower.
    """

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        said = {key: value["string_value"] for key, value in config["parameters"].items()}
        folder = Path(args["model_repository"]) / args["model_version"]
        self.codes: ClipCodes | HubCodes | None = None
        if config["input"][0]["name"] == "text":
            path, cleaning = folder / "tokenizer.json", said["cleaning"]
            if said["tokenizer"] == "hub":
                self.codes = HubCodes(path, cleaning, said["cleared"])
            else:
                self.codes = ClipCodes(path, int(said["context_length"]), cleaning)
        self.run: Run | None = None
        if said["engine"] == "openvino":
            self.run = openvino_engine(folder, int(said["threads"]), said["precision"])
        elif said["engine"] == "torch":
            gpu = args["model_instance_kind"] == "GPU"
            self.run = torch_engine(folder, f"cuda:{args['model_instance_device_id']}" if gpu else "cpu")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Requests that Triton hands over together are one batch."""
        name = "pixels" if self.codes is None else "text"
        inputs: list[Any] = [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
        if self.codes is not None:
            inputs = [self.codes([text.decode("utf-8", "replace") for text in rows[:, 0]]) for rows in inputs]
        if self.run is None:
            # Twice: as what is told, and as what the ensemble hands on to the tower.
            return [
                pb_utils.InferenceResponse([pb_utils.Tensor(name, rows) for name in ("tokens", "codes")])
                for rows in inputs
            ]
        vectors = self.run(np.concatenate(inputs))
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        starts = np.cumsum([len(rows) for rows in inputs])[:-1]
        answers = [[pb_utils.Tensor("embedding", part)] for part in np.split(vectors, starts)]
        if self.codes is not None:
            for answer, rows in zip(answers, inputs, strict=True):
                answer.append(pb_utils.Tensor("tokens", rows))
        return [pb_utils.InferenceResponse(answer) for answer in answers]
