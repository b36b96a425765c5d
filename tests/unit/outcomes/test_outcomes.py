"""The outcomes worker on a dictionary for a table: counted once, in any order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.tables import FakeTable
from workers.domain.erasure import ErasureKey
from workers.domain.events import (
    Aspect,
    Clicked,
    Converted,
    CreatorBooked,
    CreatorOpened,
    Event,
    FeedbackSignalled,
    ImpressionsCounted,
    MatchServed,
    Refunded,
    Shortlisted,
    ShortlistViewed,
)
from workers.outcomes.attribution import Decay
from workers.outcomes.facts import fact_of
from workers.outcomes.worker import Outcomes
from workers.wire.records import Dead, InRecord, Item, OutRecord, Position

START = datetime(2026, 3, 1, tzinfo=UTC)
KEY = ErasureKey(b"a key of the tests")
DECAY = Decay(landmark=datetime(2024, 1, 1, tzinfo=UTC), half_life_days=90.0)


def after(minutes: int) -> datetime:
    """A time of the campaign."""
    return START + timedelta(minutes=minutes)


def served(match_id: str = "m1", creators: tuple[str, ...] = ("c1", "c2")) -> MatchServed:
    """A match that was served to brand b1."""
    return MatchServed(
        match_id=match_id,
        brand_id="b1",
        served_at=after(0),
        aspects=(Aspect(text="coffee", weight=1.0),),
        filters_json="{}",
        shortlist=tuple(
            Shortlisted(creator_id=creator, rank=rank, score=0.5, propensity=1.0, features={})
            for rank, creator in enumerate(creators, 1)
        ),
        policy="score.v1",
        model="none",
        model_version="m",
    )


def booked(campaign: str = "k1", creator: str = "c1", match_id: str = "m1") -> CreatorBooked:
    """Brand b1 booked a creator from a match."""
    return CreatorBooked(
        event_id=f"book-{campaign}-{creator}",
        brand_id="b1",
        match_id=match_id,
        occurred_at=after(1),
        creator_id=creator,
        campaign_id=campaign,
    )


def outcome(kind: type[Event], event_id: str, minutes: int = 10, campaign: str = "k1", **fields: object) -> Event:
    """An outcome of brand b1, creator c1."""
    return kind.model_validate(
        {
            "event_id": event_id,
            "brand_id": "b1",
            "campaign_id": campaign,
            "creator_id": "c1",
            "occurred_at": after(minutes),
            **fields,
        }
    )


STORY: list[Event] = [
    served(),
    CreatorOpened(event_id="open-1", brand_id="b1", match_id="m1", occurred_at=after(1), creator_id="c1"),
    booked(),
    booked(campaign="k2", match_id="never-served"),
    outcome(ImpressionsCounted, "i1", 5, window_start=after(0), window_end=after(5), impressions=1000),
    outcome(Clicked, "k-1", 6),
    outcome(Clicked, "k-2", 7),
    outcome(Clicked, "k-of-k2", 7, campaign="k2"),
    outcome(Converted, "v-1", 8, value=40.0),
    outcome(Converted, "v-2", 9, value=10.0),
    outcome(Refunded, "r-1", 5000, value=40.0, refunds="v-1"),
    outcome(Clicked, "two-kinds", 11),
    outcome(Converted, "two-kinds", 12, value=3.0),
]
QUARRELS: list[Event] = [
    outcome(Clicked, "twice", 11),
    outcome(Clicked, "twice", 11, creator_id="c2"),
    outcome(Converted, "thrice", 11, value=9.0),
    outcome(Converted, "thrice", 12, value=9.0, creator_id="c2"),
    outcome(Converted, "thrice", 12, value=9.0, creator_id="c3"),
    booked(creator="c2"),
    booked(creator="c2").model_copy(update={"match_id": "never-served"}),
    served("m2", ("c3",)),
    served("m2", ("c1",)),
    ShortlistViewed(event_id="seen", brand_id="b1", match_id="m2", occurred_at=after(2)),
    booked(campaign="k1", creator="c3", match_id="m2"),
    outcome(Refunded, "r-2", 40, value=9.0, refunds="thrice"),
]
"""What trackers and people should not say, and do: one id for two things."""

ALL = [*STORY, *QUARRELS]

Signals = dict[tuple[str, str], FeedbackSignalled | None]


class Life:
    """Workers on one table, one after the other, and the newest signal of each pair."""

    def __init__(self) -> None:
        self.table, self.signals = FakeTable(), Signals()
        self.begin()

    def begin(self) -> None:
        """A worker that remembers nothing."""
        self.worker = Outcomes(DECAY, lambda _, brand, creator, signal: self._emit((brand, creator), signal), KEY)

    def _emit(self, pair: tuple[str, str], signal: FeedbackSignalled | None) -> OutRecord:
        self._out[pair] = signal
        return OutRecord("signals", None, None)

    def take(self, event: Event, timestamp_ms: int = 0) -> list[OutRecord] | Dead:
        """One event, whole."""
        self._out = Signals()
        answer = self.worker.handle(
            Item(event, InRecord(Position("outcomes", 0, 0), None, b"", (), timestamp_ms)), self.table
        )
        self.signals |= self._out
        return answer

    def crash(self, event: Event, kept: int) -> None:
        """Die in the middle of an event: the first ``kept`` of its rows are in the changelog, none of its signals."""
        before, signals = dict(self.table.rows), dict(self.signals)
        self.table.written.clear()
        self.take(event)
        self.table.rows = before
        for key, value in self.table.written[:kept]:
            before.pop(key, None) if value is None else before.update({key: value})
        self.signals = signals
        self.begin()

    def standing(self) -> Signals:
        """The signals that are no tombstones."""
        return {pair: signal for pair, signal in self.signals.items() if signal is not None}


def play(events: Sequence[Event], forget_at: frozenset[int] = frozenset()) -> Signals:
    """The last signal of each pair after the events in this order."""
    life = Life()
    for number, event in enumerate(events):
        if number in forget_at:
            life.worker.forget()
        life.take(event)
    return life.standing()


def test_outcomes_count_through_the_booking_and_the_match() -> None:
    """Clicks of the booked campaign count; those of a campaign booked from an unknown match wait."""
    signal = play(STORY[:8])["b1", "c1"]
    assert signal is not None
    assert signal.events == 5  # opened, booked, impressions and two clicks
    assert signal.statistics.clicks / signal.statistics.booked == pytest.approx(2.0, rel=1e-3)


def test_a_whole_refund_leaves_no_value_behind_however_late_it_comes() -> None:
    """The refund weighs what its conversion weighed."""
    events = [*STORY[:3], outcome(Converted, "v", 8, value=40.0)]
    events.append(outcome(Refunded, "r", 500_000, value=40.0, refunds="v"))
    signal = play(events)["b1", "c1"]
    assert signal is not None
    assert signal.statistics.value == 0.0
    assert signal.statistics.refunds == signal.statistics.conversions


def test_an_outcome_before_its_booking_counts_when_the_booking_comes() -> None:
    """Nothing is lost for arriving early."""
    early = [STORY[5], STORY[8], STORY[0]]
    assert play(early) == {}
    signal = play([*early, STORY[2]])["b1", "c1"]
    assert signal is not None
    assert signal.events == 3


def test_a_booking_of_a_creator_who_was_not_shown_does_not_count() -> None:
    """A forged or mistaken match id teaches nothing."""
    assert play([served(creators=("c2",)), booked(), STORY[5]]) == {}


def test_an_anonymous_match_never_teaches() -> None:
    """A brief without a brand leaves no row."""
    anonymous = served().model_copy(update={"brand_id": None})
    assert play([anonymous, booked(), STORY[5]]) == {}


def test_a_booking_that_turns_out_to_be_of_another_match_takes_its_signal_back() -> None:
    """A tombstone, not a signal that stays for ever."""
    life = Life()
    for event in (served(), *sorted(QUARRELS[5:7], key=lambda event: fact_of(event).rank())):  # type: ignore[arg-type]
        life.take(event)
    winner = max(QUARRELS[5:7], key=lambda event: fact_of(event).rank())  # type: ignore[arg-type]
    stands = isinstance(winner, CreatorBooked) and winner.match_id == "m1"
    assert (life.signals["b1", "c2"] is not None) == stands
    life = Life()
    for event in (served("m2", ("c1",)), booked(match_id="m2"), served("m2", ("c3",))):
        life.take(event)
    assert life.signals == {("b1", "c1"): None}


def test_what_never_counted_has_no_tombstone() -> None:
    """Decisions that wait for their match, viewed shortlists among them, say nothing about anybody."""
    life = Life()
    for event in (QUARRELS[9], booked(creator="c7", match_id="m2"), booked(creator="c8", match_id="m2"), QUARRELS[7]):
        life.take(event)
    assert life.signals == {}


def test_an_outcome_of_the_far_future_is_dead() -> None:
    """One wrong clock would outweigh all that ever happened, and no refund could take it back."""
    life, now = Life(), int(after(0).timestamp() * 1000)
    assert life.take(outcome(Clicked, "tomorrow", 60 * 23), now) == []
    dead = life.take(outcome(Clicked, "next-year", 60 * 24 * 365), now)
    assert isinstance(dead, Dead)
    assert (dead.reason, dead.detail.partition(":")[0]) == ("invalid_event", "occurred_at")
    assert not any(b"next-year" in key for key in life.table.rows)


def test_the_greatest_values_that_are_valid_stay_numbers() -> None:
    """Nothing that passes validation may end the worker."""
    life = Life()
    for event in (*STORY[:3], outcome(Converted, "dear", 8, value=1e12)):
        life.take(event)
    life.take(
        outcome(ImpressionsCounted, "many", 5_000_000, window_start=after(0), window_end=after(1), impressions=2**53)
    )
    end = datetime(9999, 12, 31, tzinfo=UTC)
    life.take(outcome(Converted, "late", value=1e12).model_copy(update={"occurred_at": end}))
    signal = life.signals["b1", "c1"]
    assert signal is not None
    assert FeedbackSignalled.model_validate_json(signal.model_dump_json()) == signal


def test_a_known_pair_is_never_scanned_again() -> None:
    """Clicks, refunds and opened profiles of a pair with a long history cost no scan of it."""
    life = Life()
    for event in STORY[:3]:
        life.take(event)
    scans: list[bytes] = []
    scan = life.table.scan

    def counting(prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        scans.append(prefix)
        return scan(prefix)

    life.table.scan = counting  # type: ignore[method-assign]
    for number in range(50):
        life.take(outcome(Clicked, f"c-{number}"))
        life.take(outcome(Converted, f"v-{number}", value=2.0))
        life.take(outcome(Refunded, f"r-{number}", value=2.0, refunds=f"v-{number}"))
        life.take(
            CreatorOpened(event_id=f"o-{number}", brand_id="b1", match_id="m1", occurred_at=after(9), creator_id="c1")
        )
    assert scans == []
    signal = life.signals["b1", "c1"]
    assert signal is not None
    assert (signal.events, signal.statistics.value) == (2 + 200, 0.0)


@given(
    order=st.permutations(range(len(ALL))),
    repeats=st.lists(st.integers(0, len(ALL) - 1), max_size=20),
    forget=st.frozensets(st.integers(0, 30), max_size=4),
    seed=st.integers(0, 2**16),
)
def test_any_order_repetition_and_restart_ends_in_the_same_signals(
    order: list[int], repeats: list[int], forget: frozenset[int], seed: int
) -> None:
    """The signals are a function of the set of events, bit for bit."""
    events = [ALL[number] for number in [*order, *repeats]]
    random.Random(seed).shuffle(events)
    assert play(events, forget) == play(ALL)


@given(
    order=st.permutations(range(len(ALL))),
    crashes=st.dictionaries(st.integers(0, len(ALL) - 1), st.integers(0, 8), max_size=4),
    meanwhile=st.integers(0, len(ALL)),
)
def test_a_crash_at_any_row_of_any_event_ends_in_the_same_signals(
    order: list[int], crashes: dict[int, int], meanwhile: int
) -> None:
    """The rest of the topics may be read before the event comes again; its signals are corrected all the same."""
    life = Life()
    events = [ALL[number] for number in order]
    for number, event in enumerate(events):
        if number in crashes:
            life.crash(event, crashes[number])
            for other in events[number + 1 : number + 1 + meanwhile]:
                life.take(other)
        life.take(event)
    assert life.standing() == play(ALL)
