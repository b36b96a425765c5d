"""How the demo publishes its files: with the publisher that ``streamscout publish`` uses, at once or evenly paced."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Iterable
from pathlib import Path

from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.config import Settings
from workers.demo.flow import StepFailedError
from workers.publisher.main import SOURCE, publish_stream
from workers.publisher.worker import Publisher, PublishReport
from workers.wire.cloudevents import Wire

PACED_CHUNK = 4


def publish_files(settings: Settings, files: Iterable[tuple[str, Path]]) -> int:
    """Publish (topic, file) pairs as fast as they go; how many events were acknowledged. Raises StepFailedError."""
    published = 0
    for topic, path in files:
        with path.open("rb") as stream:
            published += _checked(publish_stream(settings, topic, stream, True, lambda *_: None))
    return published


def publish_paced(settings: Settings, topic: str, path: Path, per_second: float) -> int:
    """Publish a file's lines a few at a time, ``per_second`` in all."""
    producer = KafkaProducer(settings)
    publisher = Publisher(topic, Wire(build_codec(settings), SOURCE, settings.namespace), producer, lambda *_: None)
    lines = iter(path.read_bytes().splitlines(keepends=True))
    began, published = time.monotonic(), 0
    try:
        while chunk := list(itertools.islice(lines, PACED_CHUNK)):
            time.sleep(max(0.0, began + published / per_second - time.monotonic()))
            published += _checked(publisher.publish(io.BytesIO(b"".join(chunk)), strict=True))
    finally:
        producer.close()
    return published


def _checked(report: PublishReport) -> int:
    if report.bad or report.undelivered:
        raise StepFailedError(f"{report.topic}: {len(report.bad)} bad and {len(report.undelivered)} undelivered lines")
    return report.delivered
