"""The indexer from a topic that is full, against Weaviate's own batches of the same objects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
from weaviate.classes.data import DataObject

from tests.bench.report import numbers
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.names import alias_name, collection_name
from workers.config import Settings
from workers.domain.events import CreatorUpdated, Facet, Profile
from workers.domain.ids import facet_id
from workers.domain.model_card import ModelCard, load_model_card
from workers.domain.stored import StoredObject
from workers.domain.vectors import to_bytes, unit
from workers.indexer.objects import creator_objects
from workers.stack.fleet import Fleet
from workers.stack.progress import Board
from workers.stack.setup import prepare_world
from workers.wire.cloudevents import Wire
from workers.wire.records import OutRecord

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CHUNK, IN_FLIGHT = 100, 8
SKIPPED = 0.1  # of the objects, while nothing overlaps yet; of both rates
PATIENCE = 120.0
COLLECTIONS = ("Facet", "Bio", "Creator")


@dataclass(frozen=True)
class Raced:
    """Objects a second of Weaviate's own batches, and of the indexer."""

    bare: float
    indexer: float

    def ratio(self) -> float:
        return self.indexer / self.bare

    def told(self) -> str:
        """In words."""
        return f"Weaviate's own batches {self.bare:.0f}, the indexer {self.indexer:.0f}, {self.ratio():.2f} of it"


def flock(count: int, card: ModelCard, seed: int) -> list[CreatorUpdated]:
    """So many creators with three to seven facets, a profile and a bio."""
    rng = np.random.default_rng(seed)

    def vector() -> bytes:
        return to_bytes(unit(rng.standard_normal(card.dimensions)))

    def creator(number: int) -> CreatorUpdated:
        name, shares = f"creator-{number}", rng.dirichlet(np.ones(int(rng.integers(3, 8))) * 3)
        posts = [f"{name}-{post}" for post in range(len(shares))]
        facets = tuple(
            Facet(
                facet_id=str(facet_id(name, post, card.model_version)),
                share=float(share),
                posts=int(rng.integers(1, 60)),
                vector=vector(),
                exemplar_post_id=post,
                last_at=NOW,
            )
            for post, share in zip(posts, shares, strict=True)
        )
        profile = Profile(name=name, bio="words", platforms=("web",), language="en", country="GB", followers=number)
        return CreatorUpdated(
            creator_id=name,
            revision=1,
            model_version=card.model_version,
            posts=100,
            facets=facets,
            recency_mean=vector(),
            bio=vector(),
            profile=profile,
            last_published_at=NOW,
        )

    return [creator(number) for number in range(count)]


def race(settings: Settings, events: Sequence[CreatorUpdated], board: Board, name: str) -> Raced:
    """Once each, on the same objects, in worlds of their own that are removed afterwards."""
    card = load_model_card(settings.model_repository)
    with world(settings, f"{name}bare") as alone:
        bare = asyncio.run(_bare(alone, card, events))
    with world(settings, f"{name}indexer") as ours:
        produce(
            ours,
            [
                Wire(build_codec(ours), "bench", ours.namespace).record("creators", each, id=each.creator_id, time=NOW)
                for each in events
            ],
        )
        with running(ours, board) as metrics:
            total = sum(len(_objects(each, settings, card)) for each in events)
            indexer = _rate(lambda: sum(indexed(metrics()).values()), total)
    return Raced(bare, indexer)


@contextmanager
def world(settings: Settings, namespace: str) -> Iterator[Settings]:
    """Topics and collections of a namespace; the collections are gone afterwards."""
    made = settings.model_copy(update={"namespace": namespace})
    prepare_world(made)
    yield made

    async def drop() -> None:
        version = load_model_card(made.model_repository).model_version
        async with connect(made) as client:
            for name in COLLECTIONS:
                await client.alias.delete(alias_name=alias_name(namespace, name))
                await client.collections.delete(collection_name(namespace, name, version))

    asyncio.run(drop())


@contextmanager
def running(settings: Settings, board: Board) -> Iterator[Callable[[], str]]:
    """One indexer's process; what it says of itself."""
    fleet = Fleet(settings, board)
    address = fleet.start(["indexer"])["indexer"]
    try:
        yield lambda: httpx.get(f"{address}/metrics", timeout=10).text
        fleet.check(["indexer"])
    finally:
        fleet.stop(settings.shutdown_seconds)


def produce(settings: Settings, records: Sequence[OutRecord]) -> None:
    """All of it, acknowledged."""
    with closing(KafkaProducer(settings)) as producer:
        sent = [producer.send(record) for record in records]
        producer.flush(60)
        for each in sent:
            each.result(60)


def indexed(text: str) -> dict[str, float]:
    """Objects written so far, by collection and vector."""
    prefix = "streamscout_indexed_objects_total"
    return {key.removeprefix(prefix): value for key, value in numbers(text).items() if key.startswith(prefix)}


def _objects(event: CreatorUpdated, settings: Settings, card: ModelCard) -> list[tuple[str, StoredObject]]:
    """What is stored of a creator, by collection."""
    objects = creator_objects(event, settings.facet_min_share, card.dimensions)
    bio = [] if objects.bio is None else [("Bio", objects.bio)]
    return [*(("Facet", each) for each in objects.facets), *bio, ("Creator", objects.creator)]


async def _bare(settings: Settings, card: ModelCard, events: Sequence[CreatorUpdated]) -> float:
    """Objects a second of the client's ``insert_many``, a few at a time, as fast as Weaviate takes them."""
    lines: dict[str, list[StoredObject]] = {name: [] for name in COLLECTIONS}
    chunks: list[tuple[str, list[StoredObject]]] = []
    for event in events:
        for name, each in _objects(event, settings, card):
            lines[name].append(each)
            if len(lines[name]) == CHUNK:
                chunks.append((name, lines[name]))
                lines[name] = []
    chunks += [(name, line) for name, line in lines.items() if line]
    waiting, done = iter(chunks), [0]
    total = sum(len(line) for _, line in chunks)
    moments: list[tuple[float, int]] = []
    async with connect(settings) as client:

        async def insert() -> None:
            for name, line in waiting:
                collection = client.collections.use(collection_name(settings.namespace, name, card.model_version))
                answer = await collection.data.insert_many([_as_the_client_takes_it(each) for each in line])
                assert not answer.has_errors, answer.errors
                done[0] += len(line)
                moments.append((time.monotonic(), done[0]))

        await asyncio.gather(*(insert() for _ in range(IN_FLIGHT)))
    return _sustained(moments, total)


def _as_the_client_takes_it(each: StoredObject) -> DataObject[Any, Any]:
    return DataObject(properties=dict(each.properties), uuid=each.id, vector=dict(each.vectors))  # type: ignore[arg-type]


def _rate(count: Callable[[], float], total: int) -> float:
    """Things a second until all are counted, the first of them left out."""
    moments: list[tuple[float, int]] = []
    heard = time.monotonic()
    while not moments or moments[-1][1] < total:
        seen = round(count())
        now = time.monotonic()
        if not moments or seen > moments[-1][1]:
            moments.append((now, seen))
            heard = now
        assert now - heard < PATIENCE, f"{seen} of {total} objects, and no more"
        time.sleep(0.2)
    return _sustained(moments, total)


def _sustained(moments: Sequence[tuple[float, int]], total: int) -> float:
    first = next(each for each in moments if each[1] >= SKIPPED * total)
    last = moments[-1]
    return (last[1] - first[1]) / (last[0] - first[0])
