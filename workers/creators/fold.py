"""A creator as a function of the set of their rows: the same rows give the same bytes, whatever way they came.

Posts stand in one order: removed ones first, by id, then live ones by (published_at, post_id). Of N posts ever known,
the live ones from index P·max(0, floor(N/P) - 1) on are folded, in that order. Removed posts count in N, so that a
removal does not move the window; they come first because a removal may arrive before its publication and then has no
date, and an order by a date that only some arrivals know would depend on the arrivals (docs/decisions/0002).

A post whose visuals look like those of earlier posts of the window counts less, as far as its visuals do (decision
0017). What is earlier says the same order, so that a late or removed original is a matter of the set of rows again.

``Fold.rows_hash`` says which set of rows a fold came from; it is the xor of the rows' hashes, so one row changes it in
constant time. The usual event, one newer than all, is folded in by itself; after any other the window is folded again,
from memory, so that what an event costs is bounded by P and not by how many rows there are. ``fold_rows`` and both of
these paths end in the same bytes because they are the same sequence of float64 operations.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from workers.creators.facets import Facet, Folding, FoldSettings
from workers.creators.rows import POST, PROFILE, PostRow, ProfileRow, creator_prefix, post_key, profile_key, row_hash
from workers.creators.window import Key, Window, window_of

_FOLD_BYTES, _FACET_BYTES, _OLDER_BYTES = 800, 450, 180


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """What is computed from a creator's rows. ``known`` is N, ``live`` the posts not removed, ``start`` the window's.

    ``revision`` and ``safety_revision`` are the sums of the rows' own; ``older`` are the live posts before the window,
    in order; ``window`` holds the others, which the facets are of.
    """

    creator_id: str
    window: Window
    rows_hash: int = 0
    known: int = 0
    live: int = 0
    revision: int = 0
    start: int = 0
    newest: Key | None = None
    older: tuple[Key, ...] = ()
    facets: tuple[Facet, ...] = ()
    profile: ProfileRow | None = None
    safety_revision: int = 0

    @property
    def size(self) -> int:
        """Bytes of memory, about: what a cache is bounded by."""
        facets = sum(_FACET_BYTES + facet.total.nbytes + facet.places.nbytes for facet in self.facets)
        profile = self.profile.size if self.profile else 0
        return _FOLD_BYTES + self.window.size + facets + profile + _OLDER_BYTES * len(self.older)


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
    order = sorted(Key(row.published_ms, post_id) for post_id, row in rows.posts.items() if not row.removed)
    first = max(0, start - removed)
    window = window_of([(key, rows.posts[key.post_id]) for key in order[first:]], settings)
    return Fold(
        creator_id,
        window,
        rows_hash=_set_hash(creator_id, rows),
        known=known,
        live=known - removed,
        revision=sum(row.revision for row in rows.posts.values()) + (rows.profile.revision if rows.profile else 0),
        start=start,
        newest=order[-1] if order else None,
        older=tuple(order[:first]),
        facets=_folded(creator_id, window, settings),
        profile=rows.profile,
        safety_revision=sum(row.safety_revision for row in rows.posts.values()),
    )


def with_new_post(fold: Fold, post_id: str, row: PostRow, settings: FoldSettings) -> Fold | None:
    """The fold with one more post, or None for ``with_post`` to tell: not the newest, or the window moves.

    The post must not be known yet.
    """
    if row.removed or (fold.newest is not None and (row.published_ms, post_id) < fold.newest):
        return None
    if window_start(fold.known + 1, settings.window) != fold.start:
        return None
    window = fold.window.with_post(post_id, row, settings)
    return replace(
        _counted(fold, post_id, None, row),
        newest=window.keys[-1],
        window=window,
        facets=_folded(fold.creator_id, window, settings, fold),
    )


def with_post(
    fold: Fold,
    post_id: str,
    old: PostRow | None,
    row: PostRow,
    settings: FoldSettings,
    row_of: Callable[[str], PostRow],
) -> Fold:
    """The fold with another row of a post, in place of ``old``; ``row_of`` knows it already.

    Where a post goes, or comes before the window, that begins one post earlier: the one row that is asked for.
    """
    counted = _counted(fold, post_id, old, row)
    older, window = list(fold.older), fold.window
    if old is not None and not old.removed:
        gone = Key(old.published_ms, post_id)
        if older and gone <= older[-1]:
            del older[bisect_left(older, gone)]
        else:
            place = bisect_left(window.keys, gone)
            window = window.without(place, place + 1, settings)
    if not row.removed:
        if older and (key := Key(row.published_ms, post_id)) < older[-1]:
            insort(older, key)
        else:
            window = window.with_post(post_id, row, settings)
    start = window_start(counted.known, settings.window)
    first = max(0, start - (counted.known - counted.live))
    if (passed := first - len(older)) > 0:
        older += window.keys[:passed]
        window = window.without(0, passed, settings)
    while len(older) > first:
        entering = older.pop().post_id
        window = window.with_post(entering, row_of(entering), settings)
    newest = window.keys[-1] if window.keys else None
    facets = _folded(fold.creator_id, window, settings)
    return replace(counted, start=start, newest=newest, older=tuple(older), window=window, facets=facets)


def with_scores(fold: Fold, post_id: str, old: PostRow, new: PostRow) -> Fold | None:
    """The fold with a post scored anew, or None where more than its scores changed. No vector is touched."""
    if replace(new, scores=old.scores, safety_revision=old.safety_revision).encode() != old.encode():
        return None
    return replace(_counted(fold, post_id, old, new), window=fold.window.with_scores(post_id, new))


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


def _counted(fold: Fold, post_id: str, old: PostRow | None, row: PostRow) -> Fold:
    """What is counted of all rows, with another row of a post."""
    key = post_key(fold.creator_id, post_id)
    before = row_hash(key, old.encode()) if old is not None else 0
    return replace(
        fold,
        rows_hash=fold.rows_hash ^ before ^ row_hash(key, row.encode()),
        known=fold.known + (old is None),
        live=fold.live - (old is not None and not old.removed) + (not row.removed),
        revision=fold.revision - (old.revision if old is not None else 0) + row.revision,
        safety_revision=fold.safety_revision - (old.safety_revision if old is not None else 0) + row.safety_revision,
    )


def _folded(creator_id: str, window: Window, settings: FoldSettings, before: Fold | None = None) -> tuple[Facet, ...]:
    """The facets of a window; where ``before`` is the fold of all but its last post, from those."""
    folding = Folding(creator_id, before.facets if before else (), settings)
    for post in window.points(len(before.window) if before else 0):
        folding.add(post)
    return folding.frozen(window.keys, window.x, window.lengths)


def _set_hash(creator_id: str, rows: Rows) -> int:
    result = row_hash(profile_key(creator_id), rows.profile.encode()) if rows.profile else 0
    for post_id, row in rows.posts.items():
        result ^= row_hash(post_key(creator_id, post_id), row.encode())
    return result
