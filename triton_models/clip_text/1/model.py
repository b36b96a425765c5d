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
from pathlib import Path
from typing import Any

import ftfy
import numpy as np
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer

SPECIALS = ("<start_of_text>", "<end_of_text>")


class TextCodes:
    """Texts to token ids [n, context], token for token as open_clip's SimpleTokenizer does it."""

    def __init__(self, path: Path, context: int) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        self.context = context
        self.start, self.end = (self.tokenizer.token_to_id(token) for token in SPECIALS)

    @staticmethod
    def clean(text: str) -> str:
        plain = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
        return " ".join(plain.split()).lower()

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

    def __call__(self, texts: list[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
        rows = np.zeros((len(texts), self.context), dtype=np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = [self.start, *self.ids(self.clean(text)), self.end][: self.context]
            ids[-1] = self.end
            row[: len(ids)] = ids
        return rows


class TritonPythonModel:
    """A tower: ``pixels`` uint8 [n, s, s, 3] or ``text`` [n, 1] in; ``embedding`` float32 [n, d] out, unit length.

    ``tokens`` int64 [n, context] out as well, of texts, for who asks: `streamscout model check` does. The parameter
    ``engine`` "tokens" makes it the tokenizer before a tower, and no tower.
    """

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        folder = Path(args["model_repository"]) / args["model_version"]
        self.codes = None
        if config["input"][0]["name"] == "text":
            self.codes = TextCodes(folder / "tokenizer.json", int(parameters["context_length"]))
        self.model: Any = None
        if parameters.get("engine") == "tokens":
            return
        import openvino

        core = openvino.Core()
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": int(parameters["threads"])}
        fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        settings["INFERENCE_PRECISION_HINT"] = "bf16" if fast and parameters["precision"] == "bf16" else "f32"
        self.model = core.compile_model(core.read_model(folder / "model.onnx"), "CPU", settings)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Requests that Triton hands over together are one batch."""
        name = "pixels" if self.codes is None else "text"
        inputs: list[Any] = [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
        if self.codes is not None:
            inputs = [self.codes([text.decode("utf-8", "replace") for text in rows[:, 0]]) for rows in inputs]
        if self.model is None:
            return [pb_utils.InferenceResponse([pb_utils.Tensor("tokens", rows)]) for rows in inputs]
        vectors = self.model(np.concatenate(inputs))[0].astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        starts = np.cumsum([len(rows) for rows in inputs])[:-1]
        answers = [[pb_utils.Tensor("embedding", part)] for part in np.split(vectors, starts)]
        if self.codes is not None:
            for answer, rows in zip(answers, inputs, strict=True):
                answer.append(pb_utils.Tensor("tokens", rows))
        return [pb_utils.InferenceResponse(answer) for answer in answers]
