"""From candidates to a shortlist: the weighted sum of visible parts. Same candidates, same shortlist, same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from workers.domain.feedback import feedback_feature
from workers.domain.score import share_weighted
from workers.domain.vectors import Array
from workers.match.affinity import NOBODY, CreatorSet, affinity_parts, away_parts
from workers.match.parts import NEUTRAL, Distributions, audience_parts, bio_parts, engagement_part, freshness_part

POLICY = "score.v2"
DEFAULT_WEIGHTS: Mapping[str, float] = {
    "semantic": 1.0,
    "feedback": 0.25,
    "affinity": 0.3,
    "bio": 0.3,
    "audience": 0.15,
    "engagement": 0.05,
    "freshness": 0.05,
}
"""Semantic fit decides; what outcomes taught may outweigh a quarter of cosine; the rest settles near ties."""
AWAY = "away"
"""The part of look-alikes alone: how unlike the creators that are not wanted."""
MAX_EVIDENCE = 3


@dataclass(frozen=True, slots=True, eq=False)
class CandidateFacet:
    """A facet as the score sees it: ``vector`` is of unit length, shape (d,); ``posts``: how many it was made of."""

    facet_id: str
    share: float
    exemplar_post_id: str
    vector: Array
    posts: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A creator who passed the hard filters, with every searchable facet.

    ``lift`` is the posterior's, 0 if none; ``bio`` the bio's unit vector (d,), None if there is none. ``safety``: the
    known scores by category, which no part of the score is made of.
    """

    creator_id: str
    facets: tuple[CandidateFacet, ...]
    audience: Distributions
    engagement: float | None
    last_published_at: datetime | None
    lift: float = 0.0
    bio: Array | None = None
    safety: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A place on the shortlist. ``score`` is the sum of ``parts`` times the weights; ``contributions`` by facet id."""

    creator_id: str
    rank: int
    score: float
    parts: dict[str, float]
    evidence: tuple[str, ...]
    aspect_scores: tuple[float, ...]
    contributions: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked: unit vectors of the aspects (A, d), their weights (A,) summing to 1, the audience wanted.

    ``taught``: of whom the brand's outcomes taught what. ``unlike``: creators to stay away from, None where the
    question knows no such thing.
    """

    vectors: Array
    weights: Array
    audience: Distributions
    taught: CreatorSet = NOBODY
    unlike: CreatorSet | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """Candidates' facets one after the other: (F, d), (F,), the index of each one's first (C,), how many (C,)."""

    vectors: Array
    shares: Array
    starts: Array
    counts: Array


def rank(
    candidates: Sequence[Candidate],
    question: Question,
    part_weights: Mapping[str, float],
    *,
    temperature: float,
    now: datetime,
    limit: int,
) -> list[Ranked]:
    """The best ``limit`` candidates; equal scores in the order of their ids; one without facets is left out."""
    able = [candidate for candidate in candidates if candidate.facets]
    if not able:
        return []
    laid = _laid(able)
    asked = np.asarray(question.vectors, dtype=np.float64).T
    weights = np.asarray(question.weights, dtype=np.float64)
    scores = share_weighted(laid.vectors @ asked, laid.shares, laid.starts, weights, temperature)
    vectorised = _vectorised_parts(able, laid, question, temperature)
    rows = []
    for index, candidate in enumerate(able):
        own = slice(laid.starts[index], laid.starts[index] + laid.counts[index])
        shared = {name: float(values[index]) for name, values in vectorised.items()}
        known = parts_of(candidate, float(scores.total[index]), now) | shared
        parts = {name: known[name] for name in (*DEFAULT_WEIGHTS, AWAY) if name in known}
        total = sum(part_weights.get(name, 0.0) * value for name, value in parts.items())
        rows.append((candidate, parts, total, scores.contribution[own], scores.per_aspect[index]))
    rows.sort(key=lambda row: (-row[2], row[0].creator_id))
    return [
        Ranked(
            creator_id=candidate.creator_id,
            rank=place,
            score=total,
            parts=parts,
            evidence=evidence_of(candidate.facets, contribution),
            aspect_scores=tuple(1.0 + float(value) for value in per_aspect),
            contributions={f.facet_id: float(c) for f, c in zip(candidate.facets, contribution, strict=True)},
        )
        for place, (candidate, parts, total, contribution, per_aspect) in enumerate(rows[:limit], start=1)
    ]


def _laid(candidates: Sequence[Candidate]) -> _Laid:
    facets = [facet for candidate in candidates for facet in candidate.facets]
    counts = np.array([len(candidate.facets) for candidate in candidates])
    return _Laid(
        vectors=np.asarray([facet.vector for facet in facets], dtype=np.float64),
        shares=np.array([facet.share for facet in facets]),
        starts=np.concatenate(([0], np.cumsum(counts)[:-1])),
        counts=counts,
    )


def _vectorised_parts(
    candidates: Sequence[Candidate], laid: _Laid, question: Question, temperature: float
) -> dict[str, Array]:
    """The parts that are products of matrices, or look at the other candidates too, each (C,)."""
    names = [candidate.creator_id for candidate in candidates]
    facets = (laid.vectors, laid.shares, laid.starts)
    parts = {"bio": _bios(candidates, laid, question)}
    parts["audience"] = audience_parts(question.audience, [candidate.audience for candidate in candidates])
    parts["affinity"] = affinity_parts(names, *facets, question.taught, temperature)
    if question.unlike is not None:
        parts[AWAY] = away_parts(*facets, question.unlike, temperature)
    return parts


def _bios(candidates: Sequence[Candidate], laid: _Laid, question: Question) -> Array:
    parts = np.full(len(candidates), NEUTRAL)
    have = np.array([candidate.bio is not None for candidate in candidates])
    if not have.any():
        return parts
    bios = np.asarray([each.bio for each in candidates if each.bio is not None], dtype=np.float64)
    places = np.flatnonzero(have)
    ends = laid.starts + laid.counts
    # One small product for each creator: copies of all the vectors would cost more than all the rest of the ranking.
    cosines = [laid.vectors[laid.starts[c] : ends[c]] @ bio for c, bio in zip(places, bios, strict=True)]
    own = np.repeat(have, laid.counts)
    starts = np.concatenate(([0], np.cumsum(laid.counts[have])[:-1]))
    posts = np.array([sum(facet.posts for facet in candidates[int(c)].facets) for c in places])
    own_facets = (np.concatenate(cosines)[:, None], laid.shares[own], starts)
    parts[have] = bio_parts(bios, question.vectors, question.weights, *own_facets, posts)
    return parts


def parts_of(candidate: Candidate, score: float, now: datetime) -> dict[str, float]:
    """The parts of a candidate's score that need nothing but itself, before the weights.

    ``semantic`` is the share-weighted score plus 1, so that a creator of one facet shows its plain cosine.
    """
    return {
        "semantic": 1.0 + score,
        "feedback": feedback_feature(candidate.lift),
        "engagement": engagement_part(candidate.engagement),
        "freshness": freshness_part(candidate.last_published_at, now),
    }


def evidence_of(facets: Sequence[CandidateFacet], contribution: Array) -> tuple[str, ...]:
    """The real posts that speak for a creator: the exemplars of the facets that made the score, strongest first."""
    pairs = zip(facets, contribution, strict=True)
    ordered = sorted(pairs, key=lambda pair: (-float(pair[1]), pair[0].facet_id))
    return tuple(dict.fromkeys(facet.exemplar_post_id for facet, _ in ordered))[:MAX_EVIDENCE]
