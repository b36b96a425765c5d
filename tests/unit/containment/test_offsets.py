"""Which offset may be committed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.containment.offsets import Offsets


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Offsets as a partition hands them out, with holes, and the order in which some of them are settled."""
    offsets = sorted(draw(st.sets(st.integers(0, 200), min_size=1, max_size=40)))
    return offsets, draw(st.permutations(offsets))[: draw(st.integers(0, len(offsets)))]


@given(histories())
def test_everything_before_the_committable_offset_is_settled_and_nothing_more_could_be(
    history: tuple[list[int], list[int]],
) -> None:
    """The prefix is exact, after every single step and in any order."""
    offsets, order = history
    tracker = Offsets()
    for offset in offsets:
        tracker.read(offset)
    settled: set[int] = set()
    for offset in order:
        tracker.settle(offset)
        settled.add(offset)
        unsettled = [offset for offset in offsets if offset not in settled]
        prefix = [offset for offset in offsets if not unsettled or offset < unsettled[0]]
        assert tracker.committable == (prefix[-1] + 1 if prefix else None)
        assert len(tracker) == len(offsets) - len(prefix)


@given(histories())
def test_reading_and_settling_may_be_mixed(history: tuple[list[int], list[int]]) -> None:
    """Read a little, settle a little: the end is the same."""
    offsets, order = history
    tracker, waiting = Offsets(), list(order)
    for offset in offsets:
        tracker.read(offset)
        if waiting and waiting[0] <= offset:
            tracker.settle(waiting.pop(0))
    for offset in waiting:
        tracker.settle(offset)
    at_once = Offsets()
    for offset in offsets:
        at_once.read(offset)
    for offset in order:
        at_once.settle(offset)
    assert tracker.committable == at_once.committable


@given(histories(), st.data())
def test_what_is_held_counts_as_stored_and_is_not_committable(
    history: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    """Two prefixes of one line, each exact after every step; settling later what is held changes only the one."""
    offsets, order = history
    tracker = Offsets()
    for offset in offsets:
        tracker.read(offset)
    held: set[int] = set()
    settled: set[int] = set()
    steps = [(offset, data.draw(st.booleans())) for offset in order]
    steps += [(offset, False) for offset, hold in steps if hold]
    for offset, hold in steps:
        (tracker.hold if hold else tracker.settle)(offset)
        (held if hold else settled).add(offset)
        for known, end in ((settled, tracker.committable), (settled | held, tracker.stored)):
            missing = [one for one in offsets if one not in known]
            prefix = [one for one in offsets if not missing or one < missing[0]]
            assert end == (prefix[-1] + 1 if prefix else None)


def test_nothing_is_committable_before_the_first_is_settled() -> None:
    """A commit of nothing would move the group."""
    tracker = Offsets()
    assert tracker.committable is None
    tracker.read(7)
    assert tracker.committable is None


@pytest.mark.parametrize("offset", [4, 5])
def test_an_offset_that_does_not_rise_is_refused(offset: int) -> None:
    """It would mean that the assignment changed unnoticed."""
    tracker = Offsets()
    tracker.read(5)
    with pytest.raises(ValueError, match="out of order"):
        tracker.read(offset)


def test_an_offset_behind_the_prefix_is_refused() -> None:
    """The same once everything read is settled."""
    tracker = Offsets()
    tracker.read(5)
    tracker.settle(5)
    with pytest.raises(ValueError, match="out of order"):
        tracker.read(5)
    tracker.read(6)
