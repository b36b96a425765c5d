"""How safe a creator is: by category the tail of their output, and the posts that are in it. Pure.

The score of a category is the expected shortfall of its probability (Rockafellar & Uryasev 2000): the mean over the
worst ``tail`` of what was scored, by weight, of the post at the edge only the part that belongs there. A mean over
everything would let a hundred breakfasts hide a brawl; the worst post alone would condemn for one doubtful picture.
What was not scored counts neither way, and a category of which less than half is scored is not known at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from workers.domain.events.creators import MOST_NOTABLE
from workers.domain.vectors import Array

Scores = Sequence[tuple[str, float]]
"""Probabilities by category, in the order of their names."""
LEAST_KNOWN: Final = 0.5
"""The part of the output that must be scored for a category to be known."""
NOTABLE: Final = 0.2
"""The probability from which a post is shown as a cause."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What is known of posts that stand in an order: ``table`` (categories, n), float64, NaN where it is not.

    Every category is known of one post at least.
    """

    categories: tuple[str, ...]
    table: Array

    def told(self) -> Array:
        """Of each post, whether anything is known: bool (n,)."""
        return np.asarray(~np.isnan(self.table).all(axis=0))

    def with_post(self, place: int, scores: Scores) -> Scored:
        """One more post, which comes to stand at ``place``."""
        wide = self._with_categories(scores)
        table = np.concatenate((wide.table[:, :place], wide._column(scores), wide.table[:, place:]), axis=1)
        return Scored(wide.categories, table)

    def with_scores(self, place: int, scores: Scores) -> Scored:
        """Other scores of the post at ``place``."""
        wide = self._with_categories(scores)
        table = wide.table.copy()
        table[:, place : place + 1] = wide._column(scores)
        return Scored(wide.categories, table)._known_of_some()

    def without(self, start: int, stop: int) -> Scored:
        """Without the posts from place ``start`` to before ``stop``."""
        table = np.concatenate((self.table[:, :start], self.table[:, stop:]), axis=1)
        return Scored(self.categories, table)._known_of_some()

    def _column(self, scores: Scores) -> Array:
        by_name = dict(scores)
        return np.array([by_name.get(name, np.nan) for name in self.categories]).reshape(-1, 1)

    def _known_of_some(self) -> Scored:
        known = ~np.isnan(self.table).all(axis=1)
        if known.all():
            return self
        places = np.flatnonzero(known)
        return Scored(tuple(self.categories[place] for place in places), self.table[places])

    def _with_categories(self, scores: Scores) -> Scored:
        if all(name in self.categories for name, _ in scores):
            return self
        names = tuple(sorted({*self.categories, *(name for name, _ in scores)}))
        wider = np.full((len(names), self.table.shape[1]), np.nan)
        wider[[names.index(name) for name in self.categories]] = self.table
        return Scored(names, wider)


def scores_of(posts: Sequence[Scores]) -> Scored:
    """What is known of posts, in their order."""
    categories = tuple(sorted({name for scores in posts for name, _ in scores}))
    places = {name: place for place, name in enumerate(categories)}
    table = np.full((len(categories), len(posts)), np.nan)
    for number, scores in enumerate(posts):
        for name, probability in scores:
            table[places[name], number] = probability
    return Scored(categories, table)


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """Posts in the fold's order: ``keys`` (published, id), ``weights`` (n,), ``scores`` as ``Scored`` has them."""

    keys: Sequence[tuple[int, str]]
    weights: Array
    categories: tuple[str, ...]
    scores: Array


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
    order, adds = _tail(probabilities, weights, tail * scored)
    values = np.minimum(np.add.reduce(adds, axis=1), 1.0)
    told = coverage >= LEAST_KNOWN
    return Safety(
        {name: float(value) for name, value, is_told in zip(output.categories, values, told, strict=True) if is_told},
        {name: float(each) for name, each in zip(output.categories, coverage, strict=True)},
        _notable(output, probabilities, order, adds, total),
    )


def _tail(probabilities: Array, weights: Array, limits: Array) -> tuple[Array, Array]:
    """The posts from the likeliest on, and what each adds to the mean over the worst ``limits`` (c,): both (c, n)."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rows = np.arange(len(limits))[:, np.newaxis]
    ordered = weights[rows, order]
    before = np.add.accumulate(ordered, axis=1) - ordered
    taken = np.minimum(np.maximum(limits[:, np.newaxis] - before, 0.0), ordered)
    return order, taken / limits[:, np.newaxis] * probabilities[rows, order]


def _notable(output: Output, probabilities: Array, order: Array, adds: Array, total: float) -> tuple[Notable, ...]:
    """At most ``MOST_NOTABLE``: those that add most to any score first, then the likelier, the later ones."""
    places = np.flatnonzero((probabilities >= NOTABLE).any(axis=0))
    if not len(places):
        return ()
    parts = np.zeros_like(probabilities)
    parts[np.arange(len(parts))[:, np.newaxis], order] = adds
    most, likely = parts[:, places].max(axis=0), probabilities[:, places].max(axis=0)
    first = np.lexsort((-places, -likely, -most))[:MOST_NOTABLE]
    return tuple(
        Notable(
            output.keys[place][1],
            output.keys[place][0],
            min(1.0, float(output.weights[place]) / total),
            {
                name: float(value)
                for name, value in zip(output.categories, probabilities[:, place], strict=True)
                if value >= NOTABLE
            },
        )
        for place in places[first]
    )
