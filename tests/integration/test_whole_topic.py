"""Whole topics of the real Kafka, and the ends of them: what is read of large ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def topic(stack: Settings) -> Iterator[str]:
    """Two partitions; in the first a record for each of ten hours, the second empty."""
    name = f"whole-{uuid4().hex[:10]}"
    admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap})
    admin.create_topics([NewTopic(name, 2, config={"retention.ms": "-1"})])[name].result(20)
    producer = Producer({"bootstrap.servers": stack.kafka_bootstrap})
    for hour in range(10):
        at = int((BEGAN + timedelta(hours=hour)).timestamp() * 1000)
        producer.produce(name, value=b"%d" % hour, partition=0, timestamp=at)
    assert producer.flush(20) == 0
    yield name
    admin.delete_topics([name])[name].result(20)


def hours(settings: Settings, topic: str, since: datetime | None = None, last: int | None = None) -> list[int]:
    """What is read."""
    begin = {} if since is None else {topic: since}
    ends = {} if last is None else {topic: last}
    with closing(WholeTopics(settings, [topic], since=begin, last=ends)) as reader:
        return [int(record.value or b"") for record in reader.to_the_end()]


def test_a_topic_is_read_whole_or_since_a_time_or_its_last_records(stack: Settings, topic: str) -> None:
    """Up to the end of every partition, also where there is nothing to read."""
    assert hours(stack, topic) == [*range(10)]
    assert hours(stack, topic, since=BEGAN + timedelta(hours=6)) == [6, 7, 8, 9]
    assert hours(stack, topic, since=BEGAN + timedelta(days=6)) == []
    assert hours(stack, topic, since=BEGAN - timedelta(days=99_999)) == [*range(10)]
    assert hours(stack, topic, last=3) == [7, 8, 9]
    assert hours(stack, topic, last=300) == [*range(10)]
