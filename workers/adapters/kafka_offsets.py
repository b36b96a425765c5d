"""Offsets of topics, by confluent-kafka's admin client, from brokers that may still be agreeing who leads."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from workers.adapters.kafka_answers import START_SECONDS, KafkaUnavailable, passes
from workers.wire import records

_PAUSE_SECONDS: Final = 0.1


def listed(
    admin: AdminClient, asked: Mapping[TopicPartition, OffsetSpec], seconds: float = START_SECONDS
) -> dict[records.TopicPartition, int]:
    """The offset of each partition, as its spec asks; -1 where no record is as new as the spec's time.

    A topic made a moment ago, or one whose leader has just gone, has partitions that nobody leads: they are asked for
    again. Raises KafkaUnavailable after ``seconds``, and at once where the answer will not change.
    """
    found: dict[records.TopicPartition, int] = {}
    left, deadline = dict(asked), time.monotonic() + seconds
    while left:
        wait = max(0.1, deadline - time.monotonic())
        for partition, future in admin.list_offsets(left, request_timeout=wait).items():
            try:
                found[partition.topic, partition.partition] = future.result(wait + 1).offset
            except (KafkaException, TimeoutError) as error:
                if isinstance(error, TimeoutError) or not passes(error.args[0]) or time.monotonic() > deadline:
                    where = f"{partition.topic}, partition {partition.partition}"
                    reason = "no answer" if isinstance(error, TimeoutError) else error.args[0].str()
                    raise KafkaUnavailable(f"the offsets of topic {where}: {reason}") from error
        left = {one: spec for one, spec in left.items() if (one.topic, one.partition) not in found}
        if left:
            admin.poll(_PAUSE_SECONDS)
            _look_again(admin, deadline)
    return found


def _look_again(admin: AdminClient, deadline: float) -> None:
    """Ask who leads: librdkafka 2.16 goes by what it heard first, for as long as it takes, while that was nobody."""
    with suppress(KafkaException):  # the offsets themselves are asked for next, and say what is wrong
        admin.list_topics(timeout=max(0.1, deadline - time.monotonic()))


def ends(
    admin: AdminClient, partitions: Collection[records.TopicPartition], seconds: float = START_SECONDS
) -> dict[records.TopicPartition, int]:
    """Where each partition ends: the offset of its next record. Raises KafkaUnavailable, as ``listed`` does."""
    return listed(admin, {TopicPartition(*one): OffsetSpec.latest() for one in partitions}, seconds)
