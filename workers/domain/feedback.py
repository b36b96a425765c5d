"""What outcomes say about a creator and a brand: one posterior, a function of statistics, a prior and now.

Two rates, clicks per impression and conversions per click, each a Beta with a constant prior; both priors are worth the
same number of impressions, so that clicks cancel out of the product wherever the counts are consistent
(conversions <= clicks <= impressions). All sums decay forward on a landmark (Cormode et al., ICDE 2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log, tanh

from workers.domain.events.signals import Statistics

_DAY = timedelta(days=1)
_EXPONENT = 900.0
"""2^±900 is still a float: a landmark that far away is a wrong setting, not a reason to fail a match."""
_LIFT_SCALE = 2.0
"""A lift of e^2 (seven times the prior's conversions) is about three quarters of all that feedback can say."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before any outcome. ``strength``: how many impressions that belief is worth."""

    clicks_per_impression: float
    conversions_per_click: float
    strength: float


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed of a creator for a brand, at one moment.

    ``lift`` is the natural log of conversions per impression over the prior's (0: nothing known);
    ``net_conversions`` is decayed, refunds taken off, never under 0; ``weight``, 0 to 1, is the data's part in it.
    """

    ctr_mean: float
    cvr_mean: float
    net_conversions: float
    lift: float
    weight: float


def decay_factor(landmark: datetime, half_life_days: float, at: datetime) -> float:
    """What an event at ``at`` weighs: ``2 ** ((at - landmark) / half_life)``; sums are divided by it."""
    exponent = (at - landmark) / _DAY / half_life_days
    return float(2.0 ** max(-_EXPONENT, min(_EXPONENT, exponent)))


def posterior(statistics: Statistics | None, prior: Prior, now: datetime) -> Posterior:
    """The posterior at ``now``. More conversions never lower the lift, more refunds never raise it; it fades to 0."""
    impressions = clicks = net = 0.0
    if statistics is not None:
        scale = 1.0 / decay_factor(statistics.landmark, statistics.half_life_days, now)
        impressions, clicks = statistics.impressions * scale, statistics.clicks * scale
        net = max(0.0, statistics.conversions - statistics.refunds) * scale
    # A tracker may tell of clicks without their impressions; what was clicked was seen.
    seen, followed = max(impressions, clicks), max(clicks, net)
    prior_clicks = prior.strength * prior.clicks_per_impression
    prior_conversions = prior_clicks * prior.conversions_per_click
    ctr = (prior_clicks + clicks) / (prior.strength + seen)
    cvr = (prior_conversions + net) / (prior_clicks + followed)
    lift = log(ctr / prior.clicks_per_impression) + log(cvr / prior.conversions_per_click)
    evidence = max(seen, followed)
    return Posterior(ctr, cvr, net, lift, evidence / (evidence + prior.strength))


def feedback_feature(lift: float) -> float:
    """The lift as a feature of the score: -1 to 1, monotone, 0 where nothing is known."""
    return tanh(lift / _LIFT_SCALE)
