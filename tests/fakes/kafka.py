"""Kafka in memory: a broker with groups (range, eager rebalance), a consumer and a producer behind our ports.

``tests/contract/test_consumer_contract.py`` holds it to what the real one does.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from uuid import uuid4

from workers.domain.partitioning import partition_of
from workers.wire.records import (
    Headers,
    InRecord,
    Listener,
    OutputRefused,
    OutRecord,
    Position,
    ProduceFailed,
    TopicPartition,
    Unavailable,
)


@dataclass
class Group:
    """A consumer group: members in the order they joined; a rebalance waits until every member has let go."""

    members: list[FakeConsumer] = field(default_factory=list)
    generation: int = 0
    let_go: set[int] = field(default_factory=set)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    notes: dict[TopicPartition, str] = field(default_factory=dict)

    def rebalance(self) -> None:
        """Membership changed: everybody joins again."""
        self.generation += 1
        self.let_go = set()


class FakeBroker:
    """Topics with their partitions; every record kept for ever."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.ids = {topic: str(uuid4()) for topic in topics}
        self.logs: dict[TopicPartition, list[InRecord]] = {(t, p): [] for t, n in topics.items() for p in range(n)}
        self.groups: dict[str, Group] = {}
        self.now_ms = 1_700_000_000_000

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return sum(name == topic for name, _ in self.logs)

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), partition: int | None = None
    ) -> Position:
        """Write a record; without ``partition`` the key decides."""
        with self.changed:
            number = partition_of(key or b"", self.partitions(topic)) if partition is None else partition
            log = self.logs[topic, number]
            position = Position(topic, number, len(log), self.ids[topic])
            log.append(InRecord(position, key, value, headers, self.now_ms))
            self.changed.notify_all()
            return position

    def read(self, topic: str) -> list[InRecord]:
        """Everything in a topic, partition by partition."""
        with self.changed:
            return [record for (name, _), log in sorted(self.logs.items()) if name == topic for record in log]

    def committed(self, group: str) -> dict[TopicPartition, int]:
        """A group's offsets."""
        with self.changed:
            return dict(self.groups[group].committed) if group in self.groups else {}

    def expire(self, group: str) -> None:
        """Every member's session ends, as after a long silence: they find out at their next poll."""
        with self.changed:
            for member in self.groups[group].members:
                member.expired = True
            self.changed.notify_all()


class FakeConsumer:
    """A member of a group. Rebalances happen inside ``poll`` and ``close``, as in librdkafka.

    One that is ``killed`` commits nothing any more, as a process that died.
    """

    def __init__(self, broker: FakeBroker, group: str) -> None:
        self._broker, self._group = broker, broker.groups.setdefault(group, Group())
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._generation = -1
        self._assigned_generation = -1
        self._turn = 0
        self.topics: tuple[str, ...] = ()
        self.expired = self.killed = False
        self._acknowledged: dict[TopicPartition, str] = {}
        self.polls = 0
        self.pauses: Counter[TopicPartition] = Counter()
        self.silent = 0.0
        self.refused: list[dict[TopicPartition, int]] = []

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        for topic in topics:
            if topic not in self._broker.ids:
                raise Unavailable(f"topic {topic}: not there")
        self.topics, self._listener = tuple(topics), listener
        with self._broker.changed:
            self._group.members.append(self)
            self._group.rebalance()

    def partitions(self, topic: str) -> int:
        return self._broker.partitions(topic)

    def poll(self, seconds: float) -> InRecord | None:
        self._membership()
        with self._broker.changed:
            self.polls += 1
            if (record := self._next()) is None and self._generation == self._group.generation:
                self._broker.changed.wait(seconds)
                record = self._next() if self._generation == self._group.generation else None
            return record

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        self.pauses.update(partitions)
        self._paused |= set(partitions)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        self._paused -= set(partitions)

    def commit(
        self, offsets: Mapping[TopicPartition, int], wait: bool, notes: Mapping[TopicPartition, str] | None = None
    ) -> None:
        with self._broker.changed:
            if self.killed:
                return
            if self in self._group.members and not self.expired:
                self._group.committed.update(offsets)
                self._group.notes.update(dict.fromkeys(offsets, "") | dict(notes or {}))
                self._acknowledged |= {name: (notes or {}).get(name, "") for name in offsets}
            else:
                self.refused.append(dict(offsets))

    def acknowledged(self, partition: TopicPartition) -> str | None:
        return self._acknowledged.get(partition)

    def former(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, tuple[str | None, int]]:
        with self._broker.changed:
            return {name: (self._group.notes.get(name), len(self._broker.logs[name])) for name in partitions}

    def silence(self) -> float:
        return self.silent

    def lag(self, partition: TopicPartition, settled: int | None) -> int | None:
        start = self._positions.get(partition, 0) if settled is None else settled
        return len(self._broker.logs[partition]) - start

    def positions(self) -> dict[TopicPartition, int]:
        """How far each partition was read."""
        return dict(self._positions)

    def close(self) -> None:
        if self._positions:
            self._listener.revoked(list(self._positions))
        with self._broker.changed:
            self._positions = {}
            if self in self._group.members:
                self._group.members.remove(self)
                self._group.rebalance()

    def _membership(self) -> None:
        """Lose, let go, or receive partitions; the listener is called without the broker's lock, as a client would."""
        group = self._group
        if self.expired:
            if self._positions:
                self._listener.lost(list(self._positions))
            with self._broker.changed:
                self._positions, self.expired, self._acknowledged = {}, False, {}
                group.rebalance()
        if self._generation != group.generation:
            generation = group.generation
            if self._positions:
                self._listener.revoked(list(self._positions))
            with self._broker.changed:
                self._positions, self._paused, self._acknowledged = {}, set(), {}
                if generation == group.generation:
                    self._generation = generation
                    group.let_go.add(id(self))
        everybody = group.let_go == {id(member) for member in group.members}
        if everybody and self._generation == group.generation != self._assigned_generation:
            self._assigned_generation = self._generation
            mine = self._range()
            self._positions = {name: group.committed.get(name, 0) for name in mine}
            self._listener.assigned(mine)

    def _range(self) -> list[TopicPartition]:
        mine, members = [], len(self._group.members)
        index = self._group.members.index(self)
        for topic in self.topics:
            count = self._broker.partitions(topic)
            each, more = divmod(count, members)
            first = index * each + min(index, more)
            mine += [(topic, number) for number in range(first, first + each + (index < more))]
        return mine

    def _next(self) -> InRecord | None:
        names = [name for name in self._positions if name not in self._paused]
        for step in range(len(names)):
            name = names[(self._turn + step) % len(names)]
            log, position = self._broker.logs[name], self._positions[name]
            if position < len(log):
                self._turn = (self._turn + step + 1) % len(names)
                self._positions[name] = position + 1
                return log[position]
        return None


class FakeProducer:
    """Writes to a broker at once. ``failing`` topics fail; while ``holding``, nothing is acknowledged.

    A topic takes records of ``most`` bytes, where that is said: larger ones it never takes.
    """

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self.failing: set[str] = set()
        self.most: dict[str, int] = {}
        self.holding = False
        self._held: list[tuple[OutRecord, Future[None]]] = []

    def send(self, record: OutRecord) -> Future[None]:
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()
        if self.holding:
            self._held.append((record, future))
        else:
            self._write(record, future)
        return future

    def let_go(self) -> None:
        """Write and acknowledge what was held."""
        self.holding = False
        held, self._held = self._held, []
        for record, future in held:
            self._write(record, future)

    def flush(self, seconds: float) -> None:
        """Everything is written already."""

    def _write(self, record: OutRecord, future: Future[None]) -> None:
        if record.topic in self.failing:
            future.set_exception(ProduceFailed(f"{record.topic}: refused"))
            return
        if len(record.value or b"") > self.most.get(record.topic, 2**21):
            future.set_exception(OutputRefused(f"{record.topic}: too large"))
            return
        self._broker.append(record.topic, record.key, record.value, record.headers, record.partition)
        future.set_result(None)
