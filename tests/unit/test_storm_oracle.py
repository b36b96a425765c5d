"""The storm's oracle on erasures: the one rule of it that the order of events enters."""

from __future__ import annotations

from datetime import timedelta

from tests.storm.events import NOW, new_match
from tests.storm.oracle import of_the_living
from workers.domain.events import CreatorErased, CreatorProfiled, CreatorReinstated, Event, MatchServed

ERASED = CreatorErased(creator_id="ann", requested_at=NOW)
BACK = CreatorReinstated(creator_id="ann", requested_at=NOW + timedelta(seconds=1))


def profile(creator: str, revision: int) -> Event:
    """A profile of a creator."""
    return CreatorProfiled(
        creator_id=creator, revision=revision, name="Ann", bio="", platforms=("instagram",), followers=1
    )


def test_nothing_of_an_erased_creator_counts_whenever_it_came() -> None:
    """Before and after; of others all counts."""
    events = [profile("ann", 1), profile("ben", 1), ERASED, profile("ann", 2)]
    assert of_the_living(events) == [profile("ben", 1)]


def test_of_a_reinstated_creator_what_came_after_that_counts() -> None:
    """A repeat of the erasure, older than the reinstatement, changes nothing; nor does a repeat of the latter."""
    events = [profile("ann", 1), ERASED, profile("ann", 2), BACK, profile("ann", 3), ERASED, BACK, profile("ann", 4)]
    assert [e for e in of_the_living(events) if isinstance(e, CreatorProfiled)] == [
        profile("ann", 3),
        profile("ann", 4),
    ]


def test_an_erasure_that_was_taken_back_before_it_came_changes_nothing() -> None:
    """The later word stands, whichever comes first."""
    events = [profile("ann", 1), BACK, ERASED, profile("ann", 2)]
    assert [e for e in of_the_living(events) if isinstance(e, CreatorProfiled)] == [
        profile("ann", 1),
        profile("ann", 2),
    ]


def test_a_shortlist_forgets_who_was_erased_after_it() -> None:
    """One that is served after the reinstatement shows the creator."""
    seen = of_the_living([new_match("b", "1", ["ann", "ben"]), ERASED, BACK, new_match("b", "2", ["ann", "ben"])])
    shown = [[row.creator_id for row in event.shortlist] for event in seen if isinstance(event, MatchServed)]
    assert shown == [["ben"], ["ann", "ben"]]
