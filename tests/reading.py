"""Reading topics of the real Kafka in tests."""

from __future__ import annotations

from contextlib import closing

from tests.waiting import eventually
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings
from workers.domain.topics import topic_name
from workers.wire.records import InRecord


def read_records(settings: Settings, topic: str, count: int) -> list[InRecord]:
    """The records of a topic, of any partition: ``count`` of them at least, and what else is there by then."""
    found: list[InRecord] = []
    with closing(WholeTopics(settings, [topic_name(settings.namespace, topic)])) as reader:

        def enough() -> bool:
            while (record := reader.poll(0.3)) is not None:
                found.append(record)
            return len(found) >= count

        eventually(enough, message=f"{count} records on {topic}")
    return found
