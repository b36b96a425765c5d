"""The outcomes worker on a dictionary for a table: counted once, in any order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
)
from workers.outcomes.attribution import Decay
from workers.outcomes.worker import Outcomes
from workers.wire.records import InRecord, Item, OutRecord, Position

START = datetime(2026, 3, 1, tzinfo=UTC)
DECAY = Decay(landmark=datetime(2024, 1, 1, tzinfo=UTC), half_life_days=90.0)


class DictTable:
    """Rows in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.rows[key] = value

    def delete(self, key: bytes) -> None:
        self.rows.pop(key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield from [(key, value) for key, value in sorted(self.rows.items()) if key.startswith(prefix)]


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
    outcome(Clicked, "twice", 11),
    outcome(Converted, "twice", 12, value=3.0),
]


Signals = dict[tuple[str, str], FeedbackSignalled | None]


def play(events: list[Event], forget_at: frozenset[int] = frozenset()) -> Signals:
    """The last signal of each pair after the events in this order."""
    signals: Signals = {}

    def emit(item: Item[Event], brand: str, creator: str, signal: FeedbackSignalled | None) -> OutRecord:
        signals[brand, creator] = signal
        return OutRecord("signals", None, None)

    worker, table = Outcomes(DECAY, emit), DictTable()
    for number, event in enumerate(events):
        if number in forget_at:
            worker.forget()
        record = InRecord(Position("outcomes", 0, number), None, b"", (), 0)
        worker.handle(Item(event, record), table)
    return {pair: signal for pair, signal in signals.items() if signal is not None}


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


@given(
    order=st.permutations(range(len(STORY))),
    repeats=st.lists(st.integers(0, len(STORY) - 1), max_size=20),
    forget=st.frozensets(st.integers(0, 30), max_size=4),
    seed=st.integers(0, 2**16),
)
def test_any_order_repetition_and_restart_ends_in_the_same_signals(
    order: list[int], repeats: list[int], forget: frozenset[int], seed: int
) -> None:
    """The signals are a function of the set of events, bit for bit."""
    events = [STORY[number] for number in [*order, *repeats]]
    random.Random(seed).shuffle(events)
    assert play(events, forget) == play(STORY)
