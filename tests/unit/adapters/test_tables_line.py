"""What is committed of a partition: never past a record that was fetched and not dealt with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.adapters.tables.line import Line, Skipped


def test_nothing_is_committable_before_anything_is_settled() -> None:
    """Fetched and taken is not enough."""
    line = Line()
    line.fetch([5, 6])
    assert line.take(5)
    assert line.committable() is None


def test_what_compaction_has_removed_is_passed() -> None:
    """An offset that was never fetched is nobody's loss."""
    line = Line()
    line.fetch([5, 9])
    assert line.take(5)
    assert line.take(9)
    line.settle(5)
    line.settle(9)
    assert line.committable() == 10


def test_a_record_that_was_fetched_and_not_handed_over_is_never_passed() -> None:
    """It is said at the first later one, and again at each."""
    line = Line()
    line.fetch([5, 6, 7])
    assert line.take(5)
    line.settle(5)
    for offset in (7, 7):
        with pytest.raises(Skipped, match="record 6"):
            line.take(offset)
    assert line.committable() == 6


def test_what_comes_again_after_a_seek_is_taken_once() -> None:
    """A fetch that overlapped with a seek leaves the same records twice, and in between later ones."""
    line = Line()
    line.fetch([5, 6, 7])
    assert [line.take(offset) for offset in (5, 6)] == [True, True]
    line.fetch([5, 6, 7, 8])
    assert [line.take(offset) for offset in (7, 5, 6, 7, 8)] == [True, False, False, False, True]


def test_what_was_fetched_under_an_earlier_assignment_is_not_taken() -> None:
    """Another process may have handled it meanwhile, and what lies before it."""
    line = Line()
    assert not line.take(7)
    line.fetch([5, 6, 7])
    assert [line.take(offset) for offset in (5, 6, 7)] == [True, True, True]


@given(st.lists(st.integers(0, 30), unique=True, min_size=1).map(sorted), st.data())
def test_whatever_is_fetched_again_and_dropped_what_is_committable_is_what_was_dealt_with(
    log: list[int], data: st.DataObject
) -> None:
    """Every record of the log below what is committable was taken, once and in order."""
    line, taken = Line(), list[int]()
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(log)))
        fetched = log[start : data.draw(st.integers(start, len(log)))]
        if fetched and start > 0 and log[start - 1] not in taken:
            # A seek goes to what is committed, or before it.
            continue
        line.fetch(fetched)
        for offset in fetched:
            if data.draw(st.booleans()):
                continue
            try:
                handed = line.take(offset)
            except Skipped:
                break
            if handed:
                taken.append(offset)
                line.settle(offset)
    end = line.committable() or 0
    assert taken == [offset for offset in log if offset < end]
