"""Wires the publisher to Kafka and the schema registry."""

from __future__ import annotations

from typing import BinaryIO, Final

from workers.adapters.kafka import KafkaProducer
from workers.adapters.kafka_answers import START_SECONDS, reached
from workers.adapters.registry import build_codec
from workers.config import Settings
from workers.publisher.worker import Progress, Publisher, PublishReport
from workers.wire.cloudevents import Wire

SOURCE: Final = "streamscout/publish"
DELIVERY_MS: Final = 20_000
"""Less than what `ingest` waits, so that a broker that is gone is named as the reason."""


def publish_stream(
    settings: Settings,
    topic: str,
    stream: BinaryIO,
    strict: bool,
    progress: Progress,
    *,
    patience: float = START_SECONDS,
) -> PublishReport:
    """Publish JSON lines to ``topic``. Raises SettingsError, and Unavailable where a server does not answer.

    Kafka has ``patience`` seconds for its first answer: nothing is read before it.
    """
    settings.required("kafka_bootstrap")
    reached(settings, patience)
    wire = Wire(build_codec(settings), SOURCE, settings.namespace)
    producer = KafkaProducer(settings, delivery_ms=DELIVERY_MS)
    try:
        return Publisher(topic, wire, producer, progress).publish(stream, strict)
    finally:
        producer.close()
