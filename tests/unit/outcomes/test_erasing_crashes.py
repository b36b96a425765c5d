"""Erasure in the outcomes worker over two partitions and crashes: copies of it in both, and any part of them lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.tables import FakeTable
from tests.unit.outcomes.test_erasing import erased, reinstated
from tests.unit.outcomes.test_outcomes import DECAY, KEY, QUARRELS, STORY, Signals, booked, outcome, served
from workers.domain.events import Clicked, CreatorErased, CreatorReinstated, Event, FeedbackSignalled
from workers.outcomes.facts import standing_key
from workers.outcomes.worker import Outcomes
from workers.wire.records import InRecord, Item, OutRecord, Position


@dataclass
class Partition:
    """What one holds, of which brand ``b<number>`` has all, and what of it was written; ``committed`` is an offset."""

    number: int
    events: list[Event] = field(default_factory=list)
    changelog: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    signals: list[tuple[tuple[str, str], FeedbackSignalled | None]] = field(default_factory=list)
    committed: int = 0

    def table(self) -> FakeTable:
        """The table as it is recovered."""
        table = FakeTable()
        for key, value in self.changelog:
            table.delete(key) if value is None else table.put(key, value)
        table.written.clear()
        return table

    def crash(self, data: st.DataObject) -> None:
        """Rows and signals of what is not committed have reached their topics up to some record each."""
        rows, signals = self._written
        self.lose(
            data.draw(st.integers(rows, len(self.changelog)), f"rows of {self.number}"),
            data.draw(st.integers(signals, len(self.signals)), f"signals of {self.number}"),
        )

    def lose(self, rows: int, signals: int) -> None:
        """Only so many have reached each topic; neither waits for the other."""
        del self.changelog[rows:]
        del self.signals[signals:]

    def commit(self, offset: int) -> None:
        """All that was written until now stays."""
        self.committed, self._written = offset, (len(self.changelog), len(self.signals))

    def __post_init__(self) -> None:
        self.commit(0)

    def end(self) -> tuple[dict[bytes, bytes], Signals]:
        """The rows, and each pair's newest signal but for those that are deleted."""
        newest = Signals(self.signals)
        return self.table().rows, {pair: signal for pair, signal in newest.items() if signal is not None}


class World:
    """Two partitions, and one process after the other."""

    def __init__(self, told: Sequence[tuple[int, Event]]) -> None:
        self.partitions = [Partition(0), Partition(1)]
        for number, event in told:
            if isinstance(event, CreatorErased | CreatorReinstated):
                for partition in self.partitions:
                    partition.events.append(event)
            else:
                self.partitions[number].events.append(event.model_copy(update={"brand_id": f"b{number}"}))

    def process(self, turns: Sequence[int], committed: Sequence[int] = (0, 0)) -> None:
        """Reads to the ends from what is committed, by turns, and then in each what is left. Commits at an offset."""

        def emit(_: Item[Event], brand: str, creator: str, signal: FeedbackSignalled | None) -> OutRecord:
            self.partitions[int(brand[1:])].signals.append(((brand, creator), signal))
            return OutRecord("signals", None, None)

        worker = Outcomes(DECAY, emit, KEY)
        tables = [partition.table() for partition in self.partitions]
        places = [partition.committed for partition in self.partitions]
        ends = [len(partition.events) for partition in self.partitions]
        for number in [*turns, *([0] * ends[0]), *([1] * ends[1])]:
            if places[number] == ends[number]:
                continue
            partition, table, offset = self.partitions[number], tables[number], places[number]
            record = InRecord(Position("outcomes", number, offset, "id"), None, b"{}", (), 0)
            assert isinstance(worker.handle(Item(partition.events[offset], record), table), list)
            partition.changelog += table.written
            table.written.clear()
            places[number] += 1
            if partition.committed < places[number] <= committed[number]:
                partition.commit(places[number])

    def end(self) -> list[tuple[dict[bytes, bytes], Signals]]:
        """Of both."""
        return [partition.end() for partition in self.partitions]


CLICK = outcome(Clicked, "afresh", campaign="k9")
numbers = st.integers(0, 1)
hours = st.integers(0, 3)
facts = st.tuples(numbers, st.sampled_from([*STORY[:6], *QUARRELS[:2]]))
standings = st.tuples(st.just(0), st.one_of(st.builds(erased, hours), st.builds(reinstated, hours)))
histories = st.lists(st.one_of(facts, standings), max_size=16)
turns = st.lists(numbers, max_size=12)


OVERTAKEN: list[Event] = [*STORY[:3], STORY[5], erased(1)]
AFRESH: list[Event] = [*OVERTAKEN, STORY[6], reinstated(2), served("m9"), booked("k9", match_id="m9"), CLICK]


@pytest.mark.parametrize("events", [OVERTAKEN, AFRESH, [*AFRESH, erased(3), STORY[4]]], ids=["erased", "back", "again"])
def test_wherever_a_crash_comes_the_end_is_the_same(events: list[Event]) -> None:
    """Each number of rows and signals that may have been written, when nothing was committed."""
    told = [(0, event) for event in events]
    whole = World(told)
    whole.process([])
    first = whole.partitions[0]
    for rows in range(len(first.changelog) + 1):
        for signals in range(len(first.signals) + 1):
            crashed = World(told)
            crashed.process([])
            crashed.partitions[0].lose(rows, signals)
            crashed.process([])
            assert crashed.end() == whole.end(), (rows, signals)


@settings(max_examples=200)
@given(histories, st.lists(turns, min_size=2, max_size=4), st.data())
def test_after_crashes_all_ends_as_if_there_had_been_none(
    told: list[tuple[int, Event]], lives: list[list[int]], data: st.DataObject
) -> None:
    """Any order with repeats; any part of what was written is lost; all that was not committed is read again."""
    whole, crashed = World(told), World(told)
    whole.process([])
    for life in lives[:-1]:
        committed = [data.draw(st.integers(0, len(each.events)), "committed") for each in crashed.partitions]
        crashed.process(life, committed)
        for partition in crashed.partitions:
            partition.crash(data)
    crashed.process(lives[-1])
    assert crashed.end() == whole.end()


@settings(max_examples=60)
@given(st.lists(facts, max_size=20), st.integers(0, 20), st.lists(turns, min_size=2, max_size=3), st.data())
def test_after_an_erasure_no_partition_knows_the_creator_wherever_a_crash_came(
    told: list[tuple[int, Event]], place: int, lives: list[list[int]], data: st.DataObject
) -> None:
    """No row names it, its standing is kept, and no signal is left."""
    world = World([*told[:place], (0, erased()), *told[place:]])
    for life in lives[:-1]:
        world.process(life)
        for partition in world.partitions:
            partition.crash(data)
    world.process(lives[-1])
    for rows, signals in world.end():
        assert not [pair for pair in signals if pair[1] == "c1"]
        assert not [key for key, row in rows.items() if b"c1" in key or b"c1" in row]
        assert standing_key(KEY.hash("c1")) in rows
