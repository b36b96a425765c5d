"""Erasure in the creators worker: what an erasure has overtaken stays out, whatever a crash has lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.tables import FakeTable
from tests.unit.creators.world import KEY, LANDMARK, SETTINGS, profiled, published, removed
from workers.creators.rows import standing_key
from workers.creators.worker import Creators
from workers.domain.events import CreatorErased, CreatorReinstated, CreatorUpdated, Event
from workers.wire.records import InRecord, Item, OutRecord, Position

MIRA = "mira"


def erased(hour: int = 1) -> CreatorErased:
    """An erasure asked for at an hour."""
    return CreatorErased(creator_id=MIRA, requested_at=LANDMARK + timedelta(hours=hour))


def reinstated(hour: int = 2) -> CreatorReinstated:
    """A reinstatement asked for at an hour."""
    return CreatorReinstated(creator_id=MIRA, requested_at=LANDMARK + timedelta(hours=hour))


class Notes:
    """An emitter whose records say the whole update, its id too, or nothing: a tombstone."""

    def updated(self, item: Item[Event], update: CreatorUpdated, event_id: UUID) -> OutRecord:
        return OutRecord("creators", MIRA.encode(), f"{event_id} {update.model_dump_json()}".encode())

    def erased(self, creator_id: str) -> OutRecord:
        return OutRecord("creators", creator_id.encode(), None)


@dataclass
class Partition:
    """One partition of ``embeddings``: what of it the worker has written to its changelog and to ``creators``."""

    changelog: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    creators: list[bytes | None] = field(default_factory=list)

    def process(self, events: Sequence[Event], start: int = 0) -> None:
        """A new process on the rows that the changelog has; it reads from offset ``start`` to the end."""
        worker, table = Creators(SETTINGS, Notes(), KEY), self.table()
        for offset, event in enumerate(events[start:], start):
            # One moment for all: within a partition the offset alone decides.
            record = InRecord(Position("embeddings", 0, offset, "id"), MIRA.encode(), b"{}", (), 1000)
            answer = worker.handle(Item(event, record), table)
            assert isinstance(answer, list)
            self.creators += [each.value for each in answer]
        self.changelog += table.written

    def table(self) -> FakeTable:
        """The table as it is recovered."""
        table = FakeTable()
        for key, value in self.changelog:
            if value is None:
                table.rows.pop(key, None)
            else:
                table.rows[key] = value
        return table

    def crash(self, rows: int, outputs: int) -> None:
        """Only so many of the last process's writes have reached each topic; neither waits for the other."""
        del self.changelog[rows:]
        del self.creators[outputs:]

    def end(self) -> tuple[dict[bytes, bytes], bytes | None]:
        """The rows, and what ``creators`` says of Mira: None where she is not, or no more."""
        return self.table().rows, self.creators[-1] if self.creators else None


def after(*events: Event) -> Partition:
    """The partition when all was read, and nothing happened."""
    partition = Partition()
    partition.process(events)
    return partition


hours = st.integers(0, 4)
each_event = st.one_of(
    st.builds(published, st.integers(0, 3), revision=st.integers(1, 2), seed=st.integers(0, 3)),
    st.builds(removed, st.integers(0, 3), revision=st.integers(1, 2)),
    st.builds(profiled, revision=st.integers(1, 2)),
    st.builds(erased, hours),
    st.builds(reinstated, hours),
)
OVERTAKEN = [published(1), erased(1), reinstated(2), published(2)]
BETWEEN = [published(1), erased(1), published(2), reinstated(2)]


@settings(max_examples=400)
@given(st.lists(each_event, max_size=10), st.lists(st.integers(0, 9), max_size=5), st.data())
def test_after_a_crash_all_ends_as_if_there_had_been_none(
    events: list[Event], repeats: list[int], data: st.DataObject
) -> None:
    """Any order, with repeats; up to three times any part of what was written is lost, and read again."""
    events = events + [events[number] for number in repeats if number < len(events)]
    partition, begin = Partition(), 0
    for _ in range(data.draw(st.integers(1, 3), "crashes")):
        committed = data.draw(st.integers(begin, len(events)), "committed")
        partition.process(events[:committed], begin)
        rows, outputs = len(partition.changelog), len(partition.creators)
        partition.process(events, begin := committed)
        partition.crash(
            data.draw(st.integers(rows, len(partition.changelog)), "rows"),
            data.draw(st.integers(outputs, len(partition.creators)), "outputs"),
        )
    partition.process(events, begin)
    assert partition.end() == after(*events).end()


@pytest.mark.parametrize("events", [OVERTAKEN, BETWEEN, [*OVERTAKEN, erased(3), published(3), reinstated(4)]])
def test_wherever_a_crash_comes_what_an_erasure_has_overtaken_is_not_back(events: list[Event]) -> None:
    """Each number of rows and outputs that may have been written."""
    whole = after(*events)
    for rows in range(len(whole.changelog) + 1):
        for outputs in range(len(whole.creators) + 1):
            partition = after(*events)
            partition.crash(rows, outputs)
            partition.process(events)
            assert partition.end() == whole.end(), (rows, outputs)


def test_a_tombstone_that_a_crash_lost_is_written_though_the_reinstatement_was_kept() -> None:
    """All rows had landed, and of ``creators`` only the update from before the erasure."""
    events = [published(1), erased(1), reinstated(2)]
    partition = after(*events)
    partition.crash(rows=len(partition.changelog), outputs=1)
    assert partition.end()[1] is not None
    partition.process(events)
    rows, said = partition.end()
    assert (rows.keys(), said) == ({standing_key(KEY.hash(MIRA))}, None)


def test_an_erasure_that_comes_late_says_the_tombstone_and_the_creator_as_it_stands() -> None:
    """The tombstone may have been lost; what came since the reinstatement was not erased."""
    partition = after(*OVERTAKEN)
    said = partition.creators[-1]
    partition.process([*OVERTAKEN, erased(1)], len(OVERTAKEN))
    assert partition.creators[-2:] == [None, said]
    assert said is not None


def test_nothing_is_said_of_a_creator_who_is_erased_though_a_crash_left_rows() -> None:
    """The first erasure is old news when it is read again; the rows that the second left are not published."""
    events = [*OVERTAKEN, erased(3)]
    partition = after(*events)
    partition.crash(rows=len(partition.changelog) - 1, outputs=0)
    assert len(partition.table().rows) > 1
    partition.process(events)
    assert partition.creators == [None, None]


def test_the_last_erasure_deletes_every_row_but_one() -> None:
    """Whatever was kept between two erasures."""
    partition = after(*OVERTAKEN, profiled(), erased(3))
    assert partition.table().rows.keys() == {standing_key(KEY.hash(MIRA))}
    assert partition.creators[-1] is None


def test_an_erased_creators_event_is_never_a_dead_letter() -> None:
    """A dead letter would keep what is to be forgotten, whatever is wrong with the event."""
    of_another_model = published(2).model_copy(update={"model_version": "other_v2"})
    partition = after(published(1), erased(1), of_another_model)
    assert partition.creators[-1] is None
    assert len(partition.creators) == 2
