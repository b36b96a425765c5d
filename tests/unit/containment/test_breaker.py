"""Too many dead letters pause a worker; it goes on when told, or when they become few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.config import Settings
from workers.containment.breaker import TRIAL, Breaker

DEAD, DONE = "media_gone", None


def breaker(**settings: float) -> Breaker:
    """Twenty verdicts, of which more than half are dead, after ten at least; it pauses for 60 seconds."""
    given = {"breaker_window": 20, "breaker_share": 0.5, "breaker_least": 10, "breaker_seconds": 60.0}
    return Breaker(Settings(**{**given, **settings}))  # type: ignore[arg-type]


def test_a_few_dead_letters_are_no_alarm() -> None:
    """Half of them dead is not more than half; and nine of nine are too few to say."""
    half, few = breaker(), breaker()
    for number in range(1000):
        half.count(DEAD if number % 2 else DONE, 0.0)
    for _ in range(9):
        few.count(DEAD, 0.0)
    assert (half.state(0.0), few.state(0.0)) == ("closed", "closed")
    assert half.room(0.0, 99) is None


def test_too_many_open_it_and_it_says_why() -> None:
    """Nothing more begins; the reasons are named."""
    full = breaker()
    for reason in [DONE] * 10 + [DEAD] * 10 + ["malformed_json"] * 2:
        full.count(reason, 5.0)
    assert full.state(64.0) == "open"
    assert full.room(64.0, 0) == 0
    assert full.described(35.0) == {
        "breaker": "open: 11 of 20 events are dead letters (10 media_gone); tries a few in 30 s, "
        "or goes on when told (streamscout resume)"
    }


def test_it_forgets_what_lies_beyond_the_window() -> None:
    """Old verdicts do not excuse new ones."""
    late = breaker()
    for _ in range(1000):
        late.count(DONE, 0.0)
    for _ in range(11):
        late.count(DEAD, 0.0)
    assert late.state(0.0) == "open"


@pytest.mark.parametrize(("bad", "state"), [(5, "closed"), (6, "open")])
def test_after_the_pause_a_few_are_let_through_and_decide(bad: int, state: str) -> None:
    """Not more of them than the trial, however many wait; what was counted before counts no more."""
    tried = breaker()
    for _ in range(10):
        tried.count(DEAD, 0.0)
    assert tried.state(61.0) == "trying"
    assert (tried.room(61.0, 0), tried.room(61.0, 4)) == (TRIAL, TRIAL - 4)
    for number in range(TRIAL):
        assert tried.room(61.0, 0) == TRIAL - number
        tried.count(DEAD if number < bad else DONE, 61.0)
    assert tried.state(61.0) == state
    assert tried.state(122.0) == ("closed" if state == "closed" else "trying")


def test_it_goes_on_when_told() -> None:
    """And counts anew: the next alarm needs as many verdicts as the first."""
    told = breaker()
    for _ in range(10):
        told.count(DEAD, 0.0)
    told.resume()
    assert (told.state(0.0), told.described(0.0)) == ("closed", {})
    for _ in range(9):
        told.count(DEAD, 1.0)
    assert told.state(1.0) == "closed"
    told.count(DEAD, 1.0)
    assert told.state(1.0) == "open"


def test_what_was_in_flight_when_it_opened_changes_nothing() -> None:
    """Late verdicts neither close it nor prolong the pause."""
    late = breaker()
    for _ in range(10):
        late.count(DEAD, 0.0)
    for reason in [DONE] * 50 + [DEAD] * 50:
        late.count(reason, 30.0)
    assert (late.state(59.0), late.state(60.0)) == ("open", "trying")


@given(st.lists(st.sampled_from([DEAD, DONE]), max_size=200))
def test_a_share_of_one_never_opens(verdicts: list[str | None]) -> None:
    """The setting that switches it off."""
    never = breaker(breaker_share=1.0)
    for reason in verdicts:
        never.count(reason, 0.0)
        assert never.state(0.0) == "closed"
