"""Facets: what a creator posts about, kept online (after PinnerSage, KDD 2020, with Ward merges and forward decay).

All sums are float64 and taken element by element and pairwise, never by BLAS, whose results depend on the machine and
the shape: folding now and folding again, here or elsewhere, give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import NamedTuple

import numpy as np

from workers.domain.ids import facet_id
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
    """``total`` = sum of w·x, float64 (d,); ``weight`` = sum of w; ``places`` int32 (n,): its posts' in the window.

    ``places`` are in the order in which the posts joined; ``opened_by`` and ``exemplar`` are ids of posts, ``facet_id``
    is named after the first.
    """

    facet_id: str
    opened_by: str
    total: Array
    weight: float
    last_ms: int
    places: Array
    exemplar: str


class Point(NamedTuple):
    """A post as it is folded in: its place in the window, ``x`` float64 (d,) and its length, its weight w, and w·x."""

    place: int
    published_ms: int
    post_id: str
    x: Array
    length: float
    weight: float
    weighted: Array


class Folding:
    """Facets while posts are folded into them, each newer than all before it.

    One post costs K·d steps, and where it makes a facet too many K²·d more; posts that were folded in before cost
    nothing but in the exemplar of what has changed.
    """

    def __init__(self, creator_id: str, facets: Sequence[Facet], settings: FoldSettings) -> None:
        self._creator, self._settings, self._known = creator_id, settings, list[Facet | None](facets)
        self._ids = [facet.facet_id for facet in facets]
        self._totals = np.zeros((settings.facets + 1, settings.dimensions))
        for place, facet in enumerate(facets):
            self._totals[place] = facet.total
        self._lengths = _lengths(self._totals[: len(facets)]).tolist()
        self._weights = [facet.weight for facet in facets]
        self._opened = [facet.opened_by for facet in facets]
        self._last = [facet.last_ms for facet in facets]
        self._places: list[list[int]] = [facet.places.tolist() for facet in facets]

    def add(self, post: Point) -> None:
        """One more post joins the nearest facet, or opens one."""
        nearest = self._nearest(post)
        if nearest is None:
            return self._open(post)
        self._totals[nearest] += post.weighted
        self._weights[nearest] += post.weight
        self._last[nearest] = max(self._last[nearest], post.published_ms)
        self._places[nearest].append(post.place)
        return self._changed(nearest)

    def _nearest(self, post: Point) -> int | None:
        """The facet of the greatest cosine, where that reaches the threshold; of equals, the first."""
        dots = np.add.reduce(self._totals[: len(self._known)] * post.x, axis=-1).tolist()
        best, cosine = None, -math.inf
        for place, (dot, length) in enumerate(zip(dots, self._lengths, strict=True)):
            apart = length * post.length
            if (found := dot / apart if apart > 0 else 0.0) > cosine:
                best, cosine = place, found
        return best if cosine >= self._settings.join else None

    def _open(self, post: Point) -> None:
        self._totals[len(self._known)] = post.weighted
        self._known.append(None)
        self._lengths.append(0.0)
        self._weights.append(post.weight)
        self._ids.append("")
        self._opened.append(post.post_id)
        self._last.append(post.published_ms)
        self._places.append([post.place])
        self._changed(len(self._known) - 1)
        if len(self._known) > self._settings.facets:
            self._merge()

    def _changed(self, place: int) -> None:
        self._known[place] = None
        self._lengths[place] = _length(self._totals[place])

    def _merge(self) -> None:
        """The pair of least Ward cost (what the weighted squared distances to the centres grow by) becomes one.

        The heavier keeps its name and place.
        """
        count = len(self._known)
        weights = np.array(self._weights)
        centres = self._totals[:count] / weights[:, np.newaxis]
        one, other = _pairs(count)
        apart = centres[one] - centres[other]
        costs = weights[one] * weights[other] / (weights[one] + weights[other]) * np.add.reduce(apart * apart, axis=-1)
        pair = int(np.argmin(costs))
        first, second = int(one[pair]), int(other[pair])
        heavy, light = (first, second) if self._weights[first] >= self._weights[second] else (second, first)
        self._totals[heavy] += self._totals[light]
        self._weights[heavy] += self._weights[light]
        self._last[heavy] = max(self._last[heavy], self._last[light])
        self._places[heavy] += self._places[light]
        self._changed(heavy)
        self._totals[light:-1] = self._totals[light + 1 :].copy()
        for column in (self._known, self._ids, self._lengths, self._weights, self._opened, self._last, self._places):
            del column[light]

    def frozen(self, keys: Sequence[tuple[int, str]], x: Array, lengths: Array) -> tuple[Facet, ...]:
        """The facets; of all posts of the window: (published, id), float16 (n, d), and float64 (n,)."""
        return tuple(
            known if known is not None else self._made(place, keys, x, lengths)
            for place, known in enumerate(self._known)
        )

    def _made(self, facet: int, keys: Sequence[tuple[int, str]], x: Array, lengths: Array) -> Facet:
        """Its exemplar is the real post nearest the centre by cosine; of equals, the one that joined first."""
        total, places = self._totals[facet].copy(), np.array(self._places[facet], np.int32)
        cosines = np.add.reduce(x[places].astype(np.float64) * total, axis=-1) / lengths[places]
        exemplar, opened = keys[places[np.argmax(cosines)]][1], self._opened[facet]
        named = self._ids[facet] or str(facet_id(self._creator, opened, self._settings.model_version))
        return Facet(named, opened, total, self._weights[facet], self._last[facet], places, exemplar)


def centres(facets: Sequence[Facet]) -> Array:
    """The facets' unit vectors, float64 (k, d); zero where a facet's posts cancel out."""
    totals = np.array([facet.total for facet in facets])
    lengths = _lengths(totals)
    return totals / np.where(lengths > 0, lengths, 1.0)[:, np.newaxis]


@cache
def _pairs(count: int) -> tuple[Array, Array]:
    """Each two of so many, in the order of the first and then of the second."""
    return np.triu_indices(count, 1)


def _lengths(vectors: Array) -> Array:
    return np.asarray(np.sqrt(np.add.reduce(vectors * vectors, axis=-1)))


def _length(vector: Array) -> float:
    return float(np.sqrt(np.add.reduce(vector * vector)))
