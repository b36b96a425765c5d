"""Topics read whole and followed by confluent-kafka, without a group: every process sees every partition."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from workers.adapters import security
from workers.adapters.kafka import STATISTICS_MS
from workers.adapters.kafka_answers import START_SECONDS, KafkaUnavailable, reached
from workers.adapters.kafka_membership import KafkaFailed
from workers.adapters.kafka_offsets import listed
from workers.adapters.kafka_reach import Reach, asking
from workers.config import Settings
from workers.wire.records import InRecord, Position

AHEAD_KB: Final = 8 * 1024
_NO_GROUP = "streamscout-whole-topic"
"""librdkafka wants a group's name even where nobody joins one; nothing is ever committed under it."""


class WholeTopics:
    """All partitions of some topics (full names), from their beginnings. One thread uses it.

    Of topics in ``since``, what Kafka took since that time, and perhaps some before it; of topics in ``last``, so many
    records of each partition. Raises KafkaUnavailable at construction where no broker answers or a topic is missing.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Sequence[str],
        *,
        since: Mapping[str, datetime] | None = None,
        last: Mapping[str, int] | None = None,
    ) -> None:
        self._topic_ids: dict[str, str] = {}
        self._admin = reached(settings)
        partitions = self._begin(self._describe(topics), since or {}, last or {})
        self._behind = {(one.topic, one.partition) for one in partitions}
        self._reach = Reach(asking(settings))
        self._consumer = Consumer(
            {
                **security.kafka(settings),
                "group.id": _NO_GROUP,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # A topic may be compacted under us: what is gone there was newer elsewhere.
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
                # What is read ahead lies in memory: a little keeps the reader busy.
                "queued.max.messages.kbytes": AHEAD_KB,
                "statistics.interval.ms": STATISTICS_MS,
                "stats_cb": lambda text: self._reach.told(json.loads(text)),
            }
        )
        self._consumer.assign(partitions)

    def poll(self, seconds: float) -> InRecord | None:
        """The next record, or None within ``seconds``. An absent broker is waited for.

        Raises KafkaFailed for good, and KafkaLost where waiting is in vain.
        """
        self._reach.check()
        message = self._consumer.poll(seconds)
        if message is None:
            return None
        topic, partition = str(message.topic()), int(message.partition() or 0)
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._behind.discard((topic, partition))
            elif error.fatal() or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise KafkaFailed(error.str())
            return None
        return InRecord(
            Position(topic, partition, int(message.offset() or 0), self._topic_ids[topic]),
            message.key(),
            message.value(),
            tuple(message.headers() or ()),
            message.timestamp()[1],
        )

    def caught_up(self) -> bool:
        """Whether the end of every partition was reached once."""
        return not self._behind

    def to_the_end(self, seconds: float = START_SECONDS) -> Iterator[InRecord]:
        """Every record up to the present end. Raises KafkaUnavailable where nothing comes for ``seconds`` before it."""
        heard, behind = time.monotonic(), len(self._behind)
        while not self.caught_up():
            record = self.poll(0.2)
            if record is not None:
                yield record
            if record is not None or len(self._behind) < behind:
                heard, behind = time.monotonic(), len(self._behind)
            elif time.monotonic() - heard > seconds:
                topic, partition = min(self._behind)
                raise KafkaUnavailable(f"{topic}, partition {partition}: nothing came for {seconds:g} s")

    def close(self) -> None:
        """Let the connections go."""
        self._consumer.close()

    def _describe(self, topics: Sequence[str]) -> list[TopicPartition]:
        futures = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=START_SECONDS)
        partitions = []
        for topic, future in futures.items():
            try:
                description = future.result(START_SECONDS + 1)
            except (KafkaException, TimeoutError) as error:
                raise KafkaUnavailable(f"topic {topic}: {error}") from error
            self._topic_ids[topic] = str(description.topic_id)
            partitions += [TopicPartition(topic, number) for number in range(len(description.partitions))]
        return partitions

    def _begin(
        self, partitions: Sequence[TopicPartition], since: Mapping[str, datetime], last: Mapping[str, int]
    ) -> list[TopicPartition]:
        """The partitions at the offsets where reading begins; one before the first record there is, is there."""
        asked = {one: OffsetSpec.latest() for one in partitions if one.topic in last}
        for one in partitions:
            if one.topic in since:
                asked[one] = OffsetSpec.for_timestamp(max(0, int(since[one.topic].timestamp() * 1000)))
        begin: dict[tuple[str, int], int] = {}
        for (topic, number), offset in listed(self._admin, asked).items():
            # Nothing is as new as that: -1.
            latest = OFFSET_END if offset < 0 else offset
            begin[topic, number] = latest if topic in since else max(0, offset - last[topic])
        return [
            TopicPartition(one.topic, one.partition, begin.get((one.topic, one.partition), OFFSET_BEGINNING))
            for one in partitions
        ]
