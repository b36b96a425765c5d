"""The posts that a fold is of, in their order, as columns: what is needed to fold them again without reading a row.

A window is never changed: what changes is a new one, in time bounded by the window, whatever else the creator posted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from workers.creators.facets import FoldSettings, Point
from workers.creators.rows import PostRow
from workers.creators.safety import Output, Scored, scores_of
from workers.domain.perceptual import FARTHEST, alike, distances, looks_of
from workers.domain.vectors import Array

_STORED, _AT_ONCE = np.dtype("<f2"), 64


class Key(NamedTuple):
    """Where a post stands in the order of posts."""

    published_ms: int
    post_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """``keys`` in order; ``x`` float16 (n, d) with ``lengths`` float64 (n,), both 0 for a post without a vector.

    ``weights`` float64 (n,): decay, less for a post whose visuals earlier posts of the window showed. ``scored`` are
    their safety scores. ``looks`` uint64 (m, 3) are their visuals as they are compared, ``owners`` int32 (m,) whose
    they are, in order, and ``shown`` int32 (n,) how many a post has.
    """

    keys: tuple[Key, ...]
    x: Array
    lengths: Array
    weights: Array
    scored: Scored
    shown: Array
    looks: Array
    owners: Array

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def size(self) -> int:
        """Bytes of memory, about: what a cache is bounded by."""
        arrays = (self.x, self.lengths, self.weights, self.scored.table, self.shown, self.looks, self.owners)
        return sum(array.nbytes for array in arrays) + 100 * len(arrays) + 200 * len(self.keys)

    def points(self, start: int = 0) -> Iterator[Point]:
        """The posts with a vector from a place on, as facets take them."""
        wide = self.x[start:].astype(np.float64)
        weighted = wide * self.weights[start:, np.newaxis]
        columns = zip(self.keys[start:], self.lengths[start:].tolist(), self.weights[start:].tolist(), strict=True)
        for number, (key, length, weight) in enumerate(columns):
            if length > 0:
                yield Point(start + number, *key, wide[number], length, weight, weighted[number])

    def output(self) -> Output:
        """The posts as safety sees them. One with nothing to look at and nothing to read is no part of it."""
        counts = (self.lengths > 0) | self.scored.told()
        if counts.all():
            return Output(self.keys, self.weights, self.scored.categories, self.scored.table)
        places = np.flatnonzero(counts)
        keys = tuple(self.keys[place] for place in places)
        return Output(keys, self.weights[places], self.scored.categories, self.scored.table[:, places])

    def with_post(self, post_id: str, row: PostRow, settings: FoldSettings) -> Window:
        """With one more post, which must be live and not be there yet."""
        key = Key(row.published_ms, post_id)
        place = len(self.keys) if not self.keys or self.keys[-1] < key else bisect_left(self.keys, key)
        own, at = looks_of(row.hashes), int(np.searchsorted(self.owners, place))
        x = np.zeros((1, self.x.shape[1]), _STORED) if row.x is None else row.x[np.newaxis]
        again = int(alike(own, self.looks[:at]).sum()) if len(own) else 0
        weight = settings.weight(key.published_ms) * _originality(len(row.hashes), again, settings)
        shown, moved = np.array([len(row.hashes)], np.int32), self.owners[at:]
        grown = Window(
            (*self.keys[:place], key, *self.keys[place:]),
            np.concatenate((self.x[:place], x, self.x[place:])),
            np.concatenate((self.lengths[:place], _lengths(x), self.lengths[place:])),
            np.concatenate((self.weights[:place], (weight,), self.weights[place:])),
            self.scored.with_post(place, row.scores),
            np.concatenate((self.shown[:place], shown, self.shown[place:])),
            np.concatenate((self.looks[:at], own, self.looks[at:])),
            np.concatenate((self.owners[:at], np.full(len(own), place, np.int32), moved + np.int32(1))),
        )
        return grown._weighed_anew(own, at + len(own), settings) if len(moved) else grown

    def with_scores(self, post_id: str, row: PostRow) -> Window:
        """With the scores of ``row`` for one of the posts; the same where it is none of them."""
        key = Key(row.published_ms, post_id)
        place = bisect_left(self.keys, key)
        if self.keys[place : place + 1] != (key,):
            return self
        return replace(self, scored=self.scored.with_scores(place, row.scores))

    def without(self, start: int, stop: int, settings: FoldSettings) -> Window:
        """Without the posts from place ``start`` to before ``stop``."""
        first, last = np.searchsorted(self.owners, (start, stop))
        gone = self.looks[first:last]
        left = Window(
            self.keys[:start] + self.keys[stop:],
            np.concatenate((self.x[:start], self.x[stop:])),
            np.concatenate((self.lengths[:start], self.lengths[stop:])),
            np.concatenate((self.weights[:start], self.weights[stop:])),
            self.scored.without(start, stop),
            np.concatenate((self.shown[:start], self.shown[stop:])),
            np.concatenate((self.looks[:first], self.looks[last:])),
            np.concatenate((self.owners[:first], self.owners[last:] - np.int32(stop - start))),
        )
        return left._weighed_anew(gone, int(first), settings)

    def _weighed_anew(self, changed: Array, at: int, settings: FoldSettings) -> Window:
        """With new weights of the posts that look like ``changed`` visuals, from look ``at`` on."""
        later = self.looks[at:]
        if not (len(changed) and len(later)):
            return self
        weights = self.weights.copy()
        for place in np.unique(self.owners[at:][alike(later, changed)]).tolist():
            first, last = np.searchsorted(self.owners, (place, place + 1))
            again = int(alike(self.looks[first:last], self.looks[:first]).sum())
            original = _originality(int(self.shown[place]), again, settings)
            weights[place] = settings.weight(self.keys[place].published_ms) * original
        return replace(self, weights=weights)


def window_of(posts: Sequence[tuple[Key, PostRow]], settings: FoldSettings) -> Window:
    """The window of live posts, which are in order."""
    x = np.zeros((len(posts), settings.dimensions), _STORED)
    for place, (_, row) in enumerate(posts):
        if row.x is not None:
            x[place] = row.x
    own = [looks_of(row.hashes) for _, row in posts]
    looks = np.concatenate((looks_of(()), *own))
    owners = np.repeat(np.arange(len(posts), dtype=np.int32), [len(each) for each in own])
    again = _again(looks, owners, len(posts))
    weights = [
        settings.weight(key.published_ms) * _originality(len(row.hashes), shown, settings)
        for (key, row), shown in zip(posts, again, strict=True)
    ]
    return Window(
        tuple(key for key, _ in posts),
        x,
        _lengths(x),
        np.array(weights, np.float64),
        scores_of([row.scores for _, row in posts]),
        np.array([len(row.hashes) for _, row in posts], np.int32),
        looks,
        owners,
    )


def _again(looks: Array, owners: Array, posts: int) -> list[int]:
    """How many of its visuals earlier posts showed, of each post."""
    again = np.zeros(posts, np.int64)
    for start in range(0, len(looks), _AT_ONCE):
        part = owners[start : start + _AT_ONCE]
        earlier = np.searchsorted(owners, part)
        known = looks[: earlier[-1]]
        before = np.arange(len(known)) < earlier[:, np.newaxis]
        same = distances(looks[start : start + _AT_ONCE], known) <= FARTHEST
        np.add.at(again, part, (same & before).any(axis=1))
    found: list[int] = again.tolist()
    return found


def _lengths(x: Array) -> Array:
    wide = x.astype(np.float64)
    return np.asarray(np.sqrt(np.add.reduce(wide * wide, axis=-1)))


def _originality(shown: int, again: int, settings: FoldSettings) -> float:
    """1 for a post of new visuals, the duplicate's weight for one that only shows again what the window has shown."""
    return 1.0 - (1.0 - settings.duplicate_weight) * (again / shown) if again else 1.0
