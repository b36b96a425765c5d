"""An encoder without a model; ``tests/contract/test_encoder_contract.py`` holds it to what Triton does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from workers.domain.vectors import Array
from workers.wire.records import Unavailable


class HashingEncoder:
    """Unit vectors drawn from the hash of what is encoded. ``images`` and ``texts`` count what was asked for."""

    def __init__(self, dimensions: int = 8) -> None:
        self.dimensions = dimensions
        self.images = 0
        self.texts = 0
        self.gone = False

    async def encode_images(self, pixels: Array) -> Array:
        self._check()
        self.images += len(pixels)
        return self._vectors([row.tobytes() for row in pixels])

    async def encode_texts(self, texts: Sequence[str]) -> Array:
        self._check()
        self.texts += len(texts)
        return self._vectors([text.encode() for text in texts])

    def _check(self) -> None:
        if self.gone:
            raise Unavailable("the encoder is gone")

    def _vectors(self, rows: Sequence[bytes]) -> Array:
        if not rows:
            return np.empty((0, self.dimensions), dtype=np.float32)
        seeds = [int.from_bytes(hashlib.sha256(row).digest()[:8], "big") for row in rows]
        vectors = np.stack([np.random.default_rng(seed).normal(size=self.dimensions) for seed in seeds])
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
