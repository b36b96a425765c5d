"""The parts of a creator's score besides the semantic one: each a number whose meaning does not depend on the others.

What is unknown is neither rewarded nor refused: it stands at ``NEUTRAL``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from workers.domain.filters import age_bands
from workers.domain.score import share_weighted
from workers.domain.vectors import Array

NEUTRAL = 0.5
USUAL_ENGAGEMENT = 0.03
"""The engagement rate that stands at one half."""
FRESH_HALF_LIFE_DAYS = 30.0

BIO_DOUBTED, BIO_BELIEVED = 0.1, 0.4
"""Agreement of a bio with its creator's posts at which nothing, and at which everything, of its word counts."""
BIO_POSTS = 10
"""Posts beside which a bio counts half: the more is known of what a creator does, the less what they say of it."""
TEMPERATURE = 0.10
"""Of the agreement, as of the score (docs/decisions/0024)."""

Distributions = Mapping[str, Mapping[str, float]]
"""Shares by key within a dimension: ``{"gender": {"women": 0.7}}``."""


def overlap(wanted: Mapping[str, float], actual: Mapping[str, float]) -> float:
    """How much of the wanted shares the actual ones cover, 0 to 1 (histogram intersection, Swain and Ballard 1991).

    What the actual shares leave open may be anybody: as far as it could cover more, it counts as ``NEUTRAL``.
    """
    total = sum(wanted.values())
    if total <= 0:
        return NEUTRAL
    covered = sum(min(share, _share(actual, key)) for key, share in wanted.items())
    open_share = max(0.0, 1.0 - sum(actual.values()))
    return (covered + NEUTRAL * min(open_share, total - covered)) / total


def _share(actual: Mapping[str, float], key: str) -> float:
    """As it is said, or of an age range what is said of its bands."""
    return actual[key] if key in actual else sum(actual.get(band, 0.0) for band in age_bands(key))


def audience_part(wanted: Distributions, actual: Distributions) -> float:
    """The mean overlap of the wanted dimensions; a dimension of which nothing is known counts as ``NEUTRAL``."""
    if not wanted:
        return NEUTRAL
    parts = [overlap(shares, actual.get(name, {})) for name, shares in wanted.items()]
    return sum(parts) / len(parts)


def audience_parts(wanted: Distributions, actual: Sequence[Distributions]) -> Array:
    """The same of creators at once, (C,): one of whom nothing is known in a dimension stands where the others do.

    At their mean overlap, and at ``NEUTRAL`` where nothing is known of anybody. A fixed mark would favour or hurt the
    unknown: what a usual audience covers depends on what is wanted (measured in docs/decisions/0024).
    """
    if not wanted:
        return np.full(len(actual), NEUTRAL)
    by_dimension = []
    for name, shares in wanted.items():
        known = np.array([bool(one.get(name)) for one in actual], dtype=bool)
        covered = np.array([overlap(shares, one.get(name, {})) for one in actual])
        by_dimension.append(np.where(known, covered, covered[known].mean() if known.any() else NEUTRAL))
    return np.asarray(np.mean(by_dimension, axis=0))


def engagement_part(rate: float | None) -> float:
    """The engagement rate, saturating: 0 to 1, one half at ``USUAL_ENGAGEMENT``."""
    return NEUTRAL if rate is None else rate / (rate + USUAL_ENGAGEMENT)


def freshness_part(last_published_at: datetime | None, now: datetime) -> float:
    """1 for a post just now, halved every 30 days. A time in the future is now."""
    if last_published_at is None:
        return NEUTRAL
    age = max(0.0, (now - last_published_at) / timedelta(days=1))
    return float(2.0 ** -(age / FRESH_HALF_LIFE_DAYS))


def bio_part(questions: Array, weights: Array, bio: Array | None, facets: Array, shares: Array, posts: int) -> float:
    """What a creator's bio adds to the fit, 0 to 1: ``NEUTRAL`` where there is none or where the posts say otherwise.

    ``questions`` (A, d) of the aspects, their ``weights`` (A,) summing to 1, ``bio`` (d,), the creator's ``facets``
    (F, d) and their ``shares`` (F,) above 0, of so many ``posts``; every vector of unit length. See ``bio_parts``.
    """
    if bio is None or not len(shares):
        return NEUTRAL
    cosines = (np.asarray(facets, dtype=np.float64) @ np.asarray(bio, dtype=np.float64))[:, None]
    own = (np.zeros(1, dtype=int), np.array([posts]))
    return float(bio_parts(np.asarray(bio)[None], questions, weights, cosines, shares, *own)[0])


def bio_parts(
    bios: Array, questions: Array, weights: Array, cosines: Array, shares: Array, starts: Array, posts: Array
) -> Array:
    """The same of B creators at once, (B,): one half, more or less half the bio's cosine to the brief, gated.

    ``bios`` (B, d); ``cosines`` (F, 1) of each facet to its own creator's bio, ``shares`` (F,), ``starts`` (B,) as of
    ``share_weighted``; ``posts`` (B,) in all. The gate: the bio is scored as if it were the brief, against the
    creator's own facets. Posts that are about what the bio says let its word count, the less the more of them there
    are; a bio that contradicts them says nothing, for or against.
    """
    fit = np.asarray(bios, dtype=np.float64) @ np.asarray(questions, dtype=np.float64).T @ np.asarray(weights)
    agreement = 1.0 + share_weighted(cosines, shares, starts, np.ones(1), TEMPERATURE).total
    gate = np.clip((agreement - BIO_DOUBTED) / (BIO_BELIEVED - BIO_DOUBTED), 0.0, 1.0)
    trust = BIO_POSTS / (BIO_POSTS + np.asarray(posts))
    return np.asarray(NEUTRAL + 0.5 * gate * trust * np.clip(fit, -1.0, 1.0))
