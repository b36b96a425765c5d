"""Whether two pictures are the same to look at: a perceptual hash, 143 bits of a cosine transform, and its distance.

As Facebook's PDQ takes it (the signs of the low frequencies about their median), of fewer and lower frequencies, which
a crop moves less; measured against PDQ and the usual 64 bits in decision 0017.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.domain.vectors import Array

SIDE = 64
"""The brightness of a whole picture, squeezed to so many rows and columns, is what is hashed."""
HASH_BYTES = 18
FARTHEST = 45
"""Bits in which two hashes of the same picture differ at most."""
_FREQUENCIES = 12
_LEAST_DETAIL = 4.0
_WORDS = 3


def _cosines() -> Array:
    rows, places = np.arange(_FREQUENCIES)[:, np.newaxis], np.arange(SIDE) + 0.5
    basis = np.cos(np.pi / SIDE * rows * places) * np.sqrt(2 / SIDE)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis)


_COSINES = _cosines()


def perceptual_hash(brightness: Array) -> str:
    """36 hexadecimal digits of a brightness (SIDE, SIDE), 0 to 255; empty for a picture too plain to be told by it.

    A plain colour, a gradient, two halves: half of the frequencies or more say nothing there, and their signs are the
    noise of a decoder. Such pictures would be like each other, and not like their own copies.
    """
    if brightness.shape != (SIDE, SIDE):
        raise ValueError(f"a brightness of {brightness.shape} where ({SIDE}, {SIDE}) is wanted")
    low = (_COSINES @ np.asarray(brightness, dtype=np.float64) @ _COSINES.T).ravel()[1:]
    from_median = low - np.median(low)
    if np.median(np.abs(from_median)) < _LEAST_DETAIL:
        return ""
    return np.packbits(from_median > 0).tobytes().hex()


def looks_of(hashes: Sequence[str]) -> Array:
    """Hashes as uint64 (n, 3), in which they are compared; without those of plain pictures, which are like nothing."""
    known = b"".join(bytes.fromhex(each).ljust(_WORDS * 8, b"\0") for each in hashes if each)
    return np.frombuffer(known, dtype=np.uint64).reshape(-1, _WORDS)


def alike(looks: Array, others: Array) -> Array:
    """Of each of n looks (n, 3), whether it is the same picture as any of ``others`` (m, 3): bool (n,)."""
    if not len(others):
        return np.zeros(len(looks), dtype=bool)
    return np.asarray((distances(looks, others) <= FARTHEST).any(axis=1))


def distances(looks: Array, others: Array) -> Array:
    """Bits in which looks (n, 3) and others (m, 3) differ, (n, m)."""
    return np.asarray(np.bitwise_count(looks[:, np.newaxis] ^ others[np.newaxis]).sum(axis=-1, dtype=np.int64))
