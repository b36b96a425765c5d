"""Five thousand damaged photographs through an embedder's process: each post has its verdict, and memory stays."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from rich.console import Console

from tests.hostile.files import png
from tests.hostile.mutations import mutated
from tests.topics import read_topic
from tests.waiting import eventually
from workers.adapters.kafka import KafkaProducer
from workers.adapters.kafka_offsets import ends
from workers.adapters.registry import build_codec
from workers.config import Settings
from workers.domain.events import Event, PostEmbedded, PostPublished
from workers.domain.reasons import Reason
from workers.domain.topics import topic_name
from workers.stack.fleet import Fleet
from workers.stack.processes import Process
from workers.stack.progress import Board
from workers.wire.cloudevents import Wire

POSTS, WARM, GROWTH, SEED = 5_000, 500, 100_000_000, 20_261_125


@pytest.fixture
def world(new_settings: Callable[..., Settings]) -> Settings:
    """Where no share of dead letters pauses a worker."""
    return new_settings(breaker_share=1.0)


@pytest.fixture
def fleet(world: Settings) -> Iterator[Fleet]:
    """The embedder as a process of its own; ended with the test."""
    with Board(Console(stderr=True)) as board:
        workers = Fleet(world, board)
        yield workers
        workers.stop(grace=20)


def publish(settings: Settings, wire: Wire, pictures: dict[str, bytes]) -> None:
    """A post of one picture each, a file in the allowed directory."""
    assert settings.media_root is not None
    producer, sent = KafkaProducer(settings), []
    for post_id, data in pictures.items():
        path = settings.media_root / post_id
        path.write_bytes(data)
        event = PostPublished.model_validate(
            {
                "post_id": post_id,
                "creator_id": f"c{len(data) % 7}",
                "revision": 1,
                "platform": "web",
                "url": f"https://example.com/{post_id}",
                "language": "en",
                "published_at": "2026-01-02T03:04:05.678Z",
                "caption": "green tea",
                "hashtags": [],
                "media": [{"url": path.as_uri(), "kind": "image"}],
            }
        )
        sent.append(producer.send(wire.record("posts", event, id=f"test-{post_id}", time=datetime.now(UTC))))
    for each in sent:
        each.result(60)


def resident(process: Process) -> int:
    """Bytes of memory that a process holds now."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def verdicts(settings: Settings) -> int:
    """How many records the embedder has written: an announcement or a dead letter for each post."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    partitions = [
        (name, number)
        for name in (topic_name(settings.namespace, topic) for topic in ("embeddings", "embedder.dead"))
        for number in admin.list_topics(name, timeout=30).topics[name].partitions
    ]
    return sum(ends(admin, partitions, 30).values())


def test_every_damaged_post_is_embedded_or_dead_with_a_reason_of_media(world: Settings, fleet: Fleet) -> None:
    """None is both, none is neither; the process is the same at the end, no larger, and embeds a sound picture."""
    wire = Wire(build_codec(world), "test", world.namespace)
    damaged = {f"damaged-{number}": data for number, data in enumerate(mutated(WARM + POSTS, SEED))}
    publish(world, wire, dict(islice(damaged.items(), WARM)))
    fleet.start(["embedder"])
    process = fleet.process("embedder")
    assert process is not None
    eventually(lambda: verdicts(world) >= WARM, 200, "a verdict for each of the first posts")
    before = resident(process)
    publish(world, wire, dict(islice(damaged.items(), WARM, None)))
    eventually(lambda: verdicts(world) >= WARM + POSTS, 400, "a verdict for each post")
    after = resident(process)

    good, reasons = embedded(world, wire), dead(world, wire)
    print(f"resident before {before / 1e6:.0f} MB, after {after / 1e6:.0f} MB;", len(good), Counter(reasons.values()))
    assert sorted([*good, *reasons]) == sorted(damaged)
    assert {Reason(reason) for reason in reasons.values()} <= {one for one in Reason if one.startswith("media_")}
    assert len(good) > POSTS // 20
    assert len(reasons) > POSTS // 20
    assert after - before < GROWTH

    publish(world, wire, {"sound": png()})
    eventually(lambda: verdicts(world) > WARM + POSTS, 60, "a sound picture after the damaged ones")
    assert "sound" in embedded(world, wire)
    assert process.alive()
    assert fleet.process("embedder") == process


def embedded(settings: Settings, wire: Wire) -> list[str]:
    """The posts that are announced."""
    events = [wire.read(record, (Event,)) for record in read_topic(settings, "embeddings", seconds=200)]
    return [event.post_id for event in events if isinstance(event, PostEmbedded)]


def dead(settings: Settings, wire: Wire) -> dict[str, str]:
    """The posts that are set aside, each with its reason."""
    reasons = {}
    for record in read_topic(settings, "embedder.dead", seconds=200):
        event = wire.read(record, (PostPublished,))
        assert isinstance(event, PostPublished)
        reasons[event.post_id] = (dict(record.headers)["streamscout.dead.reason"] or b"").decode()
    return reasons
