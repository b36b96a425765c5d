"""Kafka's own partitioner, as Java's clients have it: the partition of a key is murmur2 of its bytes.

Source of the method: ``org.apache.kafka.common.utils.Utils.murmur2``. librdkafka calls it ``murmur2_random``.
"""

from __future__ import annotations

from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash of ``data``, signed as Java's."""
    h = _SEED ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        h = h * _M & _MASK ^ (k ^ k >> 24) * _M & _MASK
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    h ^= h >> 15
    return h - (1 << 32) if h >= 1 << 31 else h


def partition_of(key: bytes, partitions: int) -> int:
    """Where a record with ``key`` belongs in a topic of ``partitions``."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
