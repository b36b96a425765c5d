"""The parts of the score besides the semantic one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.vectors import Array, unit
from workers.match.parts import (
    NEUTRAL,
    audience_part,
    audience_parts,
    bio_part,
    engagement_part,
    freshness_part,
    overlap,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
distributions = st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 0.25), min_size=1)


@given(distributions, distributions)
def test_an_overlap_is_a_share(wanted: dict[str, float], actual: dict[str, float]) -> None:
    """0 to 1; a distribution covers itself."""
    assert 0 <= overlap(wanted, actual) <= 1 + 1e-9
    assert overlap(wanted, wanted) == pytest.approx(1.0)


def test_a_nearer_audience_scores_higher() -> None:
    """70 % women are wanted."""
    wanted = {"gender": {"women": 0.7, "men": 0.3}}
    near, far = ({"gender": {"women": share, "men": 1 - share}} for share in (0.65, 0.1))
    assert audience_part(wanted, near) > audience_part(wanted, far)


def test_an_unknown_audience_is_neither_rewarded_nor_refused() -> None:
    """Nothing wanted, or nothing known of what is wanted."""
    assert audience_part({}, {"gender": {"women": 1.0}}) == NEUTRAL
    assert audience_part({"gender": {"women": 1.0}}, {}) == NEUTRAL
    assert audience_part({"gender": {"women": 1.0}}, {"gender": {}, "age": {"18-24": 1.0}}) == NEUTRAL


def test_what_an_audience_leaves_open_may_be_anybody() -> None:
    """A profile that tells of men alone says little of women, and nothing against them."""
    women = {"women": 0.6}
    assert overlap(women, {"men": 0.1}) == pytest.approx(NEUTRAL)
    assert overlap(women, {"women": 0.3, "men": 0.1}) == pytest.approx((0.3 + 0.5 * 0.3) / 0.6)
    assert overlap(women, {"men": 0.9}) == pytest.approx(0.5 * 0.1 / 0.6)
    assert overlap(women, {"women": 0.2, "men": 0.8}) == pytest.approx(0.2 / 0.6)


def test_an_age_range_is_the_sum_of_its_bands() -> None:
    """A campaign for 18-34 asks for two bands at once, whatever their parts of it; a share said as a range is taken."""
    young = {"18-24": 0.2, "25-34": 0.4, "35-44": 0.4}
    assert overlap({"18-34": 0.6}, young) == pytest.approx(1.0)
    assert overlap({"18-34": 1.0}, young) == pytest.approx(0.6)
    assert overlap({"45+": 0.5}, young) == 0.0
    assert overlap({"45+": 0.5}, {"45+": 0.5, "18-24": 0.5}) == pytest.approx(1.0)
    assert overlap({"18-24": 0.5}, young) == pytest.approx(0.2 / 0.5)


def test_an_unknown_audience_stands_where_the_known_ones_do() -> None:
    """At their mean, dimension by dimension: below who fits better than most, above who fits worse."""
    wanted = {"gender": {"women": 0.7, "men": 0.3}}
    near, far, unknown = {"gender": {"women": 0.7, "men": 0.3}}, {"gender": {"women": 0.1, "men": 0.9}}, {}
    parts = audience_parts(wanted, [near, far, unknown, {"age": {"18-24": 1.0}}])
    assert parts[0] > parts[2] > parts[1]
    assert parts[2] == parts[3] == pytest.approx((parts[0] + parts[1]) / 2)
    assert list(audience_parts(wanted, [unknown, unknown])) == [NEUTRAL, NEUTRAL]
    assert list(audience_parts({}, [near])) == [NEUTRAL]


@given(st.lists(distributions, min_size=1, max_size=5), distributions)
def test_known_audiences_have_the_same_part_alone_and_among_others(
    actual: list[dict[str, float]], wanted: dict[str, float]
) -> None:
    """Only who is unknown depends on the others."""
    parts = audience_parts({"gender": wanted}, [{"gender": each} for each in actual])
    assert list(parts) == pytest.approx([audience_part({"gender": wanted}, {"gender": each}) for each in actual])


def test_engagement_saturates_and_unknown_is_neutral() -> None:
    """The usual rate stands at one half."""
    assert engagement_part(None) == engagement_part(0.03) == NEUTRAL
    assert 0 == engagement_part(0.0) < engagement_part(0.02) < engagement_part(0.2) < 1


def test_freshness_halves_in_thirty_days_and_a_future_post_is_now() -> None:
    """Clocks of scrapers are skewed."""
    assert freshness_part(NOW - timedelta(days=30), NOW) == pytest.approx(0.5)
    assert freshness_part(NOW + timedelta(days=2), NOW) == 1.0
    assert freshness_part(None, NOW) == NEUTRAL


BREAD, SPORT, CHESS = np.eye(3)
ALL, ONE = np.array([1.0]), np.array([[1.0, 0.0, 0.0]])
"""The weight of one aspect, and the aspect: bread."""


def vectors(count: int) -> st.SearchStrategy[Array]:
    """So many unit vectors of four numbers."""
    numbers = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda one: np.linalg.norm(one) > 0.1)
    return st.lists(numbers, min_size=count, max_size=count).map(lambda rows: unit(np.array(rows)))


def test_a_bio_that_says_what_the_posts_say_helps_and_one_that_lies_does_not_hurt() -> None:
    """A baker without a bio, with a true one and with one that speaks of chess; a skier whose bio speaks of bread."""
    baker = np.array([BREAD, SPORT])
    shares = np.array([0.8, 0.2])
    assert bio_part(ONE, ALL, None, baker, shares, 1) == NEUTRAL
    assert bio_part(ONE, ALL, BREAD, baker, shares, 1) > 0.9
    assert bio_part(ONE, ALL, CHESS, baker, shares, 1) == NEUTRAL
    assert bio_part(ONE, ALL, BREAD, np.array([SPORT]), np.array([1.0]), 1) == NEUTRAL
    assert bio_part(ONE, ALL, BREAD, np.empty((0, 3)), np.empty(0), 0) == NEUTRAL


def test_a_bio_counts_by_how_far_the_posts_agree() -> None:
    """From nothing to all of it."""
    parts = [
        bio_part(ONE, ALL, BREAD, np.array([unit(BREAD * agreed + SPORT * (1 - agreed**2) ** 0.5)]), ALL, 0)
        for agreed in (0.05, 0.1, 0.2, 0.3, 0.4, 0.9)
    ]
    assert parts == sorted(parts)
    assert (parts[0], parts[-1], parts[-2]) == pytest.approx((NEUTRAL, 1.0, 1.0))
    assert parts[1] < parts[2] < parts[3] < parts[4]


def test_a_bio_counts_less_the_more_posts_there_are() -> None:
    """Half at ten posts; of a creator of a thousand the posts speak for themselves."""
    parts = [bio_part(ONE, ALL, BREAD, np.array([BREAD]), ALL, posts) for posts in (0, 10, 30, 1000)]
    assert parts[:3] == pytest.approx([1.0, 0.75, 0.625])
    assert NEUTRAL < parts[3] < NEUTRAL + 0.01


@given(vectors(2), vectors(1), vectors(3), st.floats(0.01, 0.99))
def test_a_bios_part_is_bounded_and_cutting_a_facet_in_two_changes_nothing(
    questions: Array, bios: Array, facets: Array, cut: float
) -> None:
    """As the score that it stands beside."""
    weights, shares = np.array([0.3, 0.7]), np.array([0.5, 0.3, 0.2])
    whole = bio_part(questions, weights, bios[0], facets, shares, 7)
    assert 0.0 <= whole <= 1.0
    twice, halves = np.vstack((facets, facets[:1])), np.array([0.5 * cut, 0.3, 0.2, 0.5 * (1 - cut)])
    assert bio_part(questions, weights, bios[0], twice, halves, 7) == pytest.approx(whole)
