"""What Faust does to how far a keyed worker has read, when partitions are revoked: it forgets each, read or not."""

from __future__ import annotations

from faust.types import TP

from workers.adapters.tables.consumer import _ReadOffsets


def test_a_partition_is_forgotten_whether_anything_was_read_of_it_or_not() -> None:
    """An error there is logged by aiokafka and no more: nobody would wait for what is in flight of the partition."""
    source, changelog, unread = TP("embeddings", 0), TP("changelog", 0), TP("changelog", 1)
    offsets = _ReadOffsets(lambda: {"changelog"})
    offsets[source] = offsets[changelog] = 7
    assert [offsets.pop(tp, None) for tp in (source, changelog, unread)] == [None, 7, None]
    assert [offsets[tp] for tp in (source, changelog, unread)] == [None, None, None]
