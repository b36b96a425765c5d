"""A loop on the in-memory Kafka, with a handler that does as it is told, for tests of the laws."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from tests.fakes.kafka import FakeBroker, FakeConsumer, FakeProducer
from tests.waiting import eventually_async
from workers.config import Settings
from workers.core.clock import Clock, SystemClock
from workers.core.lease import Lease
from workers.core.loop import Loop
from workers.domain.events import PostRemoved
from workers.domain.partitioning import partition_of
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import Done, InRecord, Item, OutRecord, Verdict

PARTITIONS = 4
PAST = "posts.backfill"
OWN = ("embedder.dead", "embedder.rekeyed", "embedder.retry")
WHEN = datetime(2026, 1, 2, tzinfo=UTC)
WIRE = Wire(JsonCodec(), "/test", "")
Answer = Callable[[Item[PostRemoved]], Verdict]


class HandClock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return WHEN


def removed(post: str, creator: str = "ana", revision: int = 1) -> PostRemoved:
    """The smallest event there is."""
    return PostRemoved(post_id=post, creator_id=creator, revision=revision)


def output(post: str) -> OutRecord:
    """What the handler of these tests writes for a post."""
    return OutRecord("embeddings", b"key", post.encode())


class Handler:
    """Answers each item by ``answer``; ``before`` may hold or fail a whole batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.attempts: dict[str, list[int]] = defaultdict(list)
        self.running = self.most_running = 0
        self.answer: Answer = lambda item: Done((output(item.event.post_id),))
        self.before: Callable[[Sequence[Item[PostRemoved]]], Awaitable[None]] | None = None
        self.answers: Callable[[list[Verdict]], list[Verdict]] = lambda verdicts: verdicts

    async def handle(self, batch: Sequence[Item[PostRemoved]]) -> Sequence[Verdict]:
        self.batches.append([item.event.post_id for item in batch])
        for item in batch:
            self.attempts[item.event.post_id].append(item.attempts)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.before is not None:
                await self.before(batch)
            await asyncio.sleep(0)
            return self.answers([self.answer(item) for item in batch])
        finally:
            self.running -= 1

    def handled(self) -> list[str]:
        """Posts in the order they came."""
        return [post for batch in self.batches for post in batch]


class World:
    """Topics ``posts`` and its backfill, ``profiles``, ``embeddings`` and the worker's own, on a broker in memory."""

    def __init__(self, clock: Clock | None = None, **settings: Any) -> None:
        self.broker = FakeBroker(dict.fromkeys(("posts", PAST, "profiles", "embeddings", *OWN), PARTITIONS))
        self.producer = FakeProducer(self.broker)
        self.broker.now_ms = round((clock or SystemClock()).now().timestamp() * 1000)
        self.handler = Handler()
        self.clock = clock or SystemClock()
        given = {"batch_seconds": 0.01, "retry_seconds": 0.02, "retry_max_seconds": 0.05, "shutdown_seconds": 2.0}
        self.settings = Settings(**{**given, **settings})

    def loop(self, serial_key: Callable[[Item[PostRemoved]], Hashable] | None = None) -> Loop[PostRemoved]:
        """A worker's loop; make several for several workers."""
        self.lease = Lease(self.settings.session_timeout_ms / 2000, self.clock)
        self.consumer = FakeConsumer(self.broker, "embedder")
        return Loop(
            "embedder",
            ["posts", "profiles", PAST],
            consumer=self.consumer,
            producer=self.producer,
            wire=WIRE,
            accepted=[PostRemoved],
            handler=self.handler,
            settings=self.settings,
            lease=self.lease,
            clock=self.clock,
            serial_key=serial_key,
            backfill=[PAST],
        )

    @asynccontextmanager
    async def running(
        self, serial_key: Callable[[Item[PostRemoved]], Hashable] | None = None
    ) -> AsyncIterator[Loop[Any]]:
        """A loop that runs while the body does and is stopped in good order."""
        loop = self.loop(serial_key)
        task = asyncio.create_task(loop.run())
        try:
            yield loop
        finally:
            loop.stop()
            await task

    def publish(self, *posts: str, creator: str = "ana", topic: str = "posts", partition: int | None = None) -> None:
        """Write a removal of each post, under its creator's key."""
        for post in posts:
            record = WIRE.record(topic, removed(post, creator), id=post, time=WHEN)
            self.broker.append(record.topic, record.key, record.value, record.headers, partition)

    def garbage(self, *values: bytes, creator: str = "ana") -> None:
        """Write records that are no events."""
        headers = WIRE.record("posts", removed("x"), id="x", time=WHEN).headers
        for value in values:
            self.broker.append("posts", creator.encode(), value, headers)

    def written(self) -> list[str]:
        """Posts whose outputs are in ``embeddings``, in order."""
        return [(record.value or b"").decode() for record in self.broker.read("embeddings")]

    def dead(self) -> list[InRecord]:
        """The dead letters."""
        return self.broker.read("embedder.dead")

    def committed(self, creator: str = "ana", topic: str = "posts") -> int | None:
        """The committed offset of a creator's partition; None where nothing is: at 0 there is only a note."""
        return self.broker.committed("embedder").get((topic, partition_of(creator.encode(), PARTITIONS))) or None

    async def polled(self, times: int = 15) -> None:
        """Wait until the newest consumer has polled so often more; 15 times is longer than between two commits."""
        goal = self.consumer.polls + times
        await self.until(lambda: self.consumer.polls >= goal)

    async def until(self, true: Callable[[], Any], message: str = "") -> None:
        """Wait until something holds."""

        async def ask() -> Any:
            return true()

        # A minute: on a busy machine that is patience, not a claim about time.
        await eventually_async(ask, 60, message)
