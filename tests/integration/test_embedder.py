"""The embedder on real Kafka, Schema Registry, Triton and Weaviate, in this process, so that it can be interrupted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition
from PIL import Image
from prometheus_client import REGISTRY

from tests.waiting import eventually_async
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.triton import TritonEncoder
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.objects import ObjectStore
from workers.config import Settings
from workers.core.clock import SystemClock
from workers.core.lease import Lease
from workers.domain.erasure import recorded
from workers.domain.events import (
    CreatorErased,
    CreatorProfiled,
    Event,
    PostEmbedded,
    PostPublished,
    PostRemoved,
    PostRetracted,
)
from workers.domain.events.embeddings import ProfileEmbedded
from workers.domain.ids import post_object_id, visual_id
from workers.domain.model_card import load_model_card
from workers.domain.stored import StoredObject
from workers.domain.topics import topic_name
from workers.domain.vectors import Array, from_bytes, unit_mean
from workers.embedder.main import embedder_loop
from workers.process.erasures import erasure_key
from workers.wire.cloudevents import Wire, attributes
from workers.wire.records import InRecord, OutRecord, Position


class Killed(BaseException):
    """The process ends here."""


class World:
    """What a test sees: events go in, topics and objects are looked at."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.wire = Wire(build_codec(settings), "test", settings.namespace)
        self.card = load_model_card(settings.model_repository)
        self.producer = KafkaProducer(settings)

    def picture(self, name: str, colour: str, kind: str) -> str:
        """The file URL of a picture with a gradient, of any of Pillow's formats."""
        assert self.settings.media_root is not None
        rows = np.linspace(0, 120, 300 * 200 * 3).reshape(200, 300, 3).astype(np.uint8)
        image = Image.blend(Image.new("RGB", (300, 200), colour), Image.fromarray(rows), 0.4)
        path = Path(self.settings.media_root) / name
        image.save(path, kind)
        return path.as_uri()

    def publish(self, *events: Event, topic: str = "posts") -> None:
        """Acknowledged when this returns."""
        for event in events:
            self.send(self.record(event, topic))

    def record(self, event: Event, topic: str = "posts") -> OutRecord:
        """As a scraper writes it."""
        return self.wire.record(topic, event, id=f"test-{event.key()}", time=datetime.now(UTC))

    def send(self, record: OutRecord) -> None:
        """Any bytes."""
        self.producer.send(record).result(60)

    async def records(self, topic: str, count: int) -> list[InRecord]:
        """The first ``count`` records of a topic, waited for, and whatever came by then."""
        return await asyncio.to_thread(self._read, topic, count)

    def _read(self, topic: str, count: int) -> list[InRecord]:
        consumer = Consumer(
            {"bootstrap.servers": self.settings.kafka_bootstrap, "group.id": "none", "enable.auto.commit": False}
        )
        name = topic_name(self.settings.namespace, topic)
        partitions = list(consumer.list_topics(name, 10).topics[name].partitions)
        consumer.assign([TopicPartition(name, number, 0) for number in partitions])
        found: list[InRecord] = []
        try:
            deadline = time.monotonic() + 60
            while (message := consumer.poll(0.1)) is not None or len(found) < count:
                assert time.monotonic() < deadline, f"{len(found)} of {count} records on {topic}"
                if message is None:
                    continue
                assert message.error() is None, message.error()
                where = Position(name, message.partition(), message.offset())  # type: ignore[arg-type]
                found.append(
                    InRecord(
                        where, message.key(), message.value(), tuple(message.headers() or ()), message.timestamp()[1]
                    )
                )
        finally:
            consumer.close()
        return found

    async def announced(self, count: int) -> list[Event]:
        """The events on ``embeddings``, in order of time."""
        found = await self.records("embeddings", count)
        return [self.wire.read(record, (Event,)) for record in sorted(found, key=lambda record: record.timestamp_ms)]

    @asynccontextmanager
    async def store(self) -> AsyncIterator[ObjectStore]:
        """The objects as they are."""
        async with connect(self.settings) as client:
            yield ObjectStore(client, self.settings.namespace, self.card.model_version, self.card.dimensions)

    async def objects(self, post_id: str) -> tuple[StoredObject | None, list[StoredObject]]:
        """A post and its visuals by position."""
        version = self.card.model_version
        async with self.store() as store:
            post = await store.fetch("Post", [post_object_id(post_id, version)], vectors=True)
            ids = [visual_id(post_id, position, 0, version) for position in range(20)]
            visuals = await store.fetch("Visual", ids, vectors=True)
        return next(iter(post.values()), None), [visuals[id_] for id_ in ids if id_ in visuals]

    @asynccontextmanager
    async def embedder(self) -> AsyncIterator[asyncio.Task[None]]:
        """Runs for as long as the block, and ends in good order unless it was killed."""
        lease = Lease(self.settings.session_timeout_ms / 2000, SystemClock())
        async with embedder_loop(self.settings, lease) as loop:
            task = asyncio.create_task(loop.run())
            try:
                yield task
            finally:
                loop.stop()
                ended = (await asyncio.gather(task, return_exceptions=True))[0]
                if ended is not None and not isinstance(ended, Killed):
                    raise ended


@pytest.fixture
def world(settings: Settings) -> World:
    """A fresh namespace."""
    return World(settings)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many pictures and texts Triton was asked for."""
    counts = {"images": 0, "texts": 0}
    images, texts = TritonEncoder.encode_images, TritonEncoder.encode_texts

    async def count_images(self: TritonEncoder, pixels: Array) -> Array:
        counts["images"] += len(pixels)
        return await images(self, pixels)

    async def count_texts(self: TritonEncoder, asked: Sequence[str]) -> Array:
        counts["texts"] += len(asked)
        return await texts(self, asked)

    monkeypatch.setattr(TritonEncoder, "encode_images", count_images)
    monkeypatch.setattr(TritonEncoder, "encode_texts", count_texts)
    return counts


def post(
    revision: int, urls: Sequence[str], caption: str = "green tea", post_id: str = "p1", creator_id: str = "c1"
) -> PostPublished:
    """A post of pictures by address."""
    return PostPublished.model_validate(
        {
            "post_id": post_id,
            "creator_id": creator_id,
            "revision": revision,
            "platform": "web",
            "url": f"https://example.com/{post_id}",
            "language": "en",
            "published_at": "2026-01-02T03:04:05.678Z",
            "caption": caption,
            "hashtags": ["matcha"],
            "media": [{"url": url, "kind": "image"} for url in urls],
        }
    )


async def test_equal_pixels_are_embedded_once_whatever_files_they_lie_in(world: World, encoded: dict[str, int]) -> None:
    """Post after post, so in batches of their own, one of them backfill: the same vector to the last bit."""
    url = world.picture("a.png", "red", "PNG")
    assert world.settings.media_root is not None
    other = Path(world.settings.media_root) / "b.png"
    with Image.open(Path(world.settings.media_root) / "a.png") as image:
        image.save(other, "PNG", compress_level=1)
    async with world.embedder():
        world.publish(post(1, [url]))
        await world.announced(1)
        world.publish(post(1, [world.picture("c.png", "blue", "PNG"), other.as_uri()], post_id="p2"))
        await world.announced(2)
        world.publish(post(1, [other.as_uri()], post_id="p3"), topic="posts.backfill")
        await world.announced(3)
        assert encoded == {"images": 2, "texts": 1}
    vectors = [(await world.objects(post_id))[1][-1].vectors["visual"] for post_id in ("p1", "p2", "p3")]
    assert len({vector.tobytes() for vector in vectors}) == 1


@pytest.mark.parametrize("heard", ["in its own partition", "on the topic of erasures alone"])
async def test_an_erasure_forgets_every_known_vector(world: World, encoded: dict[str, int], heard: str) -> None:
    """Those of the erased creator's pictures and words among them, in each process, whoever has her partition.

    So what shows the same pictures afterwards is encoded anew; what another one has stored stays.
    """
    url = world.picture("a.png", "red", "PNG")
    erased = CreatorErased(creator_id="c1", requested_at=datetime.now(UTC))
    hears = erased if heard == "in its own partition" else recorded(erased, erasure_key(world.settings))
    async with world.embedder():
        world.publish(post(1, [url]))
        await world.announced(1)
        world.publish(post(1, [url], post_id="p2", creator_id="c2"))
        await world.announced(2)
        assert encoded == {"images": 1, "texts": 1}
        assert _cached_bytes() > 0
        world.publish(hears, topic="posts" if hears is erased else "erasures")
        await eventually_async(_nothing_is_known)
        world.publish(post(1, [url], post_id="p3", creator_id="c2"))
        await world.announced(4 if hears is erased else 3)
        assert encoded == {"images": 2, "texts": 2}
    (_, stored), (_, again) = await world.objects("p2"), await world.objects("p3")
    assert stored[0].vectors["visual"] == pytest.approx(again[0].vectors["visual"], abs=1e-6)


def _cached_bytes() -> float:
    return REGISTRY.get_sample_value("streamscout_vector_cache_bytes") or 0.0


async def _nothing_is_known() -> bool:
    return _cached_bytes() == 0


async def test_the_life_of_a_post(world: World, encoded: dict[str, int]) -> None:
    """Published, scraped again at no cost, edited to fewer pictures, removed; each step stored and announced."""
    formats = {"a.jpg": ("red", "JPEG"), "b.png": ("blue", "PNG"), "c.webp": ("green", "WEBP")}
    urls = [world.picture(name, *look) for name, look in formats.items()]
    async with world.embedder():
        world.publish(post(1, urls))
        (first,) = await world.announced(1)
        stored, visuals = await world.objects("p1")
        assert isinstance(first, PostEmbedded)
        assert stored is not None
        assert stored.properties["complete"] is True
        assert len(visuals) == 3
        assert encoded == {"images": 3, "texts": 1}
        assert first.visual is not None
        assert first.caption is not None
        mean = unit_mean([visual.vectors["visual"] for visual in visuals])
        assert np.array_equal(from_bytes(first.visual, world.card.dimensions), mean.astype(np.float32))
        assert np.array_equal(from_bytes(first.caption), stored.vectors["caption"])

        again = [f"{url}?signed=anew" for url in urls]
        world.publish(post(2, again))
        second = (await world.announced(2))[1]
        assert second == first.model_copy(update={"revision": 2, "event_hash": second.event_hash})
        assert encoded == {"images": 3, "texts": 1}

        world.publish(post(3, urls[1:2]))
        third = (await world.announced(3))[2]
        _, visuals = await world.objects("p1")
        assert isinstance(third, PostEmbedded)
        assert third.visual is not None
        assert [visual.properties["position"] for visual in visuals] == [0]
        assert np.allclose(from_bytes(third.visual), visuals[0].vectors["visual"], atol=1e-6)
        assert encoded == {"images": 3, "texts": 1}

        world.publish(PostRemoved(post_id="p1", creator_id="c1", revision=4), post(2, urls))
        retracted = (await world.announced(5))[3:]
        assert retracted == [retracted[0]] * 2
        assert isinstance(retracted[0], PostRetracted)
        tombstone, visuals = await world.objects("p1")
        assert not visuals
        assert tombstone is not None
        assert not tombstone.vectors
        assert tombstone.properties["revision"] == 4
        assert "caption" not in tombstone.properties


async def test_what_cannot_be_embedded_is_a_dead_letter_and_harms_no_neighbour(world: World) -> None:
    """With the original bytes, key and headers, and the reason; a huge picture does not stop the loop either."""
    assert world.settings.media_root is not None
    root = Path(world.settings.media_root)
    (root / "garbage.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    Image.new("1", (20_000, 20_000)).save(root / "huge.png")
    good = world.picture("good.png", "red", "PNG")
    garbage, huge = [
        world.record(post(1, [good, (root / name).as_uri()], post_id=name)) for name in ("garbage.jpg", "huge.png")
    ]
    nonsense = OutRecord(
        garbage.topic, b"c1", b"{not json", (("ce_type", b"io.streamscout.PostPublished"), ("x", b"y"))
    )
    async with world.embedder():
        for record in (garbage, huge, nonsense, world.record(post(1, [good], post_id="good"))):
            world.send(record)
        (announced,) = await world.announced(1)
        letters = {letter.value: letter for letter in await world.records("embedder.dead", 3)}
    assert isinstance(announced, PostEmbedded)
    assert announced.post_id == "good"
    letter = letters[garbage.value]
    headers = dict(letter.headers)
    assert letter.key == b"c1"
    assert set(garbage.headers) <= set(letter.headers)
    assert headers["streamscout.dead.reason"].startswith(b"media_")
    assert b"media[1]" in headers["__connect.errors.exception.message"]
    assert b"garbage.jpg" in headers["__connect.errors.exception.message"]
    assert dict(letters[huge.value].headers)["streamscout.dead.reason"] == b"media_too_many_pixels"
    assert ("x", b"y") in letters[nonsense.value].headers
    assert dict(letters[nonsense.value].headers)["streamscout.dead.reason"] == b"malformed_json"
    assert await world.objects("garbage.jpg") == (None, [])


async def test_a_worker_that_dies_between_its_writes_ends_right_when_it_runs_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit was half stored; the next process reads the same event again, and nothing is lost or left behind.

    Profiles pass through the same process, with a vector of the bio and the time of their source.
    """
    urls = [world.picture(f"{name}.png", name, "PNG") for name in ("red", "blue", "green")]
    profile = CreatorProfiled(creator_id="c1", revision=1, name="Ada", bio="tea and code", followers=10)
    upsert = ObjectStore.upsert
    async with world.embedder():
        world.publish(profile, topic="profiles")
        await world.announced(1)
        world.publish(*(post(1, urls[:1], post_id=step) for step in STEPS))
        await world.announced(1 + len(STEPS))
    for step in STEPS:
        monkeypatch.setattr(ObjectStore, "upsert", dying(step))
        async with world.embedder() as task:
            world.publish(post(2, urls[1:], caption="other", post_id=step))
            await asyncio.wait([task], timeout=30)
            assert task.done()
        monkeypatch.setattr(ObjectStore, "upsert", upsert)
        announced = 2 + len(STEPS) + STEPS.index(step)
        assert len(await world.announced(announced - 1)) == announced - 1
        async with world.embedder():
            last = (await world.announced(announced))[-1]
        stored, visuals = await world.objects(step)
        assert stored is not None
        assert stored.properties["revision"] == 2
        assert [visual.properties["revision"] for visual in visuals] == [2, 2]
        assert isinstance(last, PostEmbedded)
        assert (last.post_id, last.revision) == (step, 2)
        assert last.visual is not None
        mean = unit_mean([visual.vectors["visual"] for visual in visuals])
        assert np.array_equal(from_bytes(last.visual), mean.astype(np.float32))
    record = (await world.records("embeddings", 1))[0]
    profiled = next(event for event in await world.announced(1) if isinstance(event, ProfileEmbedded))
    assert profiled.profile == profile.profile()
    assert profiled.bio is not None
    assert from_bytes(profiled.bio, world.card.dimensions).size == world.card.dimensions
    assert attributes(record.headers)["sourcetime"].isdigit()


STEPS = ("before the visuals", "before the post", "after the post")


def dying(step: str) -> Any:
    """An upsert that ends the process at this step of a post's writes."""
    upsert = ObjectStore.upsert

    async def upsert_or_die(self: ObjectStore, collection: str, objects: Sequence[StoredObject]) -> Any:
        if (collection, step) in {("Visual", "before the visuals"), ("Post", "before the post")}:
            raise Killed
        answer = await upsert(self, collection, objects)
        if collection == "Post":
            raise Killed
        return answer

    return upsert_or_die
