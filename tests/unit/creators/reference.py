"""The fold as ``shared/representation.md`` tells it, step by step and slowly: what the worker's must agree with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from workers.creators.facets import FoldSettings
from workers.creators.rows import PostRow
from workers.domain.perceptual import FARTHEST, distances, looks_of
from workers.domain.vectors import Array


@dataclass
class Plain:
    """A facet: ``posts`` in the order in which they joined, each with its vector."""

    opened_by: str
    total: Array
    weight: float
    last_ms: int
    posts: list[tuple[str, Array]]

    def exemplar(self) -> str:
        """The post nearest the centre; of equals, the first."""
        return max(self.posts, key=lambda post: round(cosine(post[1], self.total), 12))[0]


def cosine(one: Array, other: Array) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def facets_of(posts: Mapping[str, PostRow], settings: FoldSettings) -> list[Plain]:
    """The facets of a set of rows."""
    live = sorted((row.published_ms, post) for post, row in posts.items() if not row.removed)
    start = settings.window * max(0, len(posts) // settings.window - 1)
    window = live[max(0, start - (len(posts) - len(live))) :]
    facets: list[Plain] = []
    for place, (at_ms, post) in enumerate(window):
        row = posts[post]
        if row.x is not None:
            earlier = [posts[other] for _, other in window[:place]]
            weight = settings.weight(at_ms) * originality(row, earlier, settings)
            facets = joined(facets, post, at_ms, row.x.astype(float), weight, settings)
    return facets


def originality(row: PostRow, earlier: list[PostRow], settings: FoldSettings) -> float:
    """What a post counts of whose visuals some were shown by earlier ones."""
    shown = [look for each in earlier for look in each.hashes if look]
    again = sum(any(same(look, other) for other in shown) for look in row.hashes if look)
    return 1 - (1 - settings.duplicate_weight) * again / len(row.hashes) if again else 1.0


def same(one: str, other: str) -> bool:
    return bool(distances(looks_of([one]), looks_of([other]))[0, 0] <= FARTHEST)


def joined(facets: list[Plain], post: str, at_ms: int, x: Array, weight: float, settings: FoldSettings) -> list[Plain]:
    """With one more post."""
    # The first of the nearest: what differs in the last bits only is taken for equal.
    nearest = max(facets, key=lambda facet: round(cosine(facet.total, x), 12), default=None)
    if nearest is not None and cosine(nearest.total, x) >= settings.join:
        nearest.total = nearest.total + weight * x
        nearest.weight += weight
        nearest.last_ms = max(nearest.last_ms, at_ms)
        nearest.posts.append((post, x))
        return facets
    facets = [*facets, Plain(post, weight * x, weight, at_ms, [(post, x)])]
    if len(facets) <= settings.facets:
        return facets
    one, other = min(combinations(facets, 2), key=lambda pair: ward(*pair))
    heavy, light = (one, other) if one.weight >= other.weight else (other, one)
    heavy.total = heavy.total + light.total
    heavy.weight += light.weight
    heavy.last_ms = max(heavy.last_ms, light.last_ms)
    heavy.posts += light.posts
    return [facet for facet in facets if facet is not light]


def ward(one: Plain, other: Plain) -> float:
    apart = one.total / one.weight - other.total / other.weight
    return one.weight * other.weight / (one.weight + other.weight) * float(apart @ apart)
