"""The newest record of each key, on disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.verify.spool import Spool
from workers.wire.records import InRecord, Position


def record(key: bytes | None, value: bytes | None, offset: int, partition: int = 0, topic: str = "t") -> InRecord:
    """A record with a header whose bytes are no text."""
    return InRecord(Position(topic, partition, offset), key, value, (("h", b"\xff\x00"),), 7)


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"\xc3\xa9", b"\x00"]), st.one_of(st.none(), st.binary()))))
def test_it_is_a_dictionary_that_forgets_tombstones(said: list[tuple[bytes, bytes | None]]) -> None:
    """Keys in the order of their bytes, each with what was said last; headers and values untouched."""
    with Spool() as spool:
        for offset, (key, value) in enumerate(said):
            spool.put(record(key, value, offset))
        expected = {key: value for key, value in dict(said).items() if value is not None}
        found = list(spool.newest("t"))
        assert [(each.key, each.value) for each in found] == sorted(expected.items())
        assert all(each.headers == (("h", b"\xff\x00"),) and each.timestamp_ms == 7 for each in found)
        assert spool.count("t") == len(expected)


def test_of_a_key_on_two_partitions_the_same_one_counts_in_any_order() -> None:
    """Partitions come in any order; a dump must not depend on it. A tombstone counts where it lies."""
    one, two = record(b"a", b"one", 9, partition=1), record(b"a", b"two", 3, partition=2)
    gone = record(b"a", None, 4, partition=2)
    for order in ((one, two), (two, one)):
        with Spool() as spool:
            for each in order:
                spool.put(each)
            assert [each.value for each in spool.newest("t")] == [b"two"]
            spool.put(gone)
            spool.put(one)
            assert list(spool.newest("t")) == []


def test_topics_do_not_mix_and_what_has_no_key_says_nothing() -> None:
    """Each topic by its own name."""
    with Spool() as spool:
        spool.put(record(b"a", b"1", 0))
        spool.put(record(b"a", b"2", 0, topic="other"))
        spool.put(record(None, b"3", 1))
        assert [each.value for each in spool.newest("t")] == [b"1"]
        assert [each.value for each in spool.newest("other")] == [b"2"]
