"""An embedder on fakes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from tests.fakes.encoder import HashingEncoder
from tests.fakes.media import MemoryMedia
from tests.fakes.safety import scoring
from tests.fakes.store import MemoryStore
from workers.config import Settings
from workers.core.clock import SystemClock
from workers.core.lease import Lease
from workers.domain.erasure import ErasureKey, Erasures
from workers.domain.events import Event, PostPublished, PostRemoved
from workers.domain.events.posts import Media
from workers.domain.media import Frame, InvalidMedia
from workers.embedder.encoding import Encoding
from workers.embedder.pictures import Pictures
from workers.embedder.remembering import KnownVectors, RememberingEncoder
from workers.embedder.scores import Scorer
from workers.embedder.worker import Embedder, Lane
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import Done, InRecord, Item, Position, Verdict

MODEL = "tiny_v1"
WIRE = Wire(JsonCodec(), "test", "")
THREADS = ThreadPoolExecutor(2)


def prepare(data: bytes) -> list[Frame]:
    """Four pixels from the hash of the bytes; ``broken`` bytes are no picture, ``film N`` is a video of N keyframes."""
    if data.startswith(b"broken"):
        raise InvalidMedia("media_corrupt", "cut off")
    count = int(data.split()[1]) if data.startswith(b"film") else 1
    return [_frame(number, data + bytes([number]) * (number > 0)) for number in range(count)]


def _frame(number: int, data: bytes) -> Frame:
    hash_ = hashlib.sha256(data)
    pixels = np.frombuffer(hash_.digest()[:12], dtype=np.uint8).reshape(2, 2, 3)
    return Frame(number * 700, pixels, hash_.hexdigest()[:36])


def published(
    revision: int = 1, pictures: Sequence[str] = ("a",), caption: str = "tea", **fields: Any
) -> PostPublished:
    """A post of pictures by name: ``a`` is at ``mem:a``, and so is ``a?anything``."""
    media = tuple(Media(url=f"mem:{name}", kind="image") for name in pictures)
    base = {"post_id": "p1", "creator_id": "c1", "platform": "web", "url": "https://example.com/p1"}
    when = {"published_at": datetime(2026, 1, 2, tzinfo=UTC)}
    return PostPublished.model_validate(
        {**base, **when, "revision": revision, "caption": caption, "media": media, **fields}
    )


def removed(revision: int = 1, post_id: str = "p1") -> PostRemoved:
    """The removal of the same post."""
    return PostRemoved(post_id=post_id, creator_id="c1", revision=revision)


class House:
    """The embedder with its fakes. ``give`` hands events over as one batch; ``restart`` forgets all but the store."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.encoder, self.backfill = HashingEncoder(), HashingEncoder()
        self.media = MemoryMedia({f"mem:{name}": f"picture {name}".encode() for name in "abcdef"})
        self.media.pictures |= {"mem:v": b"film 3 v", "mem:w": b"film 8 w", "mem:x": b"film 2 x"}
        self.settings = Settings(media_attempts=3, retry_seconds=1.0)
        self.erasures = Erasures(ErasureKey(b"a key of the tests"))
        self.lease = Lease(3600.0, SystemClock())
        self.scoring = scoring()
        self.restart()

    def restart(self) -> None:
        """A new process on the same store."""
        means = np.full(8, 0.01), np.full(8, -0.01)
        self.known = KnownVectors(1 << 20)
        pictures = Pictures(self.media, prepare, THREADS)
        self.embedder = Embedder(
            store=self.store,
            live=Lane(pictures, Encoding(RememberingEncoder(self.encoder, self.known), *means)),
            backfill=Lane(pictures, Encoding(RememberingEncoder(self.backfill, self.known), *means)),
            known=self.known,
            scorer=Scorer(lambda: self.scoring),
            wire=WIRE,
            lease=self.lease,
            settings=self.settings,
            model_version=MODEL,
            erasures=self.erasures,
        )

    async def give(self, *events: Event) -> Sequence[Verdict]:
        """The verdicts on one batch."""
        return await self.embedder.handle([item(event) for event in events])  # type: ignore[arg-type]

    def state(self) -> dict[tuple[str, UUID], object]:
        """Everything stored, comparable."""
        return {
            (collection, id_): (
                dict(stored.properties),
                {name: vector.tobytes() for name, vector in stored.vectors.items()},
            )
            for collection, objects in self.store.collections.items()
            for id_, stored in objects.items()
        }


def item(event: Event, topic: str = "posts") -> Item[Any]:
    """An event as the loop hands it over."""
    return Item(event, InRecord(Position(topic, 0, 0, "t"), event.key().encode(), b"{}", (), 1_767_000_000_000))


def outputs(verdict: Verdict) -> list[Event]:
    """The events of a verdict that is Done."""
    assert isinstance(verdict, Done), verdict
    records = [InRecord(Position(r.topic, 0, 0), r.key, r.value, r.headers, 0) for r in verdict.outputs]
    return [WIRE.read(record, (Event,)) for record in records]


@pytest.fixture
def house() -> House:
    """A fresh one."""
    return House()
