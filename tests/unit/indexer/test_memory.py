"""What an indexer remembers of creators, and for how long."""

from __future__ import annotations

from workers.indexer.memory import Memory
from workers.indexer.settling import Published
from workers.wire.records import Position


def at(offset: int, partition: int = 0) -> Position:
    """A record of ``creators``."""
    return Position("creators", partition, offset)


def test_it_forgets_those_that_were_written_longest_ago_and_never_those_that_are_open() -> None:
    """Of whom exact values are still to be written."""
    memory = Memory(3)
    for number in range(6):
        memory.wrote(f"c{number}", 0, (number, 0), Published(), at(number) if number < 2 else None)
    assert [number for number in range(6) if memory.published(f"c{number}") is not None] == [0, 1, 5]
    memory.wrote("c0", 0, (9, 0), Published(), None)
    memory.wrote("c9", 0, (9, 0), Published(), None)
    assert len(memory) == 3
    assert (memory.open("c1"), memory.open("c0"), memory.version("c0")) == (at(1), None, (9, 0))


def test_what_is_in_doubt_is_asked_and_stays_open() -> None:
    """A write may have landed."""
    memory = Memory(3)
    memory.wrote("c", 0, (4, 0), Published(), at(7))
    memory.doubt(["c", "d"])
    assert (memory.published("c"), memory.version("c"), memory.open("c")) == (None, None, at(7))


def test_a_partition_that_is_gone_takes_all_that_was_known_with_it() -> None:
    """Of its creators only; a creator that is erased is known no more either."""
    memory = Memory(9)
    for partition in range(3):
        memory.wrote(f"c{partition}", partition, (1, 0), Published(), at(1, partition))
    memory.released([1, 7])
    memory.forget("c2")
    memory.forget("nobody")
    assert [memory.open(f"c{partition}") for partition in range(3)] == [at(1, 0), None, None]
