"""What the indexer writes of posts as they come.

Scrapers visit a creator about once a week and bring what was posted since, two to ten posts;
the visits of all creators overlap. A creator has three to six interests, some much stronger than others, one post in
ten is of anything else, and two posts of one interest have a cosine of about 0.5. Posts go through the real fold, and
what it says through Kafka to the indexer's process; between two visits creators are settled.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from tests.bench.indexing import NOW, PATIENCE, indexed, running, world
from tests.fakes.tables import FakeTable
from tests.waiting import eventually
from workers.adapters.group_lag import GroupLags
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.config import Settings
from workers.creators.main import WireEmitter, fold_settings
from workers.creators.worker import Creators
from workers.domain.erasure import ErasureKey
from workers.domain.events import CreatorUpdated, PostEmbedded
from workers.domain.model_card import ModelCard, load_model_card
from workers.domain.vectors import Array, to_bytes, unit
from workers.indexer.main import settling_of
from workers.indexer.objects import creator_objects
from workers.indexer.settling import Published, next_step
from workers.stack.progress import Board
from workers.wire.cloudevents import Wire
from workers.wire.records import InRecord, Item, OutRecord, Position

SETTLE_SECONDS = 3.0
VISITS, CREATORS, POSTS_PER_SECOND = 8, 40, 120.0


@dataclass(frozen=True)
class Written:
    """Of a stream: posts, vectors of facets that HNSW inserted, and whole facets that were written, by post.

    ``alone``: insertions by post if each came by itself, the creator settled in between.
    """

    posts: int
    moved: float
    written: float
    alone: float


@dataclass(frozen=True)
class Interests:
    """A creator's: directions, and how much of the output is of each."""

    directions: Array
    weights: Array

    def post(self, rng: np.random.Generator) -> Array:
        """A post's vector: of an interest, or in one of ten cases of anything."""
        noise = unit(rng.standard_normal(self.directions.shape[1]))
        if rng.random() < 0.1:
            return noise
        return unit(self.directions[rng.choice(len(self.weights), p=self.weights)] + noise)


def visits(card: ModelCard, count_of_weeks: int, seed: int) -> list[list[PostEmbedded]]:
    """The posts of each week's visits, those of all creators in any order, of one creator in theirs."""
    rng = np.random.default_rng(seed)
    topics = unit(rng.standard_normal((48, card.dimensions)))
    creators = []
    for _ in range(CREATORS):
        count = int(rng.integers(3, 7))
        weights = 1.0 / np.arange(1, count + 1)
        creators.append(Interests(topics[rng.choice(48, count, replace=False)], weights / weights.sum()))
    weeks, number = [], 0
    # The first visit brings what is there: thirty posts of the weeks before.
    for week in range(count_of_weeks + 1):
        posts: list[list[PostEmbedded]] = []
        for creator, interests in enumerate(creators):
            count = 30 if week == 0 else int(rng.integers(2, 11))
            days = sorted(rng.uniform(-60 if week == 0 else 7 * (week - 1), 7 * week, count))
            line = []
            for day in days:
                number += 1
                line.append(
                    PostEmbedded(
                        post_id=f"post-{number}",
                        creator_id=f"creator-{creator}",
                        revision=1,
                        published_at=NOW + timedelta(days=float(day)),
                        model_version=card.model_version,
                        visual=to_bytes(interests.post(rng)),
                    )
                )
            posts.append(line)
        weeks.append(_mixed(posts, random.Random(seed + week)))
    return weeks


def _mixed(lines: Sequence[Sequence[PostEmbedded]], rng: random.Random) -> list[PostEmbedded]:
    order = [number for number, line in enumerate(lines) for _ in line]
    rng.shuffle(order)
    left = [iter(line) for line in lines]
    return [next(left[number]) for number in order]


class Folded:
    """The real fold: what ``creators`` says after each post."""

    def __init__(self, settings: Settings, card: ModelCard) -> None:
        fold = fold_settings(settings, card.model_version, card.dimensions)
        self._wire = Wire(build_codec(settings), "bench", settings.namespace)
        key = ErasureKey(b"a key of the bench")
        self._creators = Creators(fold, WireEmitter(self._wire), key, settings.fold_cache_bytes)
        self._table, self._count = FakeTable(), 0

    def said(self, post: PostEmbedded) -> OutRecord:
        """The record of the creator."""
        self._count += 1
        at = Position("embeddings", 0, self._count, "bench")
        record = InRecord(at, post.creator_id.encode(), b"", (), round(NOW.timestamp() * 1000))
        answer = self._creators.handle(Item(post, record), self._table)
        assert isinstance(answer, list), answer
        return answer[0]

    def event(self, record: OutRecord) -> CreatorUpdated:
        """What a record says."""
        return self._wire.event(
            InRecord(Position(record.topic, 0, 0), record.key, record.value, record.headers, 0), (CreatorUpdated,)
        )


def writes(settings: Settings, board: Board, name: str, count_of_weeks: int = VISITS, seed: int = 1) -> Written:
    """The indexer's process on such a stream, in a world of its own; the first visits are not counted."""
    card = load_model_card(settings.model_repository)
    first, *weeks = visits(card, count_of_weeks, seed)
    with world(settings.model_copy(update={"indexer_settle_seconds": SETTLE_SECONDS}), name) as ours:
        folded, alone = Folded(ours, card), Alone(ours, card)
        with running(ours, board) as metrics, closing(KafkaProducer(ours)) as producer:
            lags = GroupLags(ours, {"indexer": ["creators"]})

            def visit(posts: Sequence[PostEmbedded], count: bool) -> None:
                for post in posts:
                    record = folded.said(post)
                    producer.send(record)
                    alone.see(folded.event(record), count)
                    time.sleep(1 / POSTS_PER_SECOND)
                producer.flush(60)
                eventually(lambda: not any(a or b for a, _, b in lags.measure().values()), PATIENCE, "all settled")

            visit(first, count=False)
            before = indexed(metrics())
            for posts in weeks:
                visit(posts, count=True)
            after = indexed(metrics())
    posts = sum(map(len, weeks))
    grown = {key: after[key] - before.get(key, 0.0) for key in after if 'collection="Facet"' in key}
    moved = sum(value for key, value in grown.items() if 'vector="moved"' in key)
    return Written(posts, moved / posts, sum(grown.values()) / posts, alone.moved / posts)


class Alone:
    """What would be inserted if each post came by itself and its creator were settled after it. Pure."""

    def __init__(self, settings: Settings, card: ModelCard) -> None:
        self._settings, self._dimensions = settings, card.dimensions
        self._thresholds = settling_of(settings).thresholds
        self._stored: dict[str, Published] = {}
        self.moved = 0

    def see(self, event: CreatorUpdated, count: bool) -> None:
        """An event, and the quiet after it."""
        said = creator_objects(event, self._settings.facet_min_share, self._dimensions)
        for exact in (False, True):
            stored = self._stored.get(event.creator_id, Published())
            step = next_step(said, stored, self._thresholds, exact=exact)
            for each in step.facets:
                before = stored.facets.get(each.id)
                same = before is not None and before.vectors["facet"].tobytes() == each.vectors["facet"].tobytes()
                self.moved += count and not same
            self._stored[event.creator_id] = step.after
