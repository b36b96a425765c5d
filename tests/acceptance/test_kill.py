"""kill -9 of each worker in the middle of a load: nothing is lost and nothing is counted twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from rich.console import Console

from tests.topics import newest, read_topic
from tests.waiting import eventually
from workers.adapters.group_lag import GroupLags
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.names import alias_name
from workers.adapters.weaviate.objects import ObjectStore
from workers.config import Settings
from workers.demo.loads import publish_files
from workers.demo.sample import SampleFiles, write_sample
from workers.demo.world import World, load_artwork, make_world
from workers.domain.events import (
    Aspect,
    Clicked,
    Converted,
    CreatorBooked,
    CreatorUpdated,
    Event,
    Facet,
    FeedbackSignalled,
    MatchServed,
    Shortlisted,
)
from workers.domain.ids import facet_id
from workers.domain.model_card import load_model_card
from workers.domain.stored import StoredObject
from workers.domain.vectors import to_bytes
from workers.stack.fleet import Fleet
from workers.stack.progress import Board
from workers.wire.cloudevents import Wire

CREATORS, POSTS, CLICKS = 12, 240, 400
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def fleet(settings: Settings) -> Iterator[Fleet]:
    """Workers as processes of their own; ended with the test."""
    with Board(Console(stderr=True)) as board:
        workers = Fleet(settings, board)
        yield workers
        workers.stop(grace=20)


def kill(fleet: Fleet, worker: str) -> None:
    """kill -9, and start again."""
    process = fleet.process(worker)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not process.alive(), message=f"{worker} survived SIGKILL")
    fleet.start([worker])


def counted(settings: Settings, collection: str) -> int:
    """Objects of a collection, tombstones of posts included."""

    async def ask() -> int:
        async with connect(settings) as client:
            found = client.collections.use(alias_name(settings.namespace, collection))
            return int((await found.aggregate.over_all(total_count=True)).total_count or 0)

    return asyncio.run(ask())


def stored(settings: Settings, collection: str) -> list[dict[str, Any]]:
    """The properties of all objects of a collection."""

    async def ask() -> list[dict[str, Any]]:
        async with connect(settings) as client:
            found = client.collections.use(alias_name(settings.namespace, collection))
            return [dict(each.properties) for each in (await found.query.fetch_objects(limit=5000)).objects]

    return asyncio.run(ask())


def make_sample(settings: Settings, folder: Path) -> tuple[World, SampleFiles]:
    """A small sample world on disk."""
    artwork = settings.model_repository / "sample_artwork"
    world = make_world(load_artwork(artwork), 11, CREATORS, POSTS, NOW)
    assert settings.media_root is not None
    return world, write_sample(world, artwork, settings.media_root, folder, 1, 0, lambda _: None)


def test_a_kill_of_each_worker_on_the_way_to_the_index_loses_nothing(
    settings: Settings, fleet: Fleet, tmp_path: Path
) -> None:
    """Embedder, creators and indexer are each killed under load; the index ends as the published posts say."""
    world, files = make_sample(settings, tmp_path / "sample")
    workers = ["embedder", "creators", "indexer"]
    fleet.start(workers)
    publish_files(settings, [("profiles", files.profiles), ("posts", files.posts)])
    for number, worker in enumerate(workers, 1):
        part = POSTS * number // 5
        eventually(lambda part=part: counted(settings, "Post") >= part, 120, f"{part} posts before {worker} is killed")
        kill(fleet, worker)

    published = Counter(post.creator_id for post in world.posts)

    def creators() -> dict[str, int]:
        return {
            key: event.posts for key, event in newest(settings, "creators").items() if isinstance(event, CreatorUpdated)
        }

    eventually(lambda: creators() == published, 180, "every post counted once in its creator")
    updates = {key: event for key, event in newest(settings, "creators").items() if isinstance(event, CreatorUpdated)}
    eventually(
        lambda: (
            {row["creator_id"]: row["revision"] for row in stored(settings, "Creator")}
            == {key: event.revision for key, event in updates.items()}
        ),
        60,
        "every creator indexed at its newest revision",
    )
    assert counted(settings, "Post") == POSTS
    assert counted(settings, "Visual") == sum(len(post.pictures) for post in world.posts)
    facets = {
        facet.facet_id
        for event in updates.values()
        for facet in event.facets
        if facet.share >= settings.facet_min_share
    }
    assert {row["facet_id"] for row in stored(settings, "Facet")} == facets
    for worker in workers:
        assert read_topic(settings, f"{worker}.dead") == []


def turned(creator: str, revision: int, dimensions: int, model: str) -> CreatorUpdated:
    """A creator of two facets that turn a little with every revision: less than the indexer takes notice of."""
    angle = 0.03 * revision
    vectors = np.zeros((2, dimensions), dtype=np.float32)
    vectors[0, :2], vectors[1, 2:4] = (np.cos(angle), np.sin(angle)), (np.sin(angle), np.cos(angle))
    facets = tuple(
        Facet(
            facet_id=str(facet_id(creator, f"{creator}-{number}", model)),
            share=0.5 + 0.01 * revision * (1 - 2 * number),
            posts=revision,
            vector=to_bytes(each),
            exemplar_post_id=f"{creator}-{number}",
            last_at=NOW,
        )
        for number, each in enumerate(vectors)
    )
    return CreatorUpdated(creator_id=creator, revision=revision, model_version=model, posts=2 * revision, facets=facets)


def facets_of(settings: Settings, updates: Iterable[CreatorUpdated]) -> dict[UUID, tuple[bytes, object, object]]:
    """Vector, share and revision of the stored facets of these creators."""
    ids = [UUID(facet.facet_id) for update in updates for facet in update.facets]

    async def ask() -> dict[UUID, StoredObject]:
        card = load_model_card(settings.model_repository)
        async with connect(settings) as client:
            return await ObjectStore(client, settings.namespace, card.model_version).fetch("Facet", ids, vectors=True)

    return {
        id_: (to_bytes(each.vectors["facet"]), each.properties["share"], each.properties["creator_revision"])
        for id_, each in asyncio.run(ask()).items()
    }


def test_a_kill_of_the_indexer_within_the_settling_time_is_repeated_and_ends_exact(
    settings: Settings, send: Callable[[list[tuple[str, Event]]], None]
) -> None:
    """Everything is searchable and nothing of it committed: killed, the next one makes it exact."""
    card = load_model_card(settings.model_repository)
    creators = [f"c{number}" for number in range(30)]

    def say(revision: int) -> list[CreatorUpdated]:
        updates = [turned(each, revision, card.dimensions, card.model_version) for each in creators]
        send([("creators", update) for update in updates])
        return updates

    def lag() -> tuple[int, int]:
        found = GroupLags(settings, {"indexer": ["creators"]}).measure().values()
        return sum(unstored for unstored, _, _ in found), sum(opened for _, _, opened in found)

    def exactly(updates: list[CreatorUpdated]) -> dict[UUID, tuple[bytes, object, object]]:
        return {
            UUID(facet.facet_id): (facet.vector, facet.share, update.revision)
            for update in updates
            for facet in update.facets
        }

    with Board(Console(stderr=True)) as board:
        patient = Fleet(settings.model_copy(update={"indexer_settle_seconds": 600.0}), board)
        hasty = Fleet(settings, board)
        try:
            patient.start(["indexer"])
            first = say(1)
            eventually(lambda: facets_of(settings, first) == exactly(first), 60, "the first facets, exact")
            say(2)
            last = say(3)
            eventually(lambda: lag()[0] == 0 and lag()[1] >= len(creators), 60, "all searchable, not committed")
            assert facets_of(settings, last) == exactly(first)
            process = patient.process("indexer")
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            eventually(lambda: not process.alive(), message="the indexer survived SIGKILL")
            hasty.start(["indexer"])
            eventually(lambda: lag() == (0, 0), 60, "everything committed")
            assert facets_of(settings, last) == exactly(last)
        finally:
            hasty.stop(grace=20)
    assert read_topic(settings, "indexer.dead") == []


def campaign() -> list[tuple[str, Event]]:
    """A served match, a booking, and clicks and conversions of the campaign, by topic."""
    match = MatchServed(
        match_id="m1",
        brand_id="b1",
        served_at=NOW,
        aspects=(Aspect(text="coffee", weight=1.0),),
        shortlist=(Shortlisted(creator_id="c1", rank=1, score=0.5, propensity=1.0, features={}),),
        filters_json="{}",
        policy="score.v1",
        model="none",
        model_version="m",
    )
    common = {"brand_id": "b1", "creator_id": "c1", "campaign_id": "k1"}
    booking = CreatorBooked(event_id="booked", match_id="m1", occurred_at=NOW, **common)
    events: list[tuple[str, Event]] = [("matches", match), ("decisions", booking)]
    for number in range(CLICKS):
        at = NOW + timedelta(minutes=number)
        events.append(("outcomes", Clicked(event_id=f"click-{number}", occurred_at=at, **common)))
        if number % 4 == 0:
            events.append(("outcomes", Converted(event_id=f"sale-{number}", occurred_at=at, value=5.0, **common)))
    return events


def test_a_kill_of_the_outcomes_worker_counts_nothing_twice(
    settings: Settings, fleet: Fleet, send: Callable[[list[tuple[str, Event]]], None]
) -> None:
    """Killed twice under load, with every outcome sent twice: the signal counts each once."""
    fleet.start(["outcomes"])
    events = campaign()
    send(events[: len(events) // 2])
    kill(fleet, "outcomes")
    send(events[len(events) // 2 :])
    kill(fleet, "outcomes")
    send(events)

    def signal_events() -> int:
        found = newest(settings, "signals").get("b1|c1")
        return found.events if isinstance(found, FeedbackSignalled) else 0

    # The last click lies behind all repeats in its partition: once it counts, the repeats were read.
    last = Clicked(event_id="last", brand_id="b1", creator_id="c1", campaign_id="k1", occurred_at=NOW)
    send([("outcomes", last)])
    expected = 1 + CLICKS + CLICKS // 4 + 1
    eventually(lambda: signal_events() >= expected, 120, f"{expected} facts in the signal")
    assert signal_events() == expected
    assert read_topic(settings, "outcomes.dead") == []


@pytest.fixture
def send(settings: Settings) -> Iterator[Callable[[list[tuple[str, Event]]], None]]:
    """Publishes events to topics and waits for the broker's acknowledgements."""
    wire = Wire(build_codec(settings), "tests", settings.namespace)
    producer = KafkaProducer(settings)

    def publish(events: list[tuple[str, Event]]) -> None:
        futures = [
            producer.send(wire.record(topic, event, id=f"{topic}-{number}", time=NOW))
            for number, (topic, event) in enumerate(events)
        ]
        for future in futures:
            future.result(30)

    yield publish
    producer.close()
