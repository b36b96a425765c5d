"""Kafka by confluent-kafka: a consumer behind the loop's port. Not its asyncio variant."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from workers.adapters import security
from workers.adapters.committed import committed_offsets
from workers.adapters.kafka_answers import START_SECONDS, KafkaUnavailable, reached
from workers.adapters.kafka_membership import KafkaFailed, check_session, fatal, membership
from workers.adapters.kafka_offsets import ends
from workers.adapters.kafka_producer import MAX_MESSAGE_BYTES
from workers.adapters.kafka_producer import KafkaProducer as KafkaProducer
from workers.adapters.kafka_reach import Reach, asking
from workers.config import Settings
from workers.containment.quarantine import CLEAN
from workers.domain.topics import topic_name
from workers.wire import records
from workers.wire.records import InRecord, Listener, Position, TopicFacts

TOPIC_SECONDS: Final = 5.0
STATISTICS_MS: Final = 500
ANEW_SECONDS: Final = 5.0
FENCED: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._FATAL,
        KafkaError._NO_OFFSET,
    }
)
"""Another member owns the partition, or will: it reads the uncommitted events again."""


# librdkafka's own log, through the standard library's: `process.logs` sets its form and level.
_LOGGER: Final = logging.getLogger("librdkafka")


class KafkaConsumer:
    """A member of group ``<namespace>.<group>``. The loop's port: see ``wire.records.Consumer``.

    ``together``: see ``membership``, which raises SettingsError.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        *,
        together: bool = True,
        queued: int = 2000,
    ) -> None:
        self._topics: dict[str, tuple[str, int]] = {}
        self._acknowledged: dict[records.TopicPartition, tuple[int, str]] = {}
        self._mine: set[records.TopicPartition] = set()
        self._ends: dict[records.TopicPartition, tuple[int, int]] = {}
        self._read: dict[records.TopicPartition, int] = {}
        self._asked: Mapping[str, Future[Any]] = {}
        self._ask_after, self._anew = 0.0, False
        self._heard = time.monotonic()
        self._reach = Reach(asking(settings))
        self._bootstrap = settings.kafka_bootstrap
        self._admin: AdminClient
        self._settings = settings
        self._group = topic_name(settings.namespace, group)
        self._consumer = Consumer(
            {
                **security.kafka(settings),
                "group.id": self._group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                # A pause throws away what is fetched ahead: little of it, so that back-pressure costs little.
                "queued.min.messages": queued,
                "max.partition.fetch.bytes": 256 * 1024,
                "fetch.wait.max.ms": 100,
                "fetch.queue.backoff.ms": 20,
                "on_commit": self._committed,
                "statistics.interval.ms": STATISTICS_MS,
                "stats_cb": self._statistics,
                **membership(settings, group, together=together),
            },
            logger=_LOGGER,
        )

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        """Join the group. A topic made a moment ago may take some seconds to be seen.

        Raises KafkaUnavailable, and SettingsError where the broker's session timeout is another than ours.
        """
        self._listener = listener
        self._admin = reached(self._settings)
        check_session(self._admin, self._settings, self._group)
        deadline = time.monotonic() + TOPIC_SECONDS
        while missing := self._describe(topics):
            self._admin.poll(0.2)
            if time.monotonic() > deadline:
                raise KafkaUnavailable(f"not there: {', '.join(missing)} (run `streamscout up`)")

        def assigned(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            # A topic may have been created anew since: its id, and its number of partitions, are of this assignment.
            self._describe(topics)
            self._heard = time.monotonic()
            self._mine.update(_names(partitions))
            listener.assigned(_names(partitions))

        def revoked(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            listener.revoked(_names(partitions))
            self._forget(partitions)

        def lost(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            listener.lost(_names(partitions))
            self._forget(partitions)

        self._consumer.subscribe(list(topics), on_assign=assigned, on_revoke=revoked, on_lost=lost)

    def partitions(self, topic: str) -> int:
        """How many partitions a subscribed topic has."""
        return self._topics[topic][1]

    def poll(self, seconds: float) -> InRecord | None:
        """The next record, or None. Rebalances are told to the listener from here."""
        self._reach.check()
        self._look_for_topics_anew()
        message = self._consumer.poll(seconds)
        if message is None:
            return None
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._FATAL:
                self._listener.lost(list(self._mine))
                raise fatal(error, self._settings, self._group)
            if error.fatal() or error.code() in (
                KafkaError.TOPIC_AUTHORIZATION_FAILED,
                KafkaError.GROUP_AUTHORIZATION_FAILED,
            ):
                raise KafkaFailed(error.str())
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        if offset <= self._read.get((topic, partition), -1):
            raise self._created_anew(topic)
        self._read[topic, partition] = offset
        return InRecord(
            Position(topic, partition, offset, self._topics[topic][0]),
            message.key(),
            message.value(),
            tuple(message.headers() or ()),
            message.timestamp()[1],
        )

    def pause(self, partitions: Collection[records.TopicPartition]) -> None:
        """Fetch no more of these."""
        self._consumer.pause([TopicPartition(*name) for name in partitions])

    def resume(self, partitions: Collection[records.TopicPartition]) -> None:
        """Fetch these again, from where poll left off."""
        self._consumer.resume([TopicPartition(*name) for name in partitions])

    def commit(
        self,
        offsets: Mapping[records.TopicPartition, int],
        wait: bool,
        notes: Mapping[records.TopicPartition, str] | None = None,
    ) -> None:
        """Commit what is news. A commit that failed for a while is news again; one that is fenced never will be."""
        wanted = {name: (offset, (notes or {}).get(name, "")) for name, offset in offsets.items()}
        news = [
            TopicPartition(*name, offset, metadata=note)
            for name, (offset, note) in wanted.items()
            if self._acknowledged.get(name) != (offset, note)
        ]
        if not news or self._anew:
            return
        if not wait:
            self._consumer.commit(offsets=news, asynchronous=True)
            return
        try:
            self._committed(None, self._consumer.commit(offsets=news, asynchronous=False))
        except KafkaException as error:
            if error.args[0].code() not in FENCED:
                raise KafkaUnavailable(f"the commit of what is done: {error.args[0].str()}") from error

    def acknowledged(self, partition: records.TopicPartition) -> str | None:
        """The note of the newest commit that Kafka has acknowledged since the assignment."""
        found = self._acknowledged.get(partition)
        return None if found is None else found[1]

    def former(
        self, partitions: Collection[records.TopicPartition]
    ) -> Mapping[records.TopicPartition, tuple[str | None, int]]:
        """The note beside each committed offset, and the partition's end. Raises KafkaUnavailable."""
        if not partitions:
            # An assignment may be of none: KIP-848 says so to a member that has to wait.
            return {}
        notes = {name: note for name, (_, note) in committed_offsets(self._settings, self._group, partitions).items()}
        end = ends(self._admin, [name for name, note in notes.items() if note not in ("", CLEAN)])
        return {name: (notes.get(name), end.get(name, 0)) for name in partitions}

    def silence(self) -> float:
        """Seconds since the group's coordinator last answered: its heartbeats say that the membership stands."""
        return max(0.0, time.monotonic() - self._heard)

    def lag(self, partition: records.TopicPartition, settled: int | None) -> int | None:
        """Records from ``settled``, or else from what is fetched next, to the end, half a second ago; None if unknown.

        From statistics: ``get_watermark_offsets`` called beside the polling thread waits for it with the GIL in hand.
        """
        known = self._ends.get(partition)
        return None if known is None else max(0, known[1] - (known[0] if settled is None else settled))

    def close(self) -> None:
        """Leave the group; what is assigned is revoked first."""
        self._consumer.close()

    def _statistics(self, text: str) -> None:
        statistics = json.loads(text)
        self._reach.told(statistics)
        now = statistics["ts"] / 1e6
        # librdkafka's clock is monotonic where there is such a clock, and the wall's elsewhere (macOS).
        wall = abs(now - time.time()) < abs(now - time.monotonic())
        late = (time.time() if wall else time.monotonic()) - now
        coordinator = statistics["brokers"].get("GroupCoordinator")
        if coordinator is not None and coordinator["rxidle"] >= 0:
            self._heard = max(self._heard, time.monotonic() - late - coordinator["rxidle"] / 1e6)
        self._ends = {
            (topic, int(number)): (found["next_offset"], found["ls_offset"])
            for topic, described in statistics["topics"].items()
            for number, found in described["partitions"].items()
            if found["ls_offset"] >= 0 and found["next_offset"] >= 0
        }

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            if error is None and partition.error is None:
                note = partition.metadata or ""
                self._acknowledged[partition.topic, partition.partition] = (partition.offset, note)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        # librdkafka keeps a pause beyond the assignment it was for: the partition would come back mute.
        self._consumer.resume(partitions)
        self._mine.difference_update(_names(partitions))
        for name in _names(partitions):
            self._acknowledged.pop(name, None)
            self._read.pop(name, None)

    def _look_for_topics_anew(self) -> None:
        """Raises KafkaFailed for a topic of another id: librdkafka would go on at its old offset, past what is new."""
        if self._asked and all(future.done() for future in self._asked.values()):
            if all(future.exception() is not None for future in self._asked.values()):
                # It may have forgotten its brokers (see ``kafka_reach``), and would ask nobody for ever.
                self._admin = AdminClient({**security.kafka(self._settings), "log_level": 3}, logger=_LOGGER)
            for topic, future in self._asked.items():
                if future.exception() is None and str(future.result().topic_id) != self._topics[topic][0]:
                    raise self._created_anew(topic)
            self._asked = {}
        elif not self._asked and self._topics and time.monotonic() >= self._ask_after:
            self._ask_after = time.monotonic() + ANEW_SECONDS
            self._asked = self._admin.describe_topics(TopicCollection(list(self._topics)), request_timeout=ANEW_SECONDS)

    def _created_anew(self, topic: str) -> KafkaFailed:
        self._anew = True  # what is settled are offsets of the old topic: they would skip the new one's beginning
        ours = (TopicPartition(topic, one.partition, 0) for one in self._consumer.assignment() if one.topic == topic)
        self._consumer.commit(offsets=list(ours), asynchronous=False)
        return KafkaFailed(f"{topic} was created anew: its offsets begin again")

    def _describe(self, topics: Sequence[str]) -> list[str]:
        """Learn ids and partitions; the topics that are not there. Raises KafkaUnavailable."""
        futures = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=START_SECONDS)
        missing = []
        for topic, future in futures.items():
            try:
                found = future.result(START_SECONDS + 1)
            except (KafkaException, TimeoutError) as error:
                if isinstance(error, TimeoutError) or error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise KafkaUnavailable(f"{self._bootstrap}: {error}") from error
                missing.append(topic)
            else:
                self._topics[topic] = (str(found.topic_id), len(found.partitions))
        return missing


def topic_facts(settings: Settings, topics: Sequence[str]) -> dict[str, TopicFacts]:
    """Facts of topics by their full names. Raises KafkaUnavailable, naming a topic that is not there."""
    admin = reached(settings)
    limits = {
        resource.name: future
        for resource, future in admin.describe_configs(
            [ConfigResource(ResourceType.TOPIC, topic) for topic in topics], request_timeout=START_SECONDS
        ).items()
    }
    facts = {}
    for topic, future in admin.describe_topics(TopicCollection(list(topics)), request_timeout=START_SECONDS).items():
        try:
            found = future.result(START_SECONDS + 1)
            facts[topic] = TopicFacts(str(found.topic_id), len(found.partitions), _limit(limits[topic]))
        except (KafkaException, TimeoutError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else "no answer"
            raise KafkaUnavailable(f"topic {topic}: {reason} (topics are made by `streamscout up`)") from error
    return facts


def _limit(described: Future[Any]) -> int:
    """A topic's max.message.bytes; ours where we may not ask."""
    try:
        return int(described.result(START_SECONDS + 1)["max.message.bytes"].value)
    except KafkaException as error:
        if error.args[0].code() not in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
            raise
        return MAX_MESSAGE_BYTES


def _names(partitions: list[TopicPartition]) -> list[records.TopicPartition]:
    return [_name(partition) for partition in partitions]


def _name(partition: TopicPartition) -> records.TopicPartition:
    return partition.topic, partition.partition
