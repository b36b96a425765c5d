"""How safe a creator is: by category the tail of their output, and the posts that are in it. Pure.

The score of a category is the expected shortfall of its probability (Rockafellar & Uryasev 2000): the mean over the
worst ``tail`` of what was scored, by weight, of the post at the edge only the part that belongs there. A mean over
everything would let a hundred breakfasts hide a brawl; the worst post alone would condemn for one doubtful picture.
What was not scored counts neither way, and a category of which less than half is scored is not known at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from workers.domain.vectors import Array

Scores = Sequence[tuple[str, float]]
"""Probabilities by category, in the order of their names."""
LEAST_KNOWN: Final = 0.5
"""The part of the output that must be scored for a category to be known."""
NOTABLE: Final = 0.2
"""The probability from which a post is shown as a cause."""
MOST_NOTABLE: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """The window's posts in the fold's order. ``weights`` (n,), ``scores`` (categories, n): float64, NaN unknown."""

    post_ids: tuple[str, ...] = ()
    published_ms: tuple[int, ...] = ()
    weights: Array = field(default_factory=lambda: np.empty(0))
    categories: tuple[str, ...] = ()
    scores: Array = field(default_factory=lambda: np.empty((0, 0)))

    def with_post(self, post_id: str, published_ms: int, weight: float, scores: Scores) -> Output:
        """One more post, after all there are."""
        wide = self._with_categories(scores)
        column = np.array([dict(scores).get(name, np.nan) for name in wide.categories]).reshape(-1, 1)
        return replace(
            wide,
            post_ids=(*self.post_ids, post_id),
            published_ms=(*self.published_ms, published_ms),
            weights=np.append(self.weights, weight),
            scores=np.concatenate((wide.scores, column), axis=1),
        )

    def with_scores(self, post_id: str, scores: Scores) -> Output:
        """Other scores of one of the posts; the same where it is none of them."""
        if post_id not in self.post_ids:
            return self
        wide = self._with_categories(scores)
        changed = wide.scores.copy()
        changed[:, self.post_ids.index(post_id)] = [dict(scores).get(name, np.nan) for name in wide.categories]
        told = np.flatnonzero(~np.isnan(changed).all(axis=1))
        names = tuple(wide.categories[place] for place in told)
        return replace(wide, categories=names, scores=changed[told])

    def _with_categories(self, scores: Scores) -> Output:
        names = tuple(sorted({*self.categories, *(name for name, _ in scores)}))
        if names == self.categories:
            return self
        wider = np.full((len(names), len(self.post_ids)), np.nan)
        wider[[names.index(name) for name in self.categories]] = self.scores
        return replace(self, categories=names, scores=wider)


@dataclass(frozen=True, slots=True)
class Notable:
    """A post of ``NOTABLE`` probability; ``share`` is its part of the window's weight."""

    post_id: str
    published_ms: int
    share: float
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Safety:
    """``scores`` of the categories that are known; ``coverage``: of how much of the output each is, known or not."""

    scores: Mapping[str, float] = field(default_factory=dict)
    coverage: Mapping[str, float] = field(default_factory=dict)
    posts: tuple[Notable, ...] = ()


def assess(output: Output, tail: float) -> Safety:
    """The safety of an output: a function of its posts, to the bit (sums are numpy's own, never BLAS')."""
    if not output.categories:
        return Safety()
    known = ~np.isnan(output.scores)
    probabilities = np.where(known, output.scores, 0.0)
    weights = np.where(known, output.weights, 0.0)
    scored = np.add.reduce(weights, axis=1)
    total = float(np.add.reduce(output.weights))
    coverage = np.where(known.all(axis=1), 1.0, np.minimum(scored / total, 1.0))
    parts = _tail_parts(probabilities, weights, tail * scored)
    values = np.minimum(np.add.reduce(parts, axis=1), 1.0)
    told = coverage >= LEAST_KNOWN
    return Safety(
        {name: float(value) for name, value, is_told in zip(output.categories, values, told, strict=True) if is_told},
        {name: float(each) for name, each in zip(output.categories, coverage, strict=True)},
        _notable(output, probabilities, parts, total),
    )


def _tail_parts(probabilities: Array, weights: Array, limits: Array) -> Array:
    """What each post adds to the mean over the worst ``limits`` (c,) of the weight: (c, n), summing to the score."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ordered = np.take_along_axis(weights, order, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered
    taken = np.clip(limits[:, np.newaxis] - before, 0.0, ordered)
    parts = np.zeros_like(probabilities)
    np.put_along_axis(parts, order, taken / limits[:, np.newaxis], axis=1)
    return np.asarray(parts * probabilities)


def _notable(output: Output, probabilities: Array, parts: Array, total: float) -> tuple[Notable, ...]:
    """At most ``MOST_NOTABLE``: those that add most to any score first, then the likelier, the later ones."""
    places = np.flatnonzero((probabilities >= NOTABLE).any(axis=0))
    if not len(places):
        return ()
    adds, likely = parts[:, places].max(axis=0), probabilities[:, places].max(axis=0)
    first = np.lexsort((-places, -likely, -adds))[:MOST_NOTABLE]
    return tuple(
        Notable(
            output.post_ids[place],
            output.published_ms[place],
            min(1.0, float(output.weights[place]) / total),
            {
                name: float(value)
                for name, value in zip(output.categories, probabilities[:, place], strict=True)
                if value >= NOTABLE
            },
        )
        for place in places[first]
    )
