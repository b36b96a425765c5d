"""A creator as a function of the set of their rows: the same rows give the same bytes, whatever way they came.

Posts stand in one order: removed ones first, by id, then live ones by (published_at, post_id). Of N posts ever known,
the live ones from index P·max(0, floor(N/P) - 1) on are folded, in that order. Removed posts count in N, so that a
removal does not move the window; they come first because a removal may arrive before its publication and then has no
date, and an order by a date that only some arrivals know would depend on the arrivals (docs/decisions/0002).

A post whose visuals look like those of earlier posts of the window counts less, as far as its visuals do (decision
0017). What is earlier says the same order, so that a late or removed original is a matter of the set of rows again.

``Fold.rows_hash`` says which set of rows a fold came from; it is the xor of the rows' hashes, so one row changes it in
constant time. The usual event, one newer than all, is folded in by itself; ``fold_rows`` and this path end in the same
bytes because they are the same sequence of float64 operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from workers.creators.facets import Facet, FoldSettings, add
from workers.creators.rows import POST, PROFILE, PostRow, ProfileRow, creator_prefix, post_key, profile_key, row_hash
from workers.creators.safety import Output
from workers.domain.perceptual import alike, looks_of
from workers.domain.vectors import Array


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """What is computed from a creator's rows. ``known`` is N, ``live`` the posts not removed, ``start`` the window's.

    ``revision`` and ``safety_revision`` are the sums of the rows' own; ``recency`` the sum of w·x over the window,
    float64 (d,); ``looks`` the window's visuals as they are compared, uint64 (n, 3); ``output`` its posts as safety
    sees them.
    """

    creator_id: str
    rows_hash: int = 0
    known: int = 0
    live: int = 0
    revision: int = 0
    start: int = 0
    newest: tuple[int, str] | None = None
    facets: tuple[Facet, ...] = ()
    recency: Array | None = None
    looks: Array = field(default_factory=lambda: looks_of(()))
    profile: ProfileRow | None = None
    safety_revision: int = 0
    output: Output = field(default_factory=Output)

    @property
    def folded(self) -> int:
        """Posts whose vectors are held: what a cache is bounded by."""
        return sum(len(facet.post_ids) for facet in self.facets)


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows of a creator that a fold is computed from: posts by id, and the profile."""

    posts: Mapping[str, PostRow] = field(default_factory=dict)
    profile: ProfileRow | None = None


def window_start(known: int, window: int) -> int:
    """Index of the first post of the window: a step of P once there are 2·P posts, then at every P."""
    return window * max(0, known // window - 1)


def read_rows(creator_id: str, stored: Iterable[tuple[bytes, bytes]]) -> Rows:
    """Rows from what a scan by the creator's prefix yields; rows of other kinds are passed over."""
    prefix = creator_prefix(creator_id)
    posts: dict[str, PostRow] = {}
    profile = None
    for key, value in stored:
        kind, rest = key[len(prefix) : len(prefix) + 1], key[len(prefix) + 1 :]
        if kind == POST:
            posts[rest.decode()] = PostRow.decode(value)
        elif kind == PROFILE:
            profile = ProfileRow.decode(value)
    return Rows(posts, profile)


def fold_rows(creator_id: str, rows: Rows, settings: FoldSettings) -> Fold:
    """The fold of a set of rows, from nothing."""
    known = len(rows.posts)
    start = window_start(known, settings.window)
    removed = sum(row.removed for row in rows.posts.values())
    order = sorted((row.published_ms, post_id) for post_id, row in rows.posts.items() if not row.removed)
    fold = Fold(
        creator_id,
        rows_hash=_set_hash(creator_id, rows),
        known=known,
        live=known - removed,
        revision=sum(row.revision for row in rows.posts.values()) + (rows.profile.revision if rows.profile else 0),
        start=start,
        newest=order[-1] if order else None,
        profile=rows.profile,
        safety_revision=sum(row.safety_revision for row in rows.posts.values()),
    )
    for _, post_id in order[max(0, start - removed) :]:
        fold = _folded_in(fold, post_id, rows.posts[post_id], settings)
    return fold


def with_new_post(fold: Fold, post_id: str, row: PostRow, settings: FoldSettings) -> Fold | None:
    """The fold with one more post, or None where only ``fold_rows`` can tell: not the newest, or the window moves.

    The post must not be known yet.
    """
    key = (row.published_ms, post_id)
    if row.removed or (fold.newest is not None and key < fold.newest):
        return None
    if window_start(fold.known + 1, settings.window) != fold.start:
        return None
    grown = replace(
        fold,
        rows_hash=fold.rows_hash ^ row_hash(post_key(fold.creator_id, post_id), row.encode()),
        known=fold.known + 1,
        live=fold.live + 1,
        revision=fold.revision + row.revision,
        newest=key,
        safety_revision=fold.safety_revision + row.safety_revision,
    )
    return _folded_in(grown, post_id, row, settings)


def with_scores(fold: Fold, post_id: str, old: PostRow, new: PostRow) -> Fold | None:
    """The fold with a post scored anew, or None where more than its scores changed. No vector is touched."""
    if replace(new, scores=old.scores, safety_revision=old.safety_revision).encode() != old.encode():
        return None
    key = post_key(fold.creator_id, post_id)
    return replace(
        fold,
        rows_hash=fold.rows_hash ^ row_hash(key, old.encode()) ^ row_hash(key, new.encode()),
        safety_revision=fold.safety_revision - old.safety_revision + new.safety_revision,
        output=fold.output.with_scores(post_id, new.scores),
    )


def with_profile(fold: Fold, row: ProfileRow) -> Fold:
    """The fold with another profile; the posts' part does not change."""
    key = profile_key(fold.creator_id)
    before = row_hash(key, fold.profile.encode()) if fold.profile else 0
    return replace(
        fold,
        rows_hash=fold.rows_hash ^ before ^ row_hash(key, row.encode()),
        revision=fold.revision - (fold.profile.revision if fold.profile else 0) + row.revision,
        profile=row,
    )


def _folded_in(fold: Fold, post_id: str, row: PostRow, settings: FoldSettings) -> Fold:
    own = looks_of(row.hashes)
    looks = np.concatenate((fold.looks, own)) if len(own) else fold.looks
    if row.x is None and not row.scores:
        # Nothing to look at and nothing to read: no part of the output.
        return replace(fold, looks=looks)
    weight = settings.weight(row.published_ms) * _originality(row, own, fold.looks, settings)
    output = fold.output.with_post(post_id, row.published_ms, weight, row.scores)
    if row.x is None:
        return replace(fold, looks=looks, output=output)
    weighted = weight * row.x.astype(np.float64)
    return replace(
        fold,
        facets=add(fold.facets, post_id, row.published_ms, row.x, weight, settings),
        recency=weighted if fold.recency is None else fold.recency + weighted,
        looks=looks,
        output=output,
    )


def _originality(row: PostRow, own: Array, earlier: Array, settings: FoldSettings) -> float:
    """1 for a post of new visuals, the duplicate's weight for one that only shows again what the window has shown."""
    again = int(alike(own, earlier).sum()) if len(own) else 0
    return 1.0 - (1.0 - settings.duplicate_weight) * (again / len(row.hashes)) if again else 1.0


def _set_hash(creator_id: str, rows: Rows) -> int:
    result = row_hash(profile_key(creator_id), rows.profile.encode()) if rows.profile else 0
    for post_id, row in rows.posts.items():
        result ^= row_hash(post_key(creator_id, post_id), row.encode())
    return result
