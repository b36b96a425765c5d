"""Facets: what a creator posts about, kept online (after PinnerSage, KDD 2020, with Ward merges and forward decay).

All sums are float64 and taken element by element and pairwise, never by BLAS, whose results depend on the machine and
the shape: folding now and folding again, here or elsewhere, give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

import numpy as np

from workers.domain.vectors import Array

_DAY_MS = 86_400_000
_MOST_HALVINGS = 400.0


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """The constants of the fold, chosen per model; ``facets`` is K and ``window`` P of the algorithm.

    ``duplicate_weight``, above 0: what a post counts whose visuals were all in earlier posts of the window.
    ``safety_tail``: the part of the output, the worst, over which a safety score is the mean.
    """

    model_version: str
    dimensions: int
    facets: int
    join: float
    half_life_days: float
    window: int
    caption_weight: float
    landmark: datetime
    duplicate_weight: float = 1.0
    safety_tail: float = 0.05

    def weight(self, published_ms: int) -> float:
        """Forward decay (Cormode et al., ICDE 2009): grows with the post's time, never with the clock.

        Held within 2^±400 of the landmark's, so that no date a post can carry makes a sum overflow.
        """
        days = (published_ms - self.landmark.timestamp() * 1000) / _DAY_MS
        return float(2.0 ** max(-_MOST_HALVINGS, min(_MOST_HALVINGS, days / self.half_life_days)))


@dataclass(frozen=True, slots=True, eq=False)
class Facet:
    """``total`` = sum of w·x, float64 (d,); ``weight`` = sum of w; ``vectors`` the posts' own x, float16 (n, d)."""

    opened_by: str
    total: Array
    weight: float
    last_ms: int
    post_ids: tuple[str, ...]
    vectors: Array
    exemplar: str

    def centre(self) -> Array:
        """The unit vector of the facet, float64 (d,); zero where its posts cancel out."""
        length = _length(self.total)
        return self.total / length if length > 0 else self.total


def add(
    facets: tuple[Facet, ...], post_id: str, published_ms: int, x: Array, weight: float, settings: FoldSettings
) -> tuple[Facet, ...]:
    """``facets`` with one more post of ``weight``, newer than all before it. ``x``: float16 of shape (d,)."""
    wide = x.astype(np.float64)
    nearest = _nearest(facets, wide)
    if nearest is not None and nearest[1] >= settings.join:
        index = nearest[0]
        return (
            *facets[:index],
            _joined(facets[index], post_id, published_ms, x, weight * wide, weight),
            *facets[index + 1 :],
        )
    opened = Facet(post_id, weight * wide, weight, published_ms, (post_id,), x[np.newaxis, :], post_id)
    return merged_to((*facets, opened), settings.facets)


def merged_to(facets: tuple[Facet, ...], most: int) -> tuple[Facet, ...]:
    """At most ``most`` facets: the pair of least Ward cost is merged until that holds; the heavier keeps its id."""
    while len(facets) > most:
        first, second = min(
            combinations(range(len(facets)), 2), key=lambda pair: _ward(facets[pair[0]], facets[pair[1]])
        )
        heavy, light = (first, second) if facets[first].weight >= facets[second].weight else (second, first)
        union = _union(facets[heavy], facets[light])
        facets = tuple(union if index == heavy else facet for index, facet in enumerate(facets) if index != light)
    return facets


def _joined(facet: Facet, post_id: str, published_ms: int, x: Array, weighted: Array, weight: float) -> Facet:
    return _with_exemplar(
        replace(
            facet,
            total=facet.total + weighted,
            weight=facet.weight + weight,
            last_ms=max(facet.last_ms, published_ms),
            post_ids=(*facet.post_ids, post_id),
            vectors=np.concatenate((facet.vectors, x[np.newaxis, :])),
        )
    )


def _union(heavy: Facet, light: Facet) -> Facet:
    return _with_exemplar(
        replace(
            heavy,
            total=heavy.total + light.total,
            weight=heavy.weight + light.weight,
            last_ms=max(heavy.last_ms, light.last_ms),
            post_ids=heavy.post_ids + light.post_ids,
            vectors=np.concatenate((heavy.vectors, light.vectors)),
        )
    )


def _with_exemplar(facet: Facet) -> Facet:
    """The real post nearest the centre by cosine; of equals, the one that joined first."""
    wide = facet.vectors.astype(np.float64)
    cosines = np.add.reduce(wide * facet.total, axis=-1) / np.sqrt(np.add.reduce(wide * wide, axis=-1))
    return replace(facet, exemplar=facet.post_ids[int(np.argmax(cosines))])


def _nearest(facets: Sequence[Facet], wide: Array) -> tuple[int, float] | None:
    """Index and cosine of the facet nearest to ``wide``; of equals, the first."""
    if not facets:
        return None
    totals = np.stack([facet.total for facet in facets])
    lengths = np.sqrt(np.add.reduce(totals * totals, axis=-1)) * _length(wide)
    dots = np.add.reduce(totals * wide, axis=-1)
    cosines = np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
    best = int(np.argmax(cosines))
    return best, float(cosines[best])


def _ward(a: Facet, b: Facet) -> float:
    """Ward's cost of merging: what the weighted squared distances to the centres grow by."""
    apart = a.total / a.weight - b.total / b.weight
    return float(a.weight * b.weight / (a.weight + b.weight) * np.add.reduce(apart * apart))


def _length(vector: Array) -> float:
    return float(np.sqrt(np.add.reduce(vector * vector)))
