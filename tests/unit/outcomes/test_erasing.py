"""Erasure in the outcomes worker: no fact, no signal and no name of the creator is left in the partition."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.tables import FakeTable
from tests.unit.outcomes.test_outcomes import DECAY, KEY, START, STORY, booked, outcome, served
from workers.domain.events import Clicked, CreatorErased, CreatorReinstated, Event, FeedbackSignalled
from workers.outcomes.facts import parts_of
from workers.outcomes.worker import Outcomes
from workers.wire.records import InRecord, Item, OutRecord, Position


class Partition:
    """One partition of the worker: events at rising offsets, signals as they stand."""

    def __init__(self) -> None:
        self.table = FakeTable()
        self.signals: dict[tuple[str, str], FeedbackSignalled | None] = {}
        self.restart()

    def restart(self) -> None:
        """A new process on the same rows."""
        self.worker = Outcomes(DECAY, self._emit, KEY)

    def _emit(self, item: Item[Event], brand: str, creator: str, signal: FeedbackSignalled | None) -> OutRecord:
        self.signals[brand, creator] = signal
        return OutRecord("signals", f"{brand}|{creator}".encode(), None)

    def give(self, *events: Event, start: int = 0) -> None:
        """Handle events, none of which may be dead."""
        for offset, event in enumerate(events, start):
            record = InRecord(Position("outcomes", 0, offset, "t"), b"b1", b"{}", (), 0)
            assert isinstance(self.worker.handle(Item(event, record), self.table), list)

    def about(self, creator: str) -> list[bytes]:
        """Keys of rows that name the creator. Hexadecimal digits name nobody, though they may hold the same letters."""
        name, hashed = creator.encode(), KEY.hash(creator).encode()
        return [key for key, row in self.table.rows.items() if name in key.replace(hashed, b"") + b"\n" + row]

    def noted(self, creator: str) -> set[bytes]:
        """The kinds of rows that lie under the creator's hash."""
        return {key.split(b"\x1f")[0] for key in self.table.rows if KEY.hash(creator).encode() in key}


def erased(hour: int = 0) -> CreatorErased:
    """An erasure of the creator of the story."""
    return CreatorErased(creator_id="c1", requested_at=START + timedelta(hours=hour))


def reinstated(hour: int = 1) -> CreatorReinstated:
    """Its reinstatement."""
    return CreatorReinstated(creator_id="c1", requested_at=START + timedelta(hours=hour))


def test_nothing_is_left_but_the_standing_and_the_signal_is_deleted() -> None:
    """The other creator of the shortlist keeps what is its own."""
    partition = Partition()
    partition.give(*STORY, booked("k3", "c2"), outcome(Clicked, "of-c2", campaign="k3", creator_id="c2"))
    kept = partition.signals["b1", "c2"]
    assert partition.signals["b1", "c1"] is not None
    assert kept is not None
    partition.give(erased(), start=100)
    assert partition.signals == {("b1", "c1"): None, ("b1", "c2"): kept}
    assert (partition.about("c1"), partition.noted("c1")) == ([], {b"s", b"t"})


def test_late_events_of_an_erased_creator_change_nothing() -> None:
    """Not counted, and no dead letters; a shortlist is kept without its name."""
    partition = Partition()
    partition.give(erased(), *STORY)
    assert partition.signals == {}
    assert (partition.about("c1"), partition.noted("c1")) == ([], {b"s"})


def test_a_late_event_with_a_wrong_clock_is_no_dead_letter_either() -> None:
    """It would keep the erased creator's name for as long as dead letters are kept."""
    partition = Partition()
    partition.give(erased())
    late = outcome(Clicked, "ahead", minutes=60 * 48)
    record = InRecord(Position("outcomes", 0, 9, "t"), b"b1", b"{}", (), round(START.timestamp() * 1000))
    assert partition.worker.handle(Item(late, record), partition.table) == []


@pytest.mark.parametrize("late", [[], STORY], ids=["none late", "late ones too"])
def test_after_a_reinstatement_what_comes_counts_and_what_was_overtaken_does_not(late: list[Event]) -> None:
    """Also when the worker reads everything again after a crash; what came between was dropped, and is again."""
    partition = Partition()
    fresh = [served("m9"), booked("k9", match_id="m9"), outcome(Clicked, "new", campaign="k9")]
    story = [*STORY, erased(), *late, reinstated(), *fresh]
    partition.give(*story)
    once = (dict(partition.table.rows), dict(partition.signals))
    assert partition.signals["b1", "c1"] is not None
    assert partition.signals["b1", "c1"].events == 2
    partition.restart()
    partition.give(*story)
    assert (dict(partition.table.rows), dict(partition.signals)) == once


@given(st.integers(0, len(STORY)), st.integers(0, 30), st.randoms(use_true_random=False))
def test_wherever_the_erasure_comes_and_however_often_it_ends_alike(place: int, again: int, random: object) -> None:
    """Any order of the facts, the erasure anywhere among them, any part of it read twice."""
    story: list[Event] = list(STORY)
    random.shuffle(story)  # type: ignore[attr-defined]
    story.insert(place, erased())
    partition = Partition()
    partition.give(*story)
    partition.give(*story[again:], start=again)
    assert partition.signals.get(("b1", "c1")) is None
    assert {key.split(b"\x1f")[0] for key in partition.about("c1")} <= {b"s", b"t"}


@pytest.mark.parametrize("lost", [False, True])
def test_a_tombstone_that_a_crash_lost_is_written_when_the_erasure_is_read_again(lost: bool) -> None:
    """The rows are gone by then: whose signals they were is noted."""
    partition = Partition()
    partition.give(*STORY, erased())
    if lost:
        partition.signals.clear()
    partition.restart()
    partition.give(erased(), start=len(STORY))
    assert partition.signals == {("b1", "c1"): None}


@pytest.mark.parametrize("creator", ["c1", "crème", 'a "quoted" one', "back\\slash", "a/b", "\u2028", "ѫ"])
def test_an_id_that_json_writes_otherwise_is_found_in_every_row(creator: str) -> None:
    """As a fact, a rival, one that a shortlist names, and one of those shown; a longer id of another is left alone."""
    partition = Partition()
    other = f"{creator}x"
    partition.give(
        served("m", (creator, other)),
        booked("k", creator, match_id="m"),
        booked("l", other, match_id="m"),
        # Which of two claims stands is drawn by their hashes: of eight, some are the creator's and some the other's.
        *(outcome(Clicked, f"twice-{n}", creator_id=each) for n in range(8) for each in (creator, other)),
        outcome(Clicked, "once", campaign="l", creator_id=other),
    )
    others = {key for key in partition.table.rows if other in parts_of(key)}
    partition.give(CreatorErased(creator_id=creator, requested_at=START), start=100)
    for key, value in partition.table.rows.items():
        if key[:1] in b"pnem":
            assert creator not in parts_of(key)
            assert creator not in strings_in(orjson.loads(value))
    assert others
    assert others <= set(partition.table.rows)


def strings_in(value: object) -> set[str]:
    """Every string that a row's value holds, also in JSON within it."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return {found for each in value for found in strings_in(each)}
    if isinstance(value, str):
        return {value} | (strings_in(orjson.loads(value)) if value.startswith("{") else set())
    return set()
