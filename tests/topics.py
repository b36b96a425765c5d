"""Whole topics of the real Kafka, as events, in tests."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import closing

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from workers.adapters.registry import build_codec
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings
from workers.domain.events import EVENT_TYPES, Event
from workers.domain.topics import topic_name
from workers.wire.cloudevents import Wire
from workers.wire.records import InRecord


def read_topic(settings: Settings, topic: str, seconds: float = 30.0) -> list[InRecord]:
    """Every record of a topic (named without namespace) up to its present end, partition by partition in order."""
    records: list[InRecord] = []
    deadline = time.monotonic() + seconds
    with closing(WholeTopics(settings, [topic_name(settings.namespace, topic)])) as whole:
        while not whole.caught_up():
            if (record := whole.poll(0.2)) is not None:
                records.append(record)
            assert time.monotonic() < deadline, f"{topic} could not be read to its end within {seconds:g} s"
    return sorted(records, key=lambda record: (record.position.partition, record.position.offset))


def limit_messages(settings: Settings, size: int, *topics: str) -> None:
    """The largest record, in bytes, that topics (named without namespace) take from now on."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    names = [topic_name(settings.namespace, topic) for topic in topics]
    resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry]) for name in names]
    for future in admin.incremental_alter_configs(resources).values():
        future.result(60)


def newest(settings: Settings, topic: str, accepted: Collection[type[Event]] = EVENT_TYPES) -> dict[str, Event]:
    """What a compacted topic says: the newest event of each key, without the deleted ones."""
    wire = Wire(build_codec(settings), "tests", settings.namespace)
    found: dict[str, Event] = {}
    for record in read_topic(settings, topic):
        key = (record.key or b"").decode()
        if wire.is_tombstone(record):
            found.pop(key, None)
        else:
            found[key] = wire.read(record, accepted)
    return found
