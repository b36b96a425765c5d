"""The posterior's laws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.events import Statistics
from workers.domain.feedback import Prior, decay_factor, feedback_feature, posterior

LANDMARK = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
PRIOR = Prior(clicks_per_impression=0.01, conversions_per_click=0.02, strength=5000.0)
counts = st.floats(0, 1e6)
priors = st.builds(Prior, st.floats(1e-4, 0.5), st.floats(1e-4, 0.5), st.floats(1, 1e5))


def told(now: datetime = NOW, **sums: float) -> Statistics:
    """Statistics of facts that all happened at ``now``."""
    weight = decay_factor(LANDMARK, 90.0, now)
    return Statistics(landmark=LANDMARK, half_life_days=90.0, **{name: value * weight for name, value in sums.items()})


def lift(prior: Prior = PRIOR, now: datetime = NOW, **sums: float) -> float:
    """The lift of facts that happened at ``NOW``, read at ``now``."""
    return posterior(told(**sums), prior, now).lift


@given(priors)
def test_without_events_the_prior_stands(prior: Prior) -> None:
    """No statistics and statistics of nothing say the same: a lift of 0."""
    for statistics in (None, told()):
        known = posterior(statistics, prior, NOW)
        assert known.lift == pytest.approx(0.0, abs=1e-9)
        assert (known.ctr_mean, known.cvr_mean) == pytest.approx(
            (prior.clicks_per_impression, prior.conversions_per_click)
        )
        assert (known.weight, known.net_conversions) == (0.0, 0.0)


@given(priors, counts, counts, counts, counts, counts)
def test_more_conversions_never_lower_the_lift(
    prior: Prior, impressions: float, clicks: float, conversions: float, refunds: float, more: float
) -> None:
    """Whatever else was counted, however inconsistent."""
    before = lift(prior, impressions=impressions, clicks=clicks, conversions=conversions, refunds=refunds)
    after = lift(prior, impressions=impressions, clicks=clicks, conversions=conversions + more, refunds=refunds)
    assert after >= before - 1e-9


@given(priors, counts, counts, counts, counts, counts)
def test_more_refunds_never_raise_the_lift(
    prior: Prior, impressions: float, clicks: float, conversions: float, refunds: float, more: float
) -> None:
    """A refund takes back what its conversion gave, and no more."""
    before = lift(prior, impressions=impressions, clicks=clicks, conversions=conversions, refunds=refunds)
    after = lift(prior, impressions=impressions, clicks=clicks, conversions=conversions, refunds=refunds + more)
    assert after <= before + 1e-9


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_more_impressions_without_conversions_never_raise_the_lift(impressions: float, more: float) -> None:
    """Being seen and not bought is news."""
    assert lift(impressions=impressions + more) <= lift(impressions=impressions) + 1e-9


@given(counts, counts, counts)
def test_the_lift_fades_to_nothing_as_time_passes(impressions: float, clicks: float, conversions: float) -> None:
    """Facts of a hundred half-lives ago say nothing."""
    later = NOW + timedelta(days=9000)
    known = posterior(told(impressions=impressions, clicks=clicks, conversions=conversions), PRIOR, later)
    assert known.lift == pytest.approx(0.0, abs=1e-6)
    assert known.weight == pytest.approx(0.0, abs=1e-6)


def test_consistent_counts_give_the_mean_of_conversions_per_impression() -> None:
    """Clicks cancel out: (prior conversions + conversions) over (prior impressions + impressions)."""
    expected = log((1.0 + 12) / (5000 + 8000) / 0.0002)
    assert lift(impressions=8000, clicks=90, conversions=12) == pytest.approx(expected)


def test_a_sum_is_read_at_half_its_weight_after_a_half_life() -> None:
    """Nothing stored changes; the reading does."""
    statistics = told(conversions=10)
    assert posterior(statistics, PRIOR, NOW).net_conversions == pytest.approx(10)
    assert posterior(statistics, PRIOR, NOW + timedelta(days=90)).net_conversions == pytest.approx(5)


def test_a_single_conversion_is_felt_and_a_single_silent_impression_is_not() -> None:
    """The next match moves by one sale, and hardly by one view."""
    assert feedback_feature(lift(impressions=1, clicks=1, conversions=1)) > 0.1
    assert feedback_feature(lift(impressions=1)) == pytest.approx(0.0, abs=1e-3)


@given(st.floats(-50, 50), st.floats(0, 50))
def test_the_feature_is_bounded_and_monotone(value: float, more: float) -> None:
    """From -1 to 1."""
    assert -1 <= feedback_feature(value) <= feedback_feature(value + more) <= 1


def test_a_landmark_far_away_is_no_error() -> None:
    """A wrong setting makes feedback say nothing, it does not make matches fail."""
    assert decay_factor(LANDMARK, 0.001, NOW) > 0
    assert decay_factor(NOW, 0.001, LANDMARK) > 0
