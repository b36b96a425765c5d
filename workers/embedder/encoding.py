"""From pixels and texts to centred vectors, as few and as large requests as there can be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from workers.domain.vectors import Array, centre
from workers.embedder.ports import Encoder

K = TypeVar("K")


class Encoding:
    """``visual_mean`` and ``caption_mean`` (d,) are the model's centring means of the two kinds."""

    def __init__(self, encoder: Encoder, visual_mean: Array, caption_mean: Array) -> None:
        self._encoder, self._visual_mean, self._caption_mean = encoder, visual_mean, caption_mean

    async def images(self, pixels: Mapping[K, Array]) -> dict[K, Array | None]:
        """uint8 (S, S, 3) by any key; float32 (d,) by the same, None where the model's answer has no direction."""
        if not pixels:
            return {}
        return centred(
            list(pixels), await self._encoder.encode_images(np.stack(list(pixels.values()))), self._visual_mean
        )

    async def texts(self, texts: Mapping[K, Mapping[str, float]]) -> dict[K, Array | None]:
        """The same for texts, each the mean of one or more by their weights; every text is encoded once."""
        every = list(dict.fromkeys(text for each in texts.values() for text in each))
        if not every:
            return {}
        vectors = dict(zip(every, await self._encoder.encode_texts(every), strict=True))
        means = [_mean({text: vectors[text] for text in each}, each) for each in texts.values()]
        return centred(list(texts), np.stack(means), self._caption_mean)


def _mean(vectors: Mapping[str, Array], weights: Mapping[str, float]) -> Array:
    """By weight, (d,). Before centring and not at unit length, as ``Encoder`` does with a long text's pieces."""
    if len(vectors) == 1:
        return next(iter(vectors.values()))
    return np.asarray(np.average(np.stack(list(vectors.values())), axis=0, weights=[weights[text] for text in vectors]))


def centred(keys: Sequence[K], vectors: Array, mean: Array) -> dict[K, Array | None]:
    """Raw vectors (n, d) less their kind's mean, at unit length, float32; None for what has no direction then."""
    return {key: _centred(vector, mean) for key, vector in zip(keys, vectors, strict=True)}


def _centred(vector: Array, mean: Array) -> Array | None:
    if not np.isfinite(vector).all():
        return None
    try:
        return centre(vector, mean).astype(np.float32)
    except ValueError:
        return None


async def all_of(*calls: Awaitable[None]) -> None:
    """Wait for every call, then raise the first failure: what the others achieved is kept."""
    for end in await asyncio.gather(*calls, return_exceptions=True):
        if end is not None:
            raise end
