"""The parts of a creator's score besides the semantic one: each a number whose meaning does not depend on the others.

What is unknown is neither rewarded nor refused: it stands at ``NEUTRAL``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

NEUTRAL = 0.5
USUAL_ENGAGEMENT = 0.03
"""The engagement rate that stands at one half."""
FRESH_HALF_LIFE_DAYS = 30.0

Distributions = Mapping[str, Mapping[str, float]]
"""Shares by key within a dimension: ``{"gender": {"women": 0.7}}``."""


def overlap(wanted: Mapping[str, float], actual: Mapping[str, float]) -> float:
    """How much of the wanted shares the actual ones cover, 0 to 1 (histogram intersection, Swain and Ballard 1991)."""
    total = sum(wanted.values())
    return sum(min(share, actual.get(key, 0.0)) for key, share in wanted.items()) / total if total > 0 else NEUTRAL


def audience_part(wanted: Distributions, actual: Distributions) -> float:
    """The mean overlap of the wanted dimensions; a dimension of which nothing is known counts as ``NEUTRAL``."""
    if not wanted:
        return NEUTRAL
    parts = [overlap(shares, actual[name]) if actual.get(name) else NEUTRAL for name, shares in wanted.items()]
    return sum(parts) / len(parts)


def engagement_part(rate: float | None) -> float:
    """The engagement rate, saturating: 0 to 1, one half at ``USUAL_ENGAGEMENT``."""
    return NEUTRAL if rate is None else rate / (rate + USUAL_ENGAGEMENT)


def freshness_part(last_published_at: datetime | None, now: datetime) -> float:
    """1 for a post just now, halved every 30 days. A time in the future is now."""
    if last_published_at is None:
        return NEUTRAL
    age = max(0.0, (now - last_published_at) / timedelta(days=1))
    return float(2.0 ** -(age / FRESH_HALF_LIFE_DAYS))
