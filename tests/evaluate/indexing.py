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
from workers.domain.vectors import Array
from workers.indexer.objects import CreatorObjects, creator_objects
from workers.indexer.settling import Published, Thresholds, next_step, same_vectors

THRESHOLDS: Mapping[str, Thresholds] = {
    "none: every change is written": Thresholds(0.0, 0.0),
    "cosine 0.01, share 0.05": Thresholds(0.01, 0.05),
    "cosine 0.05, share 0.1": Thresholds(0.05, 0.1),
}
LATE_ONE_IN, LATE_DAYS = 10, 60


@dataclass
class Written:
    """An index that is written as the indexer would before anything settles: at once what has moved, and no more.

    ``facets`` counts objects written, ``moved`` those of them with another vector, which alone touch the graph.
    """

    thresholds: Thresholds
    stored: dict[str, Published] = field(default_factory=dict)
    facets: int = 0
    moved: int = 0

    def take(self, creator: str, said: CreatorObjects) -> None:
        """One more update of a creator."""
        before = self.stored.get(creator, Published())
        step = next_step(said, before, self.thresholds)
        self.facets += len(step.facets)
        self.moved += sum(
            one.id not in before.facets or not same_vectors(one, before.facets[one.id]) for one in step.facets
        )
        self.stored[creator] = step.after

    def searchable(self, creators: int) -> Searchable:
        """What is in the index."""
        own = [list(self.stored[creator_id(index)].facets.values()) for index in range(creators)]
        flat = [facet for each in own for facet in each]
        starts = np.concatenate(([0], np.cumsum([len(each) for each in own])))
        shares = np.array([float(str(facet.properties["share"])) for facet in flat])
        return Searchable(starts, np.array([facet.vectors["facet"] for facet in flat], dtype=np.float64), shares)


def stream(
    rows: list[Rows], settings: FoldSettings, min_share: float, judge: Judge, queries: Array, temperature: float
) -> dict[str, dict[str, float]]:
    """Every post of every creator as it comes: microseconds, and by thresholds what is written and what it is worth."""
    indexes = {name: Written(thresholds) for name, thresholds in THRESHOLDS.items()}
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
            exact = creator_objects(update, min_share, settings.dimensions)
            for written in indexes.values():
                written.take(name, exact)
            posts += 1
    found = {
        name: {
            "writes per post": written.facets / posts,
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
