"""Which event of a creator counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.indexer.events import updated
from workers.domain.events import CreatorUpdated
from workers.indexer.newest import Change, is_outdated, newest_changes


def _changes(*events: CreatorUpdated | str) -> dict[str, Change]:
    return newest_changes(
        (index, event if isinstance(event, str) else event.creator_id, None if isinstance(event, str) else event)
        for index, event in enumerate(events)
    )


def test_the_highest_revision_of_each_creator_counts() -> None:
    """Creators do not mix, and the order of revisions is not the order of arrival."""
    a1, a3, a2, b1 = updated("a", 1), updated("a", 3), updated("a", 2), updated("b", 1)
    assert _changes(a1, a3, b1, a2) == {"a": Change(False, a3, 1), "b": Change(False, b1, 2)}


def test_of_equal_revisions_the_last_counts() -> None:
    """A post with revision 0 changes the creator and not the sum: the topic's order decides."""
    before, after = updated("a", 5, ("p",)), updated("a", 5, ("p", "q"))
    assert _changes(before, after) == {"a": Change(False, after, 1)}


def test_a_tombstone_ends_what_stood_before_it() -> None:
    """Erased last: nothing is written."""
    assert _changes(updated("a", 9), "a") == {"a": Change(True, None, 1)}


def test_after_a_tombstone_a_creator_begins_anew() -> None:
    """A reinstated creator's revision may be lower than the erased one's."""
    anew = updated("a", 2)
    assert _changes(updated("a", 9), "a", anew) == {"a": Change(True, anew, 2)}


@given(st.lists(st.integers(0, 6), min_size=1))
def test_the_newest_is_a_maximum_and_the_last_of_those(revisions: list[int]) -> None:
    """Whatever the order and the repeats."""
    events = [updated("a", revision) for revision in revisions]
    change = _changes(*events)["a"]
    assert change.event is not None
    assert change.event.revision == max(revisions)
    assert change.index == len(revisions) - 1 - revisions[::-1].index(max(revisions))


def test_an_equal_revision_is_not_outdated() -> None:
    """It is written again, which heals; only an older one is left out."""
    assert not is_outdated(updated("a", 5), None)
    assert not is_outdated(updated("a", 5), 5)
    assert is_outdated(updated("a", 5), 6)
