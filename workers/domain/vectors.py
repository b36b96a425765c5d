"""Vectors: bytes on the wire, unit length in use, centred per kind (GR-CLIP, arXiv 2507.19054)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_WIRE = np.dtype("<f4")


def to_bytes(vector: Array) -> bytes:
    """A vector of any float type, shape (d,), as float32 little-endian bytes (4·d)."""
    return np.ascontiguousarray(vector, dtype=_WIRE).tobytes()


def from_bytes(data: bytes, dimensions: int | None = None) -> Array:
    """float32 of shape (d,) from its wire form.

    Raises ValueError if the length is not a whole number of floats, is not ``dimensions``, or a value is not finite.
    """
    if len(data) % _WIRE.itemsize:
        raise ValueError(f"a vector of {len(data)} bytes is not a whole number of float32")
    vector = np.frombuffer(data, dtype=_WIRE)
    if dimensions is not None and vector.size != dimensions:
        raise ValueError(f"a vector of {vector.size} dimensions where {dimensions} are expected")
    if not np.isfinite(vector).all():
        raise ValueError("a vector with a value that is not finite")
    return vector


def unit(vector: Array) -> Array:
    """The vector at unit length along its last axis, float64; raises ValueError for one of no length."""
    wide = np.asarray(vector, dtype=np.float64)
    # numpy's own sum, as np.linalg.norm takes it along an axis, at a third of its time.
    length = np.sqrt(np.add.reduce(wide * wide, axis=-1, keepdims=True))
    if not (length > 0).all():
        raise ValueError("a vector of no length has no direction")
    return np.asarray(wide / length)


def centre(vectors: Array, mean: Array) -> Array:
    """Encoder outputs, shape (..., d), less the mean of their kind, at unit length."""
    return unit(np.asarray(vectors, dtype=np.float64) - np.asarray(mean, dtype=np.float64))


def unit_mean(vectors: Sequence[Array]) -> Array:
    """The normalised mean of unit vectors (each (d,)), float64; raises ValueError where they cancel out."""
    return unit(np.mean(np.asarray(vectors, dtype=np.float64), axis=0))
