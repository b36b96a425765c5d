"""Equal pixels and equal texts have one vector: whoever came first, in whatever batch, it is taken from there.

A model may answer in other last bits as its batches are made up. So what was encoded is kept, for as long as there is
room, by the hash of what the model saw: equal content is not encoded again, and the order of posts cannot matter.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from threading import Lock
from typing import Literal

import numpy as np

from workers.domain.vectors import Array
from workers.embedder.ports import Encoder
from workers.metrics import CACHED_BYTES, REMEMBERED

Key = tuple[Literal["picture", "text"], bytes]
ENTRY_BYTES = 512
"""What an entry takes in memory beside the numbers of its vector."""


class KnownVectors:
    """Raw vectors (d,) by what was encoded: the least lately used go beyond ``most`` bytes. Of one model, one process.

    Nobody can tell by whose post an entry came, so an erasure clears it all. Any thread may clear it.
    """

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._vectors: OrderedDict[Key, Array] = OrderedDict()
        self._lock = Lock()

    def find(self, keys: Sequence[Key]) -> dict[Key, Array]:
        """Those that are there."""
        with self._lock:
            found = {key: self._vectors[key] for key in keys if key in self._vectors}
            for key in found:
                self._vectors.move_to_end(key)
        return found

    def keep(self, vectors: Mapping[Key, Array]) -> dict[Key, Array]:
        """Each as it stands from now on: what another batch has kept meanwhile stays."""
        with self._lock:
            standing = {}
            for key, vector in vectors.items():
                if key not in self._vectors:
                    self._vectors[key] = vector
                    self._bytes += vector.nbytes + ENTRY_BYTES
                standing[key] = self._vectors[key]
            while self._bytes > self._most:
                self._bytes -= self._vectors.popitem(last=False)[1].nbytes + ENTRY_BYTES
            CACHED_BYTES.set(self._bytes)
        return standing

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._vectors.clear()
            self._bytes = 0
            CACHED_BYTES.set(0)

    def __len__(self) -> int:
        return len(self._vectors)


class RememberingEncoder:
    """An ``Encoder`` that asks ``encoder`` for nothing twice: not within a call, nor while ``known`` has it."""

    def __init__(self, encoder: Encoder, known: KnownVectors) -> None:
        self._encoder, self._known = encoder, known

    async def encode_images(self, pixels: Array) -> Array:
        """As ``Encoder``."""
        keys: list[Key] = [("picture", hashlib.sha256(row.data).digest()) for row in np.ascontiguousarray(pixels)]

        async def encode(places: Sequence[int]) -> Array:
            return await self._encoder.encode_images(pixels[list(places)])

        return await self._encoded(keys, encode)

    async def encode_texts(self, texts: Sequence[str]) -> Array:
        """As ``Encoder``."""
        keys: list[Key] = [("text", hashlib.sha256(text.encode()).digest()) for text in texts]

        async def encode(places: Sequence[int]) -> Array:
            return await self._encoder.encode_texts([texts[place] for place in places])

        return await self._encoded(keys, encode)

    async def _encoded(self, keys: Sequence[Key], encode: Callable[[Sequence[int]], Awaitable[Array]]) -> Array:
        """A vector for each key; ``encode`` is asked for those at some places."""
        found = self._known.find(keys)
        first: dict[Key, int] = {}
        for place, key in enumerate(keys):
            if key not in found:
                first.setdefault(key, place)
        if first or not keys:
            fresh = await encode(list(first.values()))
            if not keys:
                return fresh
            found |= self._known.keep(dict(zip(first, map(np.copy, fresh), strict=True)))
        if keys:
            REMEMBERED.labels(keys[0][0]).inc(len(keys) - len(first))
        return np.stack([found[key] for key in keys])
