"""What a brand's outcomes taught, carried to creators who are alike: creators as sets of facets, and their likeness.

The likeness of one creator to another is the score that the first would have if the other's facets were the brief, each
weighing its share. The affinity is a kernel regression over it (Nadaraya and Watson, 1964): the mean of what was
learned of the creators a candidate is like, shrunk towards 0 by ``SHRINKAGE`` creators of whom nothing was learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workers.domain.feedback import feedback_feature
from workers.domain.score import share_weighted
from workers.domain.vectors import Array

SHRINKAGE = 1.0
MOST_TEACHERS = 16
"""Creators of whom most was learned: the others would hardly move a score, and cost a product of matrices each."""
_LEAST_LEARNED = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class CreatorSet:
    """S creators whose G facets lie one after the other, and what each of them counts.

    ``vectors`` (G, d) of unit length; ``shares`` (G,), summing to 1 within a creator; ``starts`` (S,) the index of each
    one's first facet; ``weights`` (S,).
    """

    creators: tuple[str, ...]
    vectors: Array
    shares: Array
    starts: Array
    weights: Array


NOBODY = CreatorSet((), np.empty((0, 0)), np.empty(0), np.empty(0, dtype=int), np.empty(0))


def creator_set(facets: Mapping[str, tuple[Array, Array]], weights: Mapping[str, float]) -> CreatorSet:
    """The creators that have facets (vectors (n, d) and shares (n,) by creator), in the order of ``weights``."""
    named = [name for name in weights if name in facets and len(facets[name][1])]
    if not named:
        return NOBODY
    counts = [len(facets[name][1]) for name in named]
    return CreatorSet(
        creators=tuple(named),
        vectors=np.vstack([np.asarray(facets[name][0], dtype=np.float64) for name in named]),
        shares=np.concatenate([facets[name][1] / np.sum(facets[name][1]) for name in named]),
        starts=np.concatenate(([0], np.cumsum(counts)[:-1])).astype(int),
        weights=np.array([weights[name] for name in named], dtype=np.float64),
    )


def teachers(lifts: Mapping[str, float]) -> dict[str, float]:
    """Of whom a brand learned most, and how much, -1 to 1: at most ``MOST_TEACHERS``, strongest first."""
    learned = {name: feedback_feature(lift) for name, lift in lifts.items()}
    strong = [name for name, value in learned.items() if abs(value) >= _LEAST_LEARNED]
    return {name: learned[name] for name in sorted(strong, key=lambda one: (-abs(learned[one]), one))[:MOST_TEACHERS]}


def likeness(vectors: Array, shares: Array, starts: Array, others: CreatorSet, temperature: float) -> Array:
    """(C, S), 0 to 1: how far each of C creators (facets as in ``share_weighted``) is like each of the others."""
    cosines = vectors @ others.vectors.T
    scored = share_weighted(cosines, shares, starts, others.shares, temperature).per_aspect
    return np.clip(1.0 + np.add.reduceat(scored * others.shares, others.starts, axis=1), 0.0, 1.0)


def affinity_parts(
    creators: Sequence[str], vectors: Array, shares: Array, starts: Array, taught: CreatorSet, temperature: float
) -> Array:
    """(C,), -1 to 1: what was learned of creators alike; 0 where nothing was. Nobody is taught by themselves."""
    if not taught.creators:
        return np.zeros(len(creators))
    alike = likeness(vectors, shares, starts, taught, temperature)
    alike[np.array(creators, dtype=object)[:, None] == np.array(taught.creators, dtype=object)[None, :]] = 0.0
    return np.asarray((alike @ taught.weights) / (SHRINKAGE + alike.sum(axis=1)))


def away_parts(vectors: Array, shares: Array, starts: Array, unlike: CreatorSet, temperature: float) -> Array:
    """(C,), -1 to 0: less the likeness to that one of the unlike creators whom each is most like; 0 without any."""
    if not unlike.creators:
        return np.zeros(len(starts))
    return np.asarray(-likeness(vectors, shares, starts, unlike, temperature).max(axis=1))
