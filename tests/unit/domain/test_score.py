"""The share-weighted score's laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workers.domain.score import share_weighted
from workers.domain.vectors import Array

T = 0.12
cosines = arrays(np.float64, (4, 2), elements=st.floats(-1, 1))
shares = arrays(np.float64, 4, elements=st.floats(0.02, 0.25))
HALVES = np.array([0.5, 0.5])


def score(cosine: Array, share: Array, temperature: float = T) -> float:
    """One creator's score for two equal aspects."""
    return float(share_weighted(cosine, share, np.array([0]), HALVES, temperature).total[0])


@given(cosines, shares)
def test_it_is_the_formula(cosine: Array, share: Array) -> None:
    """As representation.md writes it."""
    expected = sum(0.5 * T * np.log(np.sum(share * np.exp((cosine[:, a] - 1) / T))) for a in range(2))
    assert score(cosine, share) == pytest.approx(expected)


@given(cosines, shares, st.floats(0.1, 0.9))
def test_cutting_a_facet_in_two_leaves_it_unchanged(cosine: Array, share: Array, cut: float) -> None:
    """The share lies inside the score."""
    pieces = np.concatenate((share, [share[0] * (1 - cut)]))
    pieces[0] = share[0] * cut
    assert score(np.concatenate((cosine, cosine[:1])), pieces) == pytest.approx(score(cosine, share))


@given(cosines, shares)
def test_the_order_of_facets_does_not_matter(cosine: Array, share: Array) -> None:
    """Facets are a set."""
    assert score(cosine[::-1], share[::-1]) == pytest.approx(score(cosine, share))


@given(cosines, cosines, shares)
def test_each_creator_is_scored_alone(mine: Array, yours: Array, share: Array) -> None:
    """Many at once give what each gives alone."""
    both = share_weighted(np.concatenate((mine, yours)), np.tile(share, 2), np.array([0, 4]), HALVES, T)
    assert both.total == pytest.approx([score(mine, share), score(yours, share)])
    assert both.contribution[:4].sum() == pytest.approx(1.0)


def test_a_creator_of_one_facet_scores_the_cosine_less_one() -> None:
    """So 1 + score is a cosine."""
    assert score(np.array([[0.3, 0.5]]), np.array([1.0])) == pytest.approx(0.4 - 1)


def test_a_tiny_temperature_does_not_underflow() -> None:
    """The largest term is taken out first."""
    assert np.isfinite(score(np.array([[-1.0, -1.0]]), np.array([0.5]), 1e-4))


def test_a_share_of_nothing_is_refused() -> None:
    """Its logarithm would poison the sum."""
    with pytest.raises(ValueError, match="above 0"):
        score(np.array([[0.3, 0.5]]), np.array([0.0]))
