"""Holds what Triton serves against its card, and against open_clip itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL.Image import Image

from workers.domain.vectors import Array
from workers.model.layout import IMAGE, TEXT

AT_THE_MODEL = {"f32": 0.9999, "bf16": 0.999, "fp16": 0.999}
CLOSE, CLOSE_WITHOUT_MEAN, UNIT_ERROR = 0.999, 0.98, 1e-3
TEXTS = (
    "italian dinner with wine", "winter skiing trip", "a cat", "Coffee & croissants", "it\u2019s a guitar",
    "caf\u00e9 &amp; cr\u00eape", "red sports car", "running shoes #marathon", "books", "\U0001f355 pizza night",
)  # fmt: skip

# Longer than any context, empty, marks and blanks of all kinds, and what looks like a tokenizer's own: of these the
# tokens alone are compared, for who encodes a long text does so in pieces.
ODD_TEXTS = (
    "running shoes and a red sports car " * 800, "", "  two\tblanks\u3000and\nlines  ", "snake_case, don't! (really)",
    "<end_of_text> then </s> and <pad>", "\uff26\uff55\uff4c\uff4c \u0130stanbul \u00df \ufb01ne",
    "\u62b9\u8336 \u043f\u0440\u0438\u0432\u0435\u0442",
)  # fmt: skip


class Encoder(Protocol):
    """What is served: raw unit vectors (n, d)."""

    async def encode_images(self, pixels: Array) -> Array: ...

    async def encode_texts(self, texts: Sequence[str]) -> Array: ...


class Served(Encoder, Protocol):
    """The same, and what it says of itself: token ids (n, context), and the precision of a model."""

    async def tokens(self, texts: Sequence[str]) -> Array: ...

    async def precision(self, model: str) -> str: ...


class Reference(Protocol):
    """What is held against: open_clip, see ``source.OpenClip``."""

    def encode_images(self, images: Sequence[Image]) -> Array: ...

    def encode_pixels(self, pixels: Array) -> Array: ...

    def encode_texts(self, texts: Sequence[str]) -> Array: ...

    def tokens(self, texts: Sequence[str]) -> Array: ...


@dataclass(frozen=True)
class Row:
    """One thing checked: it holds if `value` is at least (or, for an error, at most) `bar`."""

    name: str
    value: float
    bar: float
    holds: bool


def compare(name: str, found: Array, wanted: Array, close: float = CLOSE) -> list[Row]:
    """The least cosine of rows (n, d), as they are, and for three or more also with the mean of `wanted` taken off."""
    rows = [(name, float(cosines(found, wanted).min()), close)]
    if len(wanted) >= 3:
        mean = wanted.mean(axis=0)
        rows.append((f"{name}, mean off", float(cosines(found - mean, wanted - mean).min()), CLOSE_WITHOUT_MEAN))
    return [Row(label, value, bar, value >= bar) for label, value, bar in rows]


def cosines(one: Array, other: Array) -> Array:
    """Of each row (d,) of one with the same row of the other, (n,)."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / np.maximum(lengths, 1e-12))


async def check_alone(encoder: Encoder, pixels: Array) -> list[Row]:
    """Without open_clip: unit length, and the same vector alone and in a batch. `pixels` (n, s, s, 3), may be none."""
    rows = []
    samples = [("texts", await encoder.encode_texts(TEXTS), await encoder.encode_texts(TEXTS[:1]))]
    if len(pixels):
        samples.append(("pictures", await encoder.encode_images(pixels), await encoder.encode_images(pixels[:1])))
    for name, together, alone in samples:
        error = float(np.abs(np.linalg.norm(together, axis=1) - 1).max())
        rows.append(Row(f"{name}: length, off by", error, UNIT_ERROR, error <= UNIT_ERROR))
        same = float(cosines(together[:1], alone).min())
        rows.append(Row(f"{name}: alone and in a batch, cosine", same, CLOSE, same >= CLOSE))
    return rows


async def check_against(encoder: Served, source: Reference, images: Sequence[Image], pixels: Array) -> list[Row]:
    """Against open_clip in float32; `images` as decoded, `pixels` the same ones as the workers prepare them."""
    texts = (*TEXTS, *ODD_TEXTS)
    differ = float((await encoder.tokens(texts) != source.tokens(texts)).any(axis=1).sum())
    rows = [Row("texts: whose tokens differ", differ, 0.0, differ == 0)]
    bar = await _bar(encoder, TEXT)
    rows += compare("texts: at the model", await encoder.encode_texts(TEXTS), source.encode_texts(TEXTS), bar)
    if images:
        found = await encoder.encode_images(pixels)
        bar = await _bar(encoder, IMAGE)
        rows += compare("pictures: at the model", found, source.encode_pixels(pixels), bar)
        rows += compare("pictures: decoded and resized too", found, source.encode_images(images))
    return rows


async def _bar(encoder: Served, model: str) -> float:
    """The least cosine at the model; a precision that is not known here is held to the strictest."""
    return AT_THE_MODEL.get(await encoder.precision(model), max(AT_THE_MODEL.values()))
