"""What is stored and not final yet, by key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.containment.opened import Opened


def test_a_newer_one_takes_the_place_of_what_was_open() -> None:
    """Which is given back; it is not due any more, and closing it closes nothing."""
    opened: Opened[str] = Opened(10)
    assert opened.open("ana", "old", 5.0) is None
    assert opened.open("ana", "new", 7.0) == "old"
    opened.close("ana", "old")
    assert opened.due(6.0) == []
    assert opened.due(7.0) == ["new"]


def test_what_is_due_is_told_once_and_stays_open_until_it_is_closed() -> None:
    """So that whoever ends finds it, though it waits for its turn; opened anew it has a time of its own again."""
    opened: Opened[str] = Opened(10)
    opened.open("ana", "one", 5.0)
    assert opened.due(5.0) == ["one"]
    assert opened.due(9.0) == []
    assert len(opened) == 1
    assert opened.open("ana", "one", 12.0) is None
    assert opened.due(12.0) == ["one"]
    opened.close("ana", "one")
    assert (len(opened), opened.take(lambda _: True)) == (0, [])


def test_of_too_many_those_that_wait_longest_are_due_at_once() -> None:
    """Memory is bounded."""
    opened: Opened[int] = Opened(3)
    for number in range(5):
        opened.open(number, number, 100.0)
    assert opened.due(1.0) == [0, 1]
    assert opened.due(1.0) == []


def test_what_is_taken_is_open_no_more() -> None:
    """Only what was asked for."""
    opened: Opened[int] = Opened(9)
    for number in range(4):
        opened.open(number, number, float(number))
    assert opened.due(1.0) == [0, 1]
    assert opened.take(lambda one: one % 2 == 0) == [0, 2]
    assert opened.due(9.0) == [3]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20)), max_size=40), st.integers(1, 6))
def test_everything_that_was_opened_is_given_back_or_due(steps: list[tuple[int, int]], most: int) -> None:
    """Each exactly once, however keys and times fall."""
    opened: Opened[int] = Opened(most)
    seen: list[int] = []
    for number, (key, wait) in enumerate(steps):
        for one in opened.due(number):
            seen.append(one)
            opened.close(steps[one][0], one)
        if (older := opened.open(key, number, number + wait)) is not None:
            seen.append(older)
        assert len(opened) <= most + 1
    seen += opened.due(1000)
    assert sorted(seen) == list(range(len(steps)))
