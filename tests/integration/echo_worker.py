"""A worker process with the real loop and the real Kafka whose handler stores to a file: for tests of the loop alone.

``python -m tests.integration.echo_worker``; settings come from the environment as for any worker. What a post is called
decides what becomes of it: see ``Echo``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from tests.waiting import eventually_async
from workers.adapters.kafka import KafkaConsumer, KafkaProducer
from workers.config import Settings, load_settings
from workers.core.lease import Lease
from workers.core.loop import Loop
from workers.domain.events import PostRemoved
from workers.domain.topics import topic_name
from workers.process.running import run_worker
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import Dead, Done, Item, Later, OutRecord, Verdict

SLOW_SECONDS = 6.0
LARGE = 10_000


class Echo:
    """Appends each post to ``stored`` (the store) and writes it to ``embeddings`` (the output), in that order.

    ``slow…`` waits for a host of its own first, ``dead…`` cannot be used, ``poison…`` kills the process,
    of ``large…`` come LARGE bytes that nothing makes smaller, ``old…`` holds its batch until there is a file ``go``.
    """

    def __init__(self, settings: Settings, lease: Lease) -> None:
        self._lease = lease
        self._stored, self._go = settings.data_dir / "stored", settings.data_dir / "go"
        self._output = topic_name(settings.namespace, "embeddings")

    async def handle(self, batch: Sequence[Item[PostRemoved]]) -> Sequence[Verdict]:
        await asyncio.sleep(0.01)
        if any(item.event.post_id.startswith("old") for item in batch):
            await eventually_async(self._may_go)
        self._lease.check()
        if any(item.event.post_id.startswith("poison") for item in batch):
            os.kill(os.getpid(), signal.SIGKILL)
        verdicts = [self._verdict(item) for item in batch]
        with self._stored.open("a") as store:
            done = zip(batch, verdicts, strict=True)
            store.writelines(f"{item.event.post_id}\n" for item, verdict in done if isinstance(verdict, Done))
        return verdicts

    async def _may_go(self) -> bool:
        return self._go.exists()

    def _verdict(self, item: Item[PostRemoved]) -> Verdict:
        post = item.event.post_id
        if post.startswith("slow") and not item.refusals:
            return Later(SLOW_SECONDS, "a slow host", elsewhere=True)
        if post.startswith("dead"):
            return Dead("media_gone", post)
        value = os.urandom(LARGE) if post.startswith("large") else post.encode()
        return Done((OutRecord(self._output, b"key", value),))


@asynccontextmanager
async def echo_loop(settings: Settings, lease: Lease) -> AsyncIterator[Loop[PostRemoved]]:
    """The loop of this worker, which calls itself embedder: so its topics are there."""
    producer = KafkaProducer(settings)
    try:
        yield Loop(
            "embedder",
            ["posts", "profiles", "posts.backfill"],
            consumer=KafkaConsumer(settings, "embedder"),
            producer=producer,
            wire=Wire(JsonCodec(), "/test", settings.namespace),
            accepted=[PostRemoved],
            handler=Echo(settings, lease),
            settings=settings,
            lease=lease,
            backfill=["posts.backfill"],
        )
    finally:
        producer.close()


def run(settings: Settings) -> int:
    """As every worker's ``main.py`` has it."""
    return run_worker("embedder", settings, partial(echo_loop, settings))


if __name__ == "__main__":
    sys.exit(run(load_settings()))
