"""A worker process with the real Faust and the real Kafka whose handler counts: for tests of keyed workers alone.

``python -m tests.integration.echo_tables``. It calls itself creators: so its topics are there. ``poison…`` kills the
process, ``dead…`` cannot be used; every other post is a row, and an output under its creator's key: of ``broad…`` a
large row, of ``large…`` a large output.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from workers.adapters.kafka import topic_facts
from workers.adapters.tables import KeyedWorker, TableView
from workers.config import load_settings
from workers.domain.events import PostRetracted
from workers.domain.topics import topic_name
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import Dead, Item, OutRecord

LARGE = b"x" * 10_000
NAMES = ("embeddings", "creators", "creators.rekeyed", "creators.dead", "creators.changelog")


class Echo:
    """See the module."""

    def __init__(self, output: str) -> None:
        self._output = output

    def handle(self, item: Item[Any], table: TableView) -> list[OutRecord] | Dead:
        post = item.event.post_id.encode()
        if post.startswith(b"poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        if post.startswith(b"dead"):
            return Dead("wrong_model_version", "as it is called")
        table.put(post, LARGE if post.startswith(b"broad") else b"seen")
        return [OutRecord(self._output, item.record.key, LARGE if post.startswith(b"large") else post)]

    def forget(self) -> None:
        """Nothing is kept."""


if __name__ == "__main__":
    settings = load_settings()
    facts = topic_facts(settings, [topic_name(settings.namespace, name) for name in NAMES])
    echo = Echo(topic_name(settings.namespace, "creators"))
    wire = Wire(JsonCodec(), "/test", settings.namespace)
    worker = KeyedWorker(settings, "creators", ("embeddings",), (PostRetracted,), handler=echo, wire=wire, facts=facts)
    sys.exit(worker.run())
