"""One contract for the in-memory Kafka and for the real one: what the loop may count on.

The real one runs where the test asks for the stack (``pytest --stack DIR``, or one started for the session).
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Protocol
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.fakes.kafka import FakeBroker, FakeConsumer, FakeProducer
from tests.groups import shorten_session
from tests.waiting import eventually
from workers.adapters.committed import committed_offsets
from workers.adapters.kafka import KafkaConsumer, KafkaProducer
from workers.config import Settings, SettingsError
from workers.domain.partitioning import partition_of
from workers.wire.records import Consumer, InRecord, OutRecord, Producer, TopicPartition, Unavailable

PARTITIONS = 4


class World(Protocol):
    """A Kafka with two topics of four partitions, ``one`` and ``two``.

    ``incremental``: a rebalance tells only what changes hands. ``range``: one member has partition n of both topics.
    """

    one: str
    two: str
    producer: Producer
    incremental: bool
    range: bool

    def consumer(self, group: str) -> Consumer: ...

    def committed(self, group: str) -> dict[TopicPartition, int]: ...


class FakeWorld:
    """In memory."""

    one, two = "one", "two"
    incremental, range = False, True

    def __init__(self) -> None:
        self._broker = FakeBroker({self.one: PARTITIONS, self.two: PARTITIONS})
        self.producer: Producer = FakeProducer(self._broker)

    def consumer(self, group: str) -> Consumer:
        return FakeConsumer(self._broker, group)

    def committed(self, group: str) -> dict[TopicPartition, int]:
        return self._broker.committed(group)


COMBINATIONS = {
    "classic": {"session_timeout_ms": 6000},
    "classic, static": {"session_timeout_ms": 6000, "group_instance_id": "pod"},
    "cooperative": {"session_timeout_ms": 6000, "group_assignor": "cooperative-sticky"},
    "consumer": {"session_timeout_ms": 6000, "group_protocol": "consumer"},
    "consumer, static": {"session_timeout_ms": 6000, "group_protocol": "consumer", "group_instance_id": "pod"},
}


class RealWorld:
    """On the stack, in a namespace of its own. Members of a static kind are named one after the other."""

    def __init__(self, stack: Settings, combination: str) -> None:
        self.settings = stack.model_copy(
            update={"namespace": f"c{os.getpid()}x{uuid4().hex[:6]}", **COMBINATIONS[combination]}
        )
        self._members = itertools.count(1)
        self.incremental = self.settings.group_protocol == "consumer" or self.settings.group_assignor != "range"
        self.range = self.settings.group_assignor == "range"
        self.one, self.two = (f"{self.settings.namespace}.{name}" for name in ("one", "two"))
        self._admin = AdminClient({"bootstrap.servers": self.settings.kafka_bootstrap})
        made = self._admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in (self.one, self.two)])
        for future in made.values():
            future.result(60)
        self._producer = KafkaProducer(self.settings)
        self.producer: Producer = self._producer

    def consumer(self, group: str) -> Consumer:
        named = self.settings.group_instance_id and f"pod-{next(self._members)}"
        settings = self.settings.model_copy(update={"group_instance_id": named})
        shorten_session(settings, group)
        return KafkaConsumer(settings, group, together=self.range)

    def committed(self, group: str) -> dict[TopicPartition, int]:
        name = f"{self.settings.namespace}.{group}"
        places = [(topic, number) for topic in (self.one, self.two) for number in range(PARTITIONS)]
        found = committed_offsets(self.settings, name, places)
        return {place: offset for place, (offset, _) in found.items()}

    def close(self) -> None:
        self._producer.close()
        for future in self._admin.delete_topics([self.one, self.two]).values():
            future.result(60)


@pytest.fixture(params=["in memory", *(pytest.param(name, marks=pytest.mark.real) for name in COMBINATIONS)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Any of them: the in-memory Kafka, and the real one with each way of being a member."""
    if request.param == "in memory":
        yield FakeWorld()
        return
    real = RealWorld(request.getfixturevalue("stack"), request.param)
    yield real
    real.close()


class Member:
    """A consumer with its thread, as the loop runs it; what it was told and what it read."""

    def __init__(self, world: World, group: str, topics: Collection[str]) -> None:
        self.consumer = world.consumer(group)
        self.told: list[tuple[str, frozenset[TopicPartition]]] = []
        self.mine: set[TopicPartition] = set()
        self.read: list[InRecord] = []
        self.on_revoked: Callable[[], None] = lambda: None
        self._jobs: list[Callable[[], None]] = []
        self._stop = threading.Event()
        self.consumer.subscribe(list(topics), self)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        self.told.append(("assigned", frozenset(partitions)))
        self.mine |= set(partitions)

    def revoked(self, partitions: Collection[TopicPartition]) -> None:
        self.told.append(("revoked", frozenset(partitions)))
        self.mine -= set(partitions)
        self.on_revoked()

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        self.told.append(("lost", frozenset(partitions)))
        self.mine -= set(partitions)

    def do(self, job: Callable[[], None]) -> None:
        """Run on the polling thread, between two polls; returns when it is done."""
        done = threading.Event()

        def run() -> None:
            job()
            done.set()

        self._jobs.append(run)
        assert done.wait(60)

    def values(self) -> set[bytes | None]:
        """What was read so far."""
        return {record.value for record in self.read}

    def leave(self) -> None:
        """Close the consumer, as the loop does at its end."""
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            while self._jobs:
                self._jobs.pop(0)()
            record = self.consumer.poll(0.05)
            if record is not None:
                self.read.append(record)
        self.consumer.close()


@pytest.fixture
def join(world: World) -> Iterator[Callable[..., Member]]:
    """Makes members of group ``group``, which leave when the test ends."""
    members: list[Member] = []

    def make(*topics: str, group: str = "group") -> Member:
        members.append(Member(world, group, topics or (world.one, world.two)))
        return members[-1]

    yield make
    for member in members:
        member.leave()


@pytest.mark.real
@pytest.mark.parametrize("combination", ["classic, static", "consumer, static"])
def test_two_processes_of_one_name_do_not_fight(stack: Settings, combination: str) -> None:
    """Classic: the first one ends, what it had is lost. KIP-848: the second one ends, it may come again."""
    world = RealWorld(stack, combination)
    settings = world.settings
    shorten_session(settings, "group")
    first, second = KafkaConsumer(settings, "group"), KafkaConsumer(settings, "group")
    told: list[str] = []

    class Told:
        def assigned(self, partitions: Collection[TopicPartition]) -> None: ...

        def revoked(self, partitions: Collection[TopicPartition]) -> None: ...

        def lost(self, partitions: Collection[TopicPartition]) -> None:
            told.extend(["lost"] * len(partitions))

    def joined(consumer: KafkaConsumer) -> bool:
        consumer.poll(0.1)
        return bool(consumer._consumer.assignment())

    first.subscribe([world.one], Told())
    eventually(lambda: joined(first), 20)
    second.subscribe([world.one], Told())
    classic = settings.group_protocol == "classic"
    wanted, loser = (SettingsError, first) if classic else (Unavailable, second)
    with pytest.raises(wanted, match="pod"):
        eventually(lambda: second.poll(0.1) or first.poll(0.1), 20)
    loser.commit({(world.one, 0): 1}, wait=True)
    assert world.committed("group") == {}
    assert told == ["lost"] * (PARTITIONS if classic else 0)
    first.close()
    second.close()
    world.close()


def write(world: World, topic: str, partition: int, *values: bytes) -> None:
    """Write values to a partition, acknowledged one after the other."""
    for value in values:
        world.producer.send(OutRecord(topic, b"key", value, (), partition)).result(60)


def test_a_record_arrives_as_it_was_written(world: World, join: Callable[..., Member]) -> None:
    """Key, value, headers (repeated ones too) and position come through; the topic has an id and the record a time."""
    headers = (("a", b"1"), ("a", b"2"), ("empty", b""))
    world.producer.send(OutRecord(world.one, b"\xff\x00", b"value", headers, 3)).result(60)
    world.producer.send(OutRecord(world.one, b"key", None, (), 3)).result(60)
    member = join()
    eventually(lambda: len(member.read) == 2, 20)
    first, tombstone = member.read
    assert (first.key, first.value, first.headers) == (b"\xff\x00", b"value", headers)
    assert (first.position.topic, first.position.partition, first.position.offset) == (world.one, 3, 0)
    assert first.position.topic_id not in ("", None)
    assert first.position.topic_id == tombstone.position.topic_id
    assert first.timestamp_ms > 1_600_000_000_000
    assert tombstone.value is None


def test_a_partition_keeps_its_order(world: World, join: Callable[..., Member]) -> None:
    """What was written first to a partition is read first."""
    values = [b"%d" % number for number in range(50)]
    write(world, world.one, 0, *values[:25])
    member = join()
    write(world, world.one, 0, *values[25:])
    eventually(lambda: len(member.read) == 50, 20)
    assert [record.value for record in member.read] == values
    assert [record.position.offset for record in member.read] == list(range(50))


def test_a_key_goes_to_the_partition_of_its_murmur2(world: World, join: Callable[..., Member]) -> None:
    """The producer's partitioner is Java's, and so is ``partition_of``."""
    keys = [f"creator-{number}".encode() for number in range(40)]
    for future in [world.producer.send(OutRecord(world.one, key, b"", ())) for key in keys]:
        future.result(60)
    member = join()
    eventually(lambda: len(member.read) == 40, 20)
    where = {record.key: record.position.partition for record in member.read}
    assert where == {key: partition_of(key, PARTITIONS) for key in keys}


def test_a_paused_partition_waits_and_loses_nothing(world: World, join: Callable[..., Member]) -> None:
    """While one partition is paused the others go on; resumed, it goes on where it was."""
    member = join()
    write(world, world.one, 0, b"before")
    eventually(lambda: b"before" in member.values(), 20)
    member.do(lambda: member.consumer.pause([(world.one, 0)]))
    write(world, world.one, 0, b"held", b"held too")
    write(world, world.one, 1, b"free")
    eventually(lambda: b"free" in member.values(), 20)
    assert not member.values() & {b"held", b"held too"}
    member.do(lambda: member.consumer.resume([(world.one, 0)]))
    eventually(lambda: len(member.read) == 4, 20)
    assert [r.value for r in member.read if r.position.partition == 0] == [b"before", b"held", b"held too"]


def test_a_new_member_starts_at_the_committed_offset(world: World, join: Callable[..., Member]) -> None:
    """Read is not committed: whoever comes next starts where the last commit says."""
    write(world, world.one, 0, b"a", b"b", b"c")
    first = join()
    eventually(lambda: len(first.read) == 3, 20)
    first.do(lambda: first.consumer.commit({(world.one, 0): 1}, wait=True))
    assert world.committed("group") == {(world.one, 0): 1}
    first.leave()
    second = join()
    eventually(lambda: len(second.read) == 2, 20)
    assert [record.value for record in second.read] == [b"b", b"c"]


def test_a_commit_without_waiting_arrives_and_may_be_repeated(world: World, join: Callable[..., Member]) -> None:
    """The loop offers the same offsets again and again; the newest win."""
    write(world, world.one, 0, b"a", b"b", b"c")
    member = join()
    eventually(lambda: len(member.read) == 3, 20)
    for offset in (1, 2, 2, 3):
        member.do(partial(member.consumer.commit, {(world.one, 0): offset}, wait=False))
    eventually(lambda: world.committed("group") == {(world.one, 0): 3}, 20)
    member.do(lambda: member.consumer.commit({(world.one, 0): 3}, wait=True))
    assert world.committed("group") == {(world.one, 0): 3}


def test_the_next_owner_finds_the_note_beside_the_offset(world: World, join: Callable[..., Member]) -> None:
    """What a commit notes is acknowledged, replaced by the next one, and there for whoever owns the partition next."""
    write(world, world.one, 0, b"a", b"b", b"c")
    first = join()
    eventually(lambda: len(first.read) == 3, 20)
    names = [(world.one, 0), (world.one, 1)]
    assert all(first.consumer.former(names)[name][0] in (None, "") for name in names)
    assert first.consumer.acknowledged((world.one, 0)) is None
    assert first.consumer.former([]) == {}
    for note in ("one", "two"):
        first.do(partial(first.consumer.commit, {(world.one, 0): 1}, wait=False, notes={(world.one, 0): note}))
        eventually(lambda note=note: first.consumer.acknowledged((world.one, 0)) == note, 20)  # type: ignore[misc]
    first.on_revoked = lambda: first.consumer.commit({(world.one, 0): 1}, wait=True, notes={(world.one, 0): "three"})
    first.leave()
    second = join()
    eventually(lambda: len(second.read) == 2, 20)
    former = second.consumer.former(names)
    assert former[world.one, 0] == ("three", 3)
    assert former[world.one, 1][0] in (None, "")
    assert second.consumer.acknowledged((world.one, 0)) is None


def test_partitions_are_shared_by_range(world: World, join: Callable[..., Member]) -> None:
    """One member owns partition n of both topics; together they own everything, and the first let go before."""
    first = join()
    everything = {(topic, number) for topic in (world.one, world.two) for number in range(PARTITIONS)}
    eventually(lambda: first.mine == everything, 20)
    second = join()
    eventually(lambda: second.mine and first.mine | second.mine == everything and not first.mine & second.mine, 30)
    if world.incremental:
        moved = [partitions for kind, partitions in first.told if kind == "revoked"]
        assert frozenset().union(*moved) == second.mine
        assert not [kind for kind, _ in first.told if kind == "lost"]
    else:
        assert [kind for kind, _ in first.told] == ["assigned", "revoked", "assigned"]
    for member in (first, second) if world.range else ():
        assert {n for topic, n in member.mine if topic == world.one} == {
            n for topic, n in member.mine if topic == world.two
        }


def test_what_is_committed_while_revoked_is_where_the_next_owner_starts(
    world: World, join: Callable[..., Member]
) -> None:
    """``revoked`` is told before another member owns the partition, in a rebalance and in ``close``."""
    write(world, world.one, 0, b"a", b"b", b"c")
    first = join()
    eventually(lambda: len(first.read) == 3, 20)
    first.on_revoked = lambda: first.consumer.commit({(world.one, 0): 2}, wait=True)
    first.leave()
    assert first.told[-1][0] == "revoked"
    assert world.committed("group") == {(world.one, 0): 2}
    second = join()
    eventually(lambda: second.read, 20)
    assert second.read[0].value == b"c"


def test_a_partition_assigned_anew_is_not_paused(world: World, join: Callable[..., Member]) -> None:
    """A pause ends with the assignment it was for."""
    first = join()
    eventually(lambda: first.mine, 20)
    first.do(lambda: first.consumer.pause(set(first.mine)))
    everything = frozenset(first.mine)
    second = join()
    eventually(lambda: second.mine and not first.mine & second.mine and first.mine | second.mine == everything, 30)
    kept = {number for topic, number in first.mine if topic == world.one} if world.incremental else set()
    second.leave()
    eventually(lambda: first.mine == everything, 40)
    for number in range(PARTITIONS):
        write(world, world.one, number, b"%d" % number)
    eventually(lambda: first.values() == {b"%d" % n for n in range(PARTITIONS) if n not in kept}, 20)
    first.do(lambda: first.consumer.resume(set(first.mine)))
    eventually(lambda: len(first.values()) == PARTITIONS, 20)


def test_a_member_comes_and_goes_under_load_and_nothing_is_lost(world: World, join: Callable[..., Member]) -> None:
    """What each commits as it is revoked is where the next begins: every record is read, few of them twice."""
    first = join()
    eventually(lambda: first.mine, 20)
    sent: set[bytes] = set()

    def load(count: int) -> None:
        values = [b"%d" % (len(sent) + number) for number in range(count)]
        futures = [
            world.producer.send(OutRecord(topic, b"key", value, (), number % PARTITIONS))
            for number, value in enumerate(values)
            for topic in (world.one, world.two)
        ]
        for future in futures:
            future.result(60)
        sent.update(values)

    def commit_what_was_read(member: Member) -> None:
        ends = {(r.position.topic, r.position.partition): r.position.offset + 1 for r in member.read}
        member.consumer.commit(ends, wait=True)

    first.on_revoked = lambda: commit_what_was_read(first)
    load(200)
    second = join()
    second.on_revoked = lambda: commit_what_was_read(second)
    load(200)
    eventually(lambda: second.mine and not first.mine & second.mine, 30)
    load(200)
    eventually(lambda: second.read, 20)
    second.leave()
    load(200)
    eventually(lambda: len(first.mine) == 2 * PARTITIONS, 40)
    load(200)
    eventually(lambda: first.values() | second.values() == sent, 30)
    assert not [kind for kind, _ in (*first.told, *second.told) if kind == "lost"]
    assert len(first.read) + len(second.read) < 3 * len(sent)


def test_a_topic_that_is_not_there_is_unavailable(world: World) -> None:
    """A worker must not start on topics nobody made."""

    class Deaf:
        def assigned(self, partitions: Collection[TopicPartition]) -> None: ...

        def revoked(self, partitions: Collection[TopicPartition]) -> None: ...

        def lost(self, partitions: Collection[TopicPartition]) -> None: ...

    consumer = world.consumer("group")
    with pytest.raises(Unavailable, match="nothing"):
        consumer.subscribe([world.one, "nothing.here"], Deaf())
    consumer.close()


def test_of_no_partitions_nothing_is_asked(world: World, join: Callable[..., Member]) -> None:
    """A member that is given nothing new asks for the notes of nothing."""
    member = join()
    assert member.consumer.former([]) == {}


def test_partitions_and_lags_are_known(world: World, join: Callable[..., Member]) -> None:
    """How many partitions a topic has, and how far it is to the end of one."""
    write(world, world.one, 2, b"a", b"b")
    member = join()
    eventually(lambda: len(member.read) == 2, 20)
    assert member.consumer.partitions(world.one) == PARTITIONS
    lag = member.consumer.lag
    eventually(lambda: [lag((world.one, 2), settled) for settled in (0, 1, 2)] == [2, 1, 0], 20)
    eventually(lambda: lag((world.one, 0), None) == 0, 20)


def test_the_silence_of_the_group_is_short_while_it_answers(world: World, join: Callable[..., Member]) -> None:
    """Heartbeats go ten times in a session: the group is heard within half of it, again and again."""
    member = join()
    eventually(lambda: member.mine, 20)
    for _ in range(10):
        write(world, world.one, 0, b"meanwhile")
        assert eventually(lambda: 0 <= member.consumer.silence() < 3.0)
