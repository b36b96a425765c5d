"""What keeping creators fresh costs: posts one by one, and what the index would be sent of each change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tests.evaluate import arms
from tests.evaluate.judging import Judge
from tests.evaluate.posts import Searchable, creator_id
from tests.evaluate.world import DAY_MS
from workers.creators.facets import FoldSettings
from workers.creators.fold import Fold, Rows, fold_rows, with_new_post
from workers.creators.rows import PostRow
from workers.creators.updates import creator_updated
from workers.domain.events import CreatorUpdated
from workers.domain.vectors import Array
from workers.indexer.objects import creator_objects

THRESHOLDS: Mapping[str, tuple[float, float]] = {
    "none: every change is written": (0.0, 0.0),
    "cosine 0.01, share 0.05": (0.01, 0.05),
    "cosine 0.05, share 0.1": (0.05, 0.1),
}
LATE_ONE_IN, LATE_DAYS = 10, 60


@dataclass
class Written:
    """An index that is written when something moved by more than its thresholds. ``facets``: by creator, then id."""

    cosine: float
    share: float
    facets: dict[str, dict[str, tuple[Array, float]]] = field(default_factory=dict)
    writes: int = 0
    moved: int = 0

    def take(self, creator: str, exact: Mapping[str, tuple[Array, float]]) -> None:
        """One more update of a creator: unit vectors (d,) and shares by facet id."""
        held = self.facets.get(creator, {})
        new: dict[str, tuple[Array, float]] = {}
        for name, (vector, share) in exact.items():
            before = held.get(name)
            moved = before is None or 1.0 - float(before[0] @ vector) > self.cosine
            if before is None or moved or abs(before[1] - share) > self.share:
                self.writes += 1
                self.moved += moved
                new[name] = (vector if moved or before is None else before[0], share)
            else:
                new[name] = before
        self.facets[creator] = new

    def searchable(self, creators: int) -> Searchable:
        """What is in the index."""
        own = [list(self.facets[creator_id(index)].values()) for index in range(creators)]
        flat = [facet for each in own for facet in each]
        starts = np.concatenate(([0], np.cumsum([len(each) for each in own])))
        return Searchable(starts, np.array([vector for vector, _ in flat]), np.array([share for _, share in flat]))


def stream(
    rows: list[Rows], settings: FoldSettings, min_share: float, judge: Judge, queries: Array, temperature: float
) -> dict[str, dict[str, float]]:
    """Every post of every creator as it comes: microseconds, and by thresholds what is written and what it is worth."""
    indexes = {name: Written(*thresholds) for name, thresholds in THRESHOLDS.items()}
    posts, spent, said, again, refolds = 0, 0.0, 0.0, 0.0, 0
    for index, own in enumerate(rows):
        name = creator_id(index)
        fold, known = fold_rows(name, Rows(), settings), dict[str, PostRow]()
        for post_id, row in sorted(own.posts.items(), key=lambda each: (each[1].published_ms, each[0])):
            known[post_id] = row
            begun = time.perf_counter()
            grown = with_new_post(fold, post_id, row, settings)
            if grown is None:
                fold = fold_rows(name, Rows(known), settings)
                again += time.perf_counter() - begun
                refolds += 1
            else:
                fold = grown
                spent += time.perf_counter() - begun
            begun = time.perf_counter()
            update = creator_updated(fold, settings)
            said += time.perf_counter() - begun
            exact = _facets(update, min_share, settings.dimensions)
            for written in indexes.values():
                written.take(name, exact)
            posts += 1
    found = {
        name: {
            "writes per post": written.writes / posts,
            "vectors moved per post": written.moved / posts,
            "ndcg10": judge.ndcg10(arms.score_shares(written.searchable(len(rows)), queries, temperature)),
        }
        for name, written in indexes.items()
    }
    found["cost"] = {
        "microseconds to fold one post in": 1e6 * spent / (posts - refolds),
        "microseconds to say the creator": 1e6 * said / posts,
        "milliseconds to fold a window again": 1e3 * again / max(refolds, 1),
        "windows folded again, of 1,000 posts": 1000 * refolds / posts,
    }
    return found


def _facets(update: CreatorUpdated, min_share: float, dimensions: int) -> dict[str, tuple[Array, float]]:
    objects = creator_objects(update, min_share, dimensions).facets
    return {str(one.id): (one.vectors["facet"], float(str(one.properties["share"]))) for one in objects}


def late_posts_appended(rows: list[Rows], settings: FoldSettings) -> list[Fold]:
    """Folds as if nothing were ever folded again: one post in ten comes late, and counts as of when it came."""
    chance = np.random.default_rng(9)
    folds = []
    for index, own in enumerate(rows):
        late = chance.random(len(own.posts)) < 1 / LATE_ONE_IN
        by = chance.uniform(0, LATE_DAYS, len(own.posts)) * late
        posts = {
            post_id: replace(row, published_ms=row.published_ms + int(days * DAY_MS))
            for (post_id, row), days in zip(own.posts.items(), by, strict=True)
        }
        folds.append(fold_rows(creator_id(index), Rows(posts), settings))
    return folds
