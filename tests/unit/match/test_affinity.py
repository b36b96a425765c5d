"""Likeness of creators, and what is carried by it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.vectors import Array, unit
from workers.match.affinity import (
    MOST_TEACHERS,
    NOBODY,
    CreatorSet,
    affinity_parts,
    away_parts,
    creator_set,
    likeness,
    teachers,
)

T = 0.12
BREAD, SPORT, CHESS = np.eye(3)
CREATORS = ("baker", "runner", "both")
VECTORS = np.array([BREAD, SPORT, BREAD, SPORT])
SHARES = np.array([1.0, 1.0, 0.5, 0.5])
STARTS = np.array([0, 1, 2])


def named(**weights: float) -> CreatorSet:
    """Bakers and runners, and what each of them counts; ``both`` has two facets."""
    facets: dict[str, tuple[Array, Array]] = {
        "a baker": (np.array([BREAD]), np.array([0.9])),
        "a runner": (np.array([SPORT]), np.array([1.0])),
        "baker": (np.array([BREAD]), np.array([1.0])),
        "none": (np.empty((0, 3)), np.empty(0)),
    }
    return creator_set(facets, {name.replace("_", " "): weight for name, weight in weights.items()})


def affinity(taught: CreatorSet) -> list[float]:
    """Of the baker, the runner and who does both."""
    return [float(each) for each in affinity_parts(CREATORS, VECTORS, SHARES, STARTS, taught, T)]


def test_a_creator_is_wholly_alike_their_double_and_not_at_all_a_stranger() -> None:
    """In between those who share something."""
    ((baker,), (runner,), (both,)) = likeness(VECTORS, SHARES, STARTS, named(a_baker=1.0), T)
    assert (baker, runner) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert 0.5 < both < 1.0


def test_a_good_experience_lifts_those_alike_and_a_bad_one_lowers_them() -> None:
    """By how much they are alike; strangers stay where they are."""
    baker, runner, both = affinity(named(a_baker=0.8))
    assert baker > both > runner == 0.0
    assert affinity(named(a_baker=-0.8)) == pytest.approx([-baker, -runner, -both])
    baker, runner, both = affinity(named(a_baker=0.8, a_runner=-0.8))
    assert (baker, runner) == (pytest.approx(-runner), pytest.approx(-baker))
    assert both == pytest.approx(0.0)


def test_nothing_learned_is_neutral_and_nobody_teaches_themselves() -> None:
    """A creator's own outcomes are their feedback, not their affinity."""
    assert affinity(NOBODY) == affinity(named(none=1.0)) == [0.0, 0.0, 0.0]
    baker, _, both = affinity(named(baker=0.9))
    assert baker == 0.0 < both


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_an_affinity_is_bounded_by_the_strongest_lesson(weights: list[float], seed: int) -> None:
    """However many there are."""
    rng = np.random.default_rng(seed)
    facets = {str(n): (unit(rng.normal(size=(2, 4))), np.array([0.7, 0.3])) for n in range(len(weights))}
    taught = creator_set(facets, {str(n): weight for n, weight in enumerate(weights)})
    vectors = unit(rng.normal(size=(5, 4)))
    parts = affinity_parts(("x", "y"), vectors, np.array([0.5, 0.5, 0.4, 0.3, 0.3]), np.array([0, 2]), taught, T)
    assert np.abs(parts).max() <= max(map(abs, weights)) + 1e-12


def test_the_strongest_lessons_are_taken_and_no_more_than_a_few() -> None:
    """Good and bad alike; of what nothing was learned is none."""
    lifts = {f"c{number:02}": (-1) ** number * number / 10 for number in range(30)}
    taught = teachers(lifts)
    assert len(taught) == MOST_TEACHERS
    assert list(taught)[:2] == ["c29", "c28"]
    assert taught["c29"] < 0 < taught["c28"]
    assert teachers({"a": 0.0}) == {}


def test_away_is_from_the_one_who_is_most_alike() -> None:
    """Less the likeness, so that more of the weight drives further; nothing without anybody to stay away from."""
    baker, runner, both = away_parts(VECTORS, SHARES, STARTS, named(a_baker=1.0, a_runner=1.0), T)
    assert (baker, runner) == pytest.approx((-1.0, -1.0))
    assert -1.0 < both < -0.5
    assert away_parts(VECTORS, SHARES, STARTS, NOBODY, T).tolist() == [0.0, 0.0, 0.0]
