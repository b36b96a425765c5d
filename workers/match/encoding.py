"""Queries as vectors in the index's space: encoded by the model that filled it, centred by the mean of their kind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np

from workers.domain.vectors import Array, centre, unit_mean
from workers.match.ports import Encoder, Pictures


class CentredQueries:
    """The encoder, the pictures and the means of one model version (``means``: by kind, each (d,))."""

    def __init__(self, encoder: Encoder, pictures: Pictures, means: Mapping[str, Array], model_version: str) -> None:
        self._encoder = encoder
        self._pictures = pictures
        self._means = means
        self.model_version = model_version

    async def texts(self, texts: Sequence[str]) -> Array:
        """Texts, (n, d), less the mean of queries."""
        return centre(await self._encoder.encode_texts(texts), self._means["query"])

    async def picture(self, data: bytes) -> Array:
        """A picture's bytes, (d,), less the mean of visuals."""
        return np.asarray((await self._encoded([data]))[0])

    async def pictures(self, urls: Sequence[str]) -> Array:
        """The unit mean of the pictures at these addresses, (d,)."""
        data = await asyncio.gather(*(self._pictures.fetch(url) for url in urls))
        return unit_mean(list(await self._encoded(data)))

    async def _encoded(self, pictures: Sequence[bytes]) -> Array:
        pixels = await asyncio.gather(*(asyncio.to_thread(self._pictures.to_pixels, data) for data in pictures))
        return centre(await self._encoder.encode_images(np.stack(pixels)), self._means["visual"])
