"""The representations that are compared, each as scores (briefs, creators) from the same posts. Pure.

``Representation`` is what an index would hold; it is scored by the nearest vector alone, as a multi-vector index does,
or with the shares inside the score (``workers.domain.score``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.cluster import KMeans

from tests.evaluate.posts import Items, Searchable
from workers.domain.score import share_weighted
from workers.domain.vectors import Array, unit

Chosen = tuple[Array, Array]
"""Vectors (k, d) and the shares of output that they stand for (k,)."""


def score_max(held: Searchable, queries: Array) -> Array:
    """The best cosine of each creator's vectors, (B, C)."""
    return np.asarray(np.maximum.reduceat(held.vectors @ queries.T, held.starts[:-1], axis=0).T)


def score_shares(held: Searchable, queries: Array, temperature: float) -> Array:
    """The share-weighted score, (B, C), by the code that serves it."""
    one_each = np.full(len(queries), 1.0 / len(queries))
    scores = share_weighted(held.vectors @ queries.T, held.shares, held.starts[:-1], one_each, temperature)
    return np.asarray(scores.per_aspect.T)


def only_candidates(scores: Array, held: Searchable, queries: Array, may: Array, depth: int) -> Array:
    """Scores as the match has them: of the creators of the ``depth`` facets nearest to the brief that may be served."""
    owner = np.repeat(np.arange(len(held.starts) - 1), np.diff(held.starts))
    near = held.vectors @ queries.T
    kept = np.full_like(scores, -np.inf)
    for brief, row in enumerate(kept):
        cosines = np.where(may[brief, owner], near[:, brief], -np.inf)
        nearest = np.argpartition(-cosines, min(depth, len(cosines)) - 1)[:depth]
        creators = np.unique(owner[nearest[np.isfinite(cosines[nearest])]])
        row[creators] = scores[brief, creators]
    return kept


def represent(items: Items, choose: Callable[[Array, Array], Chosen]) -> Searchable:
    """The index that holds what ``choose`` makes of each creator's posts: vectors (n, d) by time, and weights (n,)."""
    chosen = [choose(vectors, weights) for vectors, weights in _by_creator(items)]
    starts = np.concatenate(([0], np.cumsum([len(vectors) for vectors, _ in chosen])))
    return Searchable(
        starts, np.concatenate([v for v, _ in chosen]).astype(np.float64), np.concatenate([s for _, s in chosen])
    )


def represent_like(
    items: Items, like: Searchable, choose: Callable[[int], Callable[[Array, Array], Chosen]]
) -> Searchable:
    """The same with as many vectors for each creator as ``like`` has."""
    counts = iter(np.diff(like.starts))
    return represent(items, lambda vectors, weights: choose(int(next(counts)))(vectors, weights))


def _by_creator(items: Items) -> Iterator[tuple[Array, Array]]:
    for start, end in zip(items.starts[:-1], items.starts[1:], strict=True):
        yield items.vectors[start:end], items.weights[start:end]


def mean(vectors: Array, weights: Array) -> Chosen:
    """One vector: the mean of all posts."""
    return unit(vectors.mean(axis=0, dtype=np.float64))[None, :], np.ones(1)


def recency_mean(vectors: Array, weights: Array) -> Chosen:
    """One vector: the mean, a post's weight halving with its age."""
    return unit(np.average(vectors.astype(np.float64), axis=0, weights=weights))[None, :], np.ones(1)


def medoid(vectors: Array, weights: Array) -> Chosen:
    """One vector: the post nearest to all others."""
    return vectors[[_medoid(vectors)]], np.ones(1)


def every_post(vectors: Array, weights: Array) -> Chosen:
    """Every post with its weight: nothing is lost, and nothing is small."""
    return vectors, weights / weights.sum()


@dataclass(frozen=True)
class LastPosts:
    """The last ``count`` posts."""

    count: int

    def __call__(self, vectors: Array, weights: Array) -> Chosen:
        """By time, the newest last."""
        return vectors[-self.count :], weights[-self.count :] / weights[-self.count :].sum()


@dataclass(frozen=True)
class KMeansCentres:
    """Centres of k-means (Lloyd, k-means++; the best of 2 starts), all posts at once."""

    count: int

    def __call__(self, vectors: Array, weights: Array) -> Chosen:
        """A centre's share is that of its posts' weights."""
        # Posts that show one picture twice, without captions, are one point.
        count = min(self.count, len(np.unique(vectors, axis=0)))
        found = KMeans(count, n_init=2, random_state=1).fit(vectors)
        return _grouped(found.labels_, vectors, weights, lambda own: unit(own.mean(axis=0, dtype=np.float64)))


@dataclass(frozen=True)
class WardMedoids:
    """PinnerSage (KDD 2020): Ward's clusters of all posts at once, each by its medoid, with its importance."""

    count: int

    def __call__(self, vectors: Array, weights: Array) -> Chosen:
        """A cluster's importance is the sum of its posts' decayed weights."""
        if len(vectors) < 2:
            return vectors, np.ones(len(vectors))
        labels = fcluster(linkage(vectors, "ward"), self.count, "maxclust")
        return _grouped(labels, vectors, weights, lambda own: own[_medoid(own)])


def _grouped(labels: Array, vectors: Array, weights: Array, stand_for: Callable[[Array], Array]) -> Chosen:
    groups = [labels == label for label in np.unique(labels)]
    shares = np.array([weights[group].sum() for group in groups]) / weights.sum()
    return np.array([stand_for(vectors[group]) for group in groups]), shares


def _medoid(vectors: Array) -> int:
    """Of unit vectors, the index of the one with the highest sum of cosines to all."""
    return int(np.argmax(vectors @ vectors.sum(axis=0)))
