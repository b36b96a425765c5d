"""Java's partitioner: the vectors of Kafka's own tests (``UtilsTest.testMurmur2``)."""

from __future__ import annotations

import confluent_kafka
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.partitioning import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_known_answers(key: bytes, expected: int) -> None:
    """Every length modulo four, and both signs."""
    assert murmur2(key) == expected


@given(st.binary(max_size=64), st.integers(1, 1000))
def test_the_partition_is_librdkafkas(key: bytes, partitions: int) -> None:
    """What ``murmur2_random`` of our producers does with any key."""
    assert partition_of(key, partitions) == confluent_kafka.murmur2(key, partitions)
