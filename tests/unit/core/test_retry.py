"""Items that wait for a resource of their own: in memory, or on the retry topic until they are due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from tests.unit.core.harness import PARTITIONS, WHEN, HandClock, World, output
from tests.unit.core.test_loop import CREATORS
from workers.domain.events import PostRemoved
from workers.domain.ids import dead_letter_id
from workers.domain.partitioning import partition_of
from workers.wire.records import Dead, Done, Item, Later, Verdict

RETRY = "embedder.retry"
NOW_MS = round(WHEN.timestamp() * 1000)


class Clock(HandClock):
    """A hand clock whose wall clock moves along."""

    def now(self) -> datetime:
        return WHEN + timedelta(seconds=self.seconds - 1000.0)


def by_post(item: Item[PostRemoved]) -> str:
    """The serial key of these tests."""
    return item.event.post_id


async def while_time_passes(world: World, true: Callable[[], object], step: float = 0.05) -> None:
    """Wait until something holds; each look takes ``step`` seconds of the hand clock."""

    def look() -> object:
        assert isinstance(world.clock, HandClock)
        world.clock.seconds += step
        return true()

    await world.until(look)


async def test_a_short_wait_holds_no_neighbour_of_its_partition() -> None:
    """A slow host's post waits in memory alone; what follows it in its partition is done meanwhile."""
    clock = Clock()
    world = World(clock, session_timeout_ms=10**9, batch_seconds=0.001)
    world.handler.answer = lambda item: (
        Later(3.0, "slow host", elsewhere=True)
        if item.event.post_id == "slow" and item.attempts == 0
        else Done((output(item.event.post_id),))
    )
    world.publish("slow", "p1", "p2")
    async with world.running(serial_key=by_post) as loop:
        await while_time_passes(world, world.handler.handled)
        world.publish("p3")
        await while_time_passes(world, lambda: world.written() == ["p1", "p2", "p3"])
        assert loop.health().detail == {}
        assert world.committed() is None
        assert world.broker.read(RETRY) == []
        clock.seconds += 3.0
        await while_time_passes(world, lambda: world.committed() == 4)
    assert world.written()[-1] == "slow"
    assert world.handler.attempts["slow"] == [0, 1]


async def test_a_long_wait_goes_through_the_retry_topic() -> None:
    """The original is committed at once; the copy keeps bytes, key and headers, and says when and how often."""
    world = World(Clock(), session_timeout_ms=10**9)
    world.handler.answer = lambda item: Later(60.0, "slow host", elsewhere=True)
    world.publish("slow")
    async with world.running():
        await while_time_passes(world, lambda: world.committed() == 1)
        assert world.committed(topic=RETRY) is None
    (source,), (copy,) = world.broker.read("posts"), world.broker.read(RETRY)
    assert (copy.key, copy.value) == (source.key, source.value)
    assert copy.position.partition == source.position.partition
    assert copy.headers[: len(source.headers)] == source.headers
    headers = dict(copy.headers)
    identity = dead_letter_id(source.position.topic_id, source.position.partition, 0)
    assert headers["streamscout.dead.id"] == str(identity).encode()
    assert headers["streamscout.origin.topic"] == b"posts"
    assert headers["streamscout.origin.offset"] == b"0"
    assert NOW_MS + 60_000 <= int(headers["streamscout.retry.due"]) <= NOW_MS + 70_000
    assert headers["streamscout.retry.attempts"] == b"1"
    assert headers["ce_sourcetime"] == b"%d" % source.timestamp_ms


async def test_what_is_not_due_waits_and_holds_no_other_partition() -> None:
    """Neither the other partitions of the retry topic, nor its own partition of the sources."""
    clock = Clock()
    world = World(clock, session_timeout_ms=10**9, batch_size=4, queue_size=8, batch_seconds=0.001)
    world.handler.answer = lambda item: (
        Later(60.0, "slow host", elsewhere=True)
        if item.event.post_id.startswith("slow") and not item.refusals
        else Done((output(item.event.post_id),))
    )
    slow, other = CREATORS[0], CREATORS[1]
    world.publish(*(f"slow{number}" for number in range(60)), creator=slow)
    world.publish(*(f"p{number}" for number in range(60)), creator=slow)
    world.publish(*(f"o{number}" for number in range(60)), creator=other)

    async with world.running(serial_key=by_post) as loop:
        await while_time_passes(world, lambda: world.committed(slow) == 120)
        await while_time_passes(world, lambda: world.committed(other) == 60)
        assert len(world.written()) == 120
        assert len(world.broker.read(RETRY)) == 60
        assert world.committed(slow, RETRY) is None
        assert sum(count for (topic, _), count in world.consumer.positions().items() if topic == RETRY) < 60
        assert loop.health().detail == {}
        clock.seconds += 61.0
        await while_time_passes(world, lambda: world.committed(slow, RETRY) == 60)
    assert sorted(world.written()[120:]) == sorted(f"slow{number}" for number in range(60))


async def test_attempts_are_counted_across_hops_and_a_dead_letter_keeps_its_first_place() -> None:
    """What was refused three times, each time through the topic, is dead with the id of where it first lay."""
    world = World(Clock(), retry_topic_seconds=0.001, session_timeout_ms=10**9)
    seen = []

    def answer(item: Item[PostRemoved]) -> Verdict:
        seen.append((item.record.position.topic, item.refusals))
        return Dead("too_many_attempts", "503") if item.refusals == 2 else Later(0.05, "503", elsewhere=True)

    world.handler.answer = answer
    world.publish("slow")
    async with world.running():
        await while_time_passes(world, lambda: len(world.dead()) == 1, 0.1)
    assert seen == [("posts", 0), (RETRY, 1), (RETRY, 2)]
    headers = dict(world.dead()[0].headers)
    assert headers["__connect.errors.topic"] == b"posts"
    assert headers["streamscout.dead.attempts"] == b"3"
    assert not {name for name in headers if name.startswith("streamscout.retry.")}


async def test_what_was_not_asked_is_no_attempt() -> None:
    """A host that rests is not asked: the item waits, and its refusals stay what they were."""
    world = World()
    world.handler.answer = lambda item: (
        Later(0.0, "resting", elsewhere=True, counted=False)
        if item.attempts < 3
        else Done((output(str(item.refusals)),))
    )
    world.publish("p1")
    async with world.running():
        await world.until(lambda: world.written() == ["0"])


async def test_a_server_that_is_gone_pauses_its_partition_however_long() -> None:
    """Only what waits for a resource of its own goes elsewhere."""
    world = World(retry_seconds=600.0, retry_max_seconds=600.0)
    world.handler.answer = lambda item: Later(600.0, "weaviate")
    world.publish("p1")
    async with world.running() as loop:
        await world.until(lambda: loop.health().detail)
        assert loop.health().detail == {f"posts/{partition_of(b'ana', PARTITIONS)} waits": "weaviate"}
        assert world.broker.read(RETRY) == []
    assert world.committed() is None


async def test_memory_is_for_few_that_wait() -> None:
    """Half of it at most: whatever comes beyond waits on the topic, and the partition goes on."""
    world = World(
        batch_size=4, batches_in_flight=2, queue_size=16, retry_seconds=4.0, clock=Clock(), session_timeout_ms=10**9
    )
    world.handler.answer = lambda item: (
        Later(4.0, "slow", elsewhere=True) if item.event.post_id != "last" else Done((output("last"),))
    )
    world.publish(*(f"slow{number}" for number in range(100)), "last")
    async with world.running(serial_key=by_post):
        await while_time_passes(world, lambda: world.written() == ["last"], 0.02)
        assert len(world.broker.read(RETRY)) >= 100 - (4 + 2 * 4)
    assert world.committed() is None


async def test_headers_of_a_wait_are_believed_on_the_retry_topic_alone() -> None:
    """A stranger's event that claims to have been refused often, and to be due in a year, is taken like any."""
    world = World()
    world.publish("p1")
    (honest,) = world.broker.read("posts")
    lies = (("streamscout.retry.attempts", b"99"), ("streamscout.retry.due", b"%d" % (NOW_MS + 10**10)))
    world.broker.append("posts", honest.key, honest.value, (*honest.headers, *lies))
    async with world.running():
        await world.until(lambda: world.committed() == 2)
    assert world.handler.attempts == {"p1": [0, 0]}


async def test_a_clock_that_jumped_back_holds_nothing_for_ever() -> None:
    """A due time a year ahead, or one that is no number: an hour at most, or none at all."""
    clock = Clock()
    world = World(clock, session_timeout_ms=10**9)
    world.publish("p1")
    (record,) = world.broker.read("posts")
    for due in (b"%d" % (NOW_MS + 365 * 86_400_000), b"soon", b"-5"):
        headers = (*record.headers, ("streamscout.retry.due", due), ("streamscout.retry.attempts", b"many"))
        world.broker.append(RETRY, record.key, record.value, headers)
    async with world.running():
        await while_time_passes(world, lambda: world.committed() == 1)
        assert world.committed(topic=RETRY) is None
        clock.seconds += 3600.0
        await while_time_passes(world, lambda: world.committed(topic=RETRY) == 3)
    assert set(world.handler.attempts["p1"]) == {0}
