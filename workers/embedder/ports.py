"""What the embedder asks of the world; adapters and the tests' fakes answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from workers.domain.media import Frame
from workers.domain.vectors import Array

Prepare = Callable[[bytes], Sequence[Frame]]
"""A medium's bytes to one frame or more, as the encoder wants their pixels. Blocks; raises InvalidMedia."""


class Media(Protocol):
    """Pictures and videos by address, so many at a time: each takes one's room until its block ends."""

    def opened(self, url: str) -> AbstractAsyncContextManager[bytes]:
        """The bytes behind an address. Raises InvalidMedia or MediaUnavailable."""


class Encoder(Protocol):
    """Raw vectors, float32 (n, d), of unit length. Both may raise ``Unavailable``."""

    async def encode_images(self, pixels: Array) -> Array:
        """uint8 (n, S, S, 3)."""

    async def encode_texts(self, texts: Sequence[str]) -> Array:
        """n texts. Of one longer than the model's context the vector is its pieces' mean, not longer than 1."""
