"""Wires the dead-letter tool to Kafka and the schema registry."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Final

from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings
from workers.core.clock import SystemClock
from workers.dead_letters.worker import DeadLetters, Told
from workers.domain.topics import load_topics
from workers.wire.cloudevents import Wire
from workers.wire.records import InRecord

SOURCE: Final = "streamscout/dead"
DELIVERY_MS: Final = 20_000
"""Less than what is waited for, so that a broker that is gone is named as the reason."""


@contextmanager
def dead_letters(settings: Settings, told: Told) -> Iterator[tuple[DeadLetters, Wire]]:
    """The tool over the real servers. Raises SettingsError, and Unavailable where a server or a topic is gone."""
    settings.required("kafka_bootstrap")
    wire = Wire(build_codec(settings), SOURCE, settings.namespace)
    topics = load_topics(settings.schemas_dir / "topics.yaml")

    def whole(names: Sequence[str], since: Mapping[str, datetime]) -> Generator[InRecord, None, None]:
        with closing(WholeTopics(settings, names, since=since)) as reader:
            yield from reader.to_the_end()

    producer = KafkaProducer(settings, delivery_ms=DELIVERY_MS)
    try:
        yield DeadLetters(whole, wire, producer, topics, settings.namespace, SystemClock(), told), wire
    finally:
        producer.close()
