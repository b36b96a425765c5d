"""Three hundred posts with damaged photographs through an embedder's process: each has its verdict, and it lives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from rich.console import Console

from tests.hostile.files import png
from tests.hostile.mutations import mutated
from tests.topics import read_topic
from tests.waiting import eventually
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.config import Settings
from workers.domain.events import Event, PostEmbedded, PostPublished
from workers.domain.reasons import Reason
from workers.stack.fleet import Fleet
from workers.stack.progress import Board
from workers.wire.cloudevents import Wire

POSTS, SEED = 300, 20_261_125


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
    producer = KafkaProducer(settings)
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
        producer.send(wire.record("posts", event, id=f"test-{post_id}", time=datetime.now(UTC))).result(60)


def test_every_damaged_post_is_embedded_or_dead_with_a_reason_of_media(world: Settings, fleet: Fleet) -> None:
    """None is both, none is neither; the process is the same at the end, and embeds a sound picture."""
    wire = Wire(build_codec(world), "test", world.namespace)
    damaged = {f"damaged-{number}": data for number, data in enumerate(mutated(POSTS, SEED))}
    publish(world, wire, damaged)
    fleet.start(["embedder"])
    process = fleet.process("embedder")
    assert process is not None

    def embedded() -> list[str]:
        events = [wire.read(record, (Event,)) for record in read_topic(world, "embeddings")]
        return [event.post_id for event in events if isinstance(event, PostEmbedded)]

    def dead() -> dict[str, str]:
        letters = [(record, dict(record.headers)) for record in read_topic(world, "embedder.dead")]
        reasons = {}
        for record, headers in letters:
            event = wire.read(record, (PostPublished,))
            assert isinstance(event, PostPublished)
            reasons[event.post_id] = (headers["streamscout.dead.reason"] or b"").decode()
        return reasons

    eventually(lambda: len(embedded()) + len(dead()) >= POSTS, 200, "a verdict for each post")
    good, reasons = embedded(), dead()
    print(f"{len(good)} embedded, {dict(Counter(reasons.values()))}")
    assert sorted([*good, *reasons]) == sorted(damaged)
    assert {Reason(reason) for reason in reasons.values()} <= {one for one in Reason if one.startswith("media_")}
    assert len(good) > POSTS // 20
    assert len(reasons) > POSTS // 20

    publish(world, wire, {"sound": png()})
    eventually(lambda: "sound" in embedded(), 60, "a sound picture after the damaged ones")
    assert process.alive()
    assert fleet.process("embedder") == process
