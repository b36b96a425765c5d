"""Offsets asked of brokers that may still be agreeing who leads."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from workers.adapters.kafka_answers import KafkaUnavailable, passes
from workers.adapters.kafka_offsets import ends


class Broker:
    """Answers each partition by what it is told to say, one after the other; the last one for ever."""

    def __init__(self, says: Mapping[int, list[int | KafkaError]]) -> None:
        self.says, self.asked = {number: list(answers) for number, answers in says.items()}, list[list[int]]()

    def list_offsets(self, asked: Mapping[TopicPartition, OffsetSpec], **_: Any) -> dict[TopicPartition, Future[Any]]:
        self.asked.append(sorted(one.partition for one in asked))
        return {one: self._answer(one.partition) for one in asked}

    def poll(self, _seconds: float) -> int:
        return 0

    def list_topics(self, timeout: float) -> None:
        """Who leads: librdkafka keeps that to itself."""

    def _answer(self, number: int) -> Future[Any]:
        says, future = self.says[number], Future[Any]()
        answer = says.pop(0) if len(says) > 1 else says[0]
        if isinstance(answer, KafkaError):
            future.set_exception(KafkaException(answer))
        else:
            future.set_result(SimpleNamespace(offset=answer))
        return future


def asked(broker: Broker, seconds: float = 30.0) -> dict[tuple[str, int], int]:
    return ends(broker, [("posts", number) for number in broker.says], seconds)  # type: ignore[arg-type]


def test_a_partition_that_nobody_leads_yet_is_asked_for_again() -> None:
    """And it alone: what is known is not asked twice."""
    nobody = KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)
    broker = Broker({0: [7], 1: [nobody, nobody, 9]})
    assert asked(broker) == {("posts", 0): 7, ("posts", 1): 9}
    assert broker.asked == [[0, 1], [1], [1]]


def test_a_partition_that_nobody_ever_leads_is_named() -> None:
    """After the time there is."""
    broker = Broker({0: [7], 1: [KafkaError(KafkaError.LEADER_NOT_AVAILABLE)]})
    with pytest.raises(KafkaUnavailable, match=r"topic posts, partition 1: .*[Ll]eader"):
        asked(broker, 0.0)


def test_what_will_not_change_is_said_at_once() -> None:
    """An answer that Kafka's protocol does not call retriable ends the asking."""
    broker = Broker({0: [KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)]})
    with pytest.raises(KafkaUnavailable, match="topic posts, partition 0"):
        asked(broker)
    assert len(broker.asked) == 1


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError._NOENT]
)
def test_what_passes_is_told_by_its_code(code: int) -> None:
    """librdkafka's own flag says no to all of them."""
    assert passes(KafkaError(code))
    assert not KafkaError(code).retriable()
