"""The parts of the score besides the semantic one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.match.parts import NEUTRAL, audience_part, engagement_part, freshness_part, overlap

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


def test_engagement_saturates_and_unknown_is_neutral() -> None:
    """The usual rate stands at one half."""
    assert engagement_part(None) == engagement_part(0.03) == NEUTRAL
    assert 0 == engagement_part(0.0) < engagement_part(0.02) < engagement_part(0.2) < 1


def test_freshness_halves_in_thirty_days_and_a_future_post_is_now() -> None:
    """Clocks of scrapers are skewed."""
    assert freshness_part(NOW - timedelta(days=30), NOW) == pytest.approx(0.5)
    assert freshness_part(NOW + timedelta(days=2), NOW) == 1.0
    assert freshness_part(None, NOW) == NEUTRAL
