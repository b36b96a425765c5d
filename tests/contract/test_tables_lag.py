"""What a keyed worker says of how far behind it is, by aiokafka's own book of what is assigned."""

from __future__ import annotations

from types import SimpleNamespace

from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.structs import TopicPartition

from workers import metrics
from workers.adapters.tables import KeyedWorker

NAME = "lagging"


class Client:
    """As aiokafka's consumer answers, whose rule is its own: of a partition that is not assigned nothing is asked."""

    def __init__(self, assigned: set[TopicPartition]) -> None:
        self._subscription = SubscriptionState()
        self._subscription.subscribe({"posts"})
        self._subscription.assign_from_subscribed(assigned)

    def assignment(self) -> set[TopicPartition]:
        return set(self._subscription.assigned_partitions())

    def highwater(self, partition: TopicPartition) -> int:
        assert self._subscription.is_assigned(partition), "Partition is not assigned"
        return 12


async def test_a_partition_that_the_client_let_go_of_is_not_asked_about() -> None:
    """A rebalance takes it from the client first; the worker goes on, and tells of the others."""
    kept, gone = TopicPartition("posts", 0), TopicPartition("posts", 1)
    worker = object.__new__(KeyedWorker)
    worker.__dict__ |= {
        "_name": NAME,
        "_open": 0,
        "_settled": {gone: 3, kept: 5},
        "_app": SimpleNamespace(consumer=Client({kept})),
    }
    worker._observe()
    assert metrics.LAG.labels(NAME, "posts", "0")._value.get() == 7
