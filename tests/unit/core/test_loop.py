"""The laws of the loop, on the in-memory Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.unit.core.harness import PARTITIONS, PAST, HandClock, World, output, removed
from workers.domain.events import PostRemoved
from workers.domain.ids import dead_letter_id
from workers.domain.partitioning import partition_of
from workers.wire.records import Dead, Done, Item, Later, OutputRefused, ProduceFailed, Unavailable, Verdict

# One creator of each partition.
CREATORS = {partition_of(name.encode(), PARTITIONS): name for name in (f"creator-{number}" for number in range(40))}


async def test_an_event_is_handled_written_and_committed() -> None:
    """The whole way of one event."""
    world = World()
    world.publish("p1")
    async with world.running():
        await world.until(lambda: world.committed() == 1)
    assert world.handler.batches == [["p1"]]
    assert world.written() == ["p1"]


async def test_six_bad_messages_and_a_good_one() -> None:
    """Law 1: all six are dead letters, none is lost, the good one is handled alone, and the offset is past them all."""
    world = World()
    world.garbage(*(b"bad %d" % number for number in range(6)))
    world.publish("good")
    async with world.running():
        await world.until(lambda: world.committed() == 7)
    assert [record.value for record in world.dead()] == [b"bad %d" % number for number in range(6)]
    assert world.handler.handled() == ["good"]
    assert world.written() == ["good"]


async def test_a_bad_message_in_every_position_harms_no_neighbour() -> None:
    """Law 1, with the batch's full size."""
    for place in range(4):
        world = World(batch_size=4)
        world.publish(*(f"p{number}" for number in range(place)))
        world.garbage(b"{")
        world.publish(*(f"p{number}" for number in range(place, 3)))
        async with world.running():
            await world.until(lambda world=world: world.committed() == 4)  # type: ignore[misc]
        assert world.handler.handled() == ["p0", "p1", "p2"]
        assert len(world.dead()) == 1


async def test_a_dead_letter_says_what_it_was_and_why() -> None:
    """Law 4: original bytes, key and headers; Connect's vocabulary; an id of the first position."""
    world = World()
    world.handler.answer = lambda item: Dead("media_gone", "picture 2: 404")
    world.publish("p1")
    async with world.running():
        await world.until(lambda: world.committed() == 1)
    (source,) = world.broker.read("posts")
    (dead,) = world.dead()
    headers = dict(dead.headers)
    assert (dead.key, dead.value) == (source.key, source.value)
    assert dead.headers[: len(source.headers)] == source.headers
    assert headers["__connect.errors.topic"] == b"posts"
    assert headers["__connect.errors.partition"] == b"%d" % source.position.partition
    assert headers["__connect.errors.offset"] == b"0"
    assert headers["__connect.errors.exception.class.name"] == b"media_gone"
    assert headers["__connect.errors.exception.message"] == b"picture 2: 404"
    assert headers["streamscout.dead.reason"] == b"media_gone"
    assert headers["streamscout.dead.attempts"] == b"1"
    identity = dead_letter_id(source.position.topic_id, source.position.partition, 0)
    assert headers["streamscout.dead.id"] == str(identity).encode()


async def test_an_output_that_is_never_taken_makes_its_event_dead_and_no_neighbour() -> None:
    """In every position of a batch: the others' outputs are written once, all is committed, the worker goes on."""
    for place in range(4):
        world = World(batch_size=4)
        world.producer.most["embeddings"] = 5
        posts = [f"p{number}" for number in range(4)]
        posts[place] = "too-long-for-the-topic"
        world.publish(*posts)
        async with world.running():
            await world.until(lambda world=world: world.committed() == 4)  # type: ignore[misc]
            world.publish("after")
            await world.until(lambda world=world: world.committed() == 5)  # type: ignore[misc]
        (dead,) = world.dead()
        headers = dict(dead.headers)
        assert headers["streamscout.dead.reason"] == b"output_refused"
        assert headers["__connect.errors.exception.message"] == b"embeddings: too large"
        assert headers["__connect.errors.offset"] == b"%d" % place
        assert world.written() == [post for post in [*posts, "after"] if len(post) <= 5]
        assert world.handler.handled() == [*posts, "after"]


async def test_an_event_is_dead_if_one_of_its_outputs_is_never_taken() -> None:
    """What it led to besides is written: it is the same when the event is replayed."""
    world = World()
    world.producer.most["embeddings"] = 5
    world.handler.answer = lambda item: Done((output(item.event.post_id), output("p" * 6), output("q" * 7)))
    world.publish("p1")
    async with world.running():
        await world.until(lambda: world.committed() == 1)
    assert world.written() == ["p1"]
    assert len(world.dead()) == 1


async def test_a_dead_letter_that_is_never_taken_ends_the_worker() -> None:
    """Law 4: nothing is lost for it; the event stays uncommitted."""
    world = World()
    world.producer.most = {"embeddings": 1, "embedder.dead": 1}
    world.publish("p1")
    with pytest.raises(OutputRefused):
        await world.loop().run()
    assert world.committed() is None


async def test_nothing_is_committed_before_outputs_are_acknowledged() -> None:
    """Law 3: while the broker has not acknowledged, the offset stays."""
    world = World()
    world.producer.holding = True
    world.publish("p1")
    async with world.running():
        await world.until(world.handler.handled)
        await world.until(lambda: world.handler.running == 0)
        await world.polled()
        assert world.committed() is None
        world.producer.let_go()
        await world.until(lambda: world.committed() == 1)


async def test_a_failed_output_ends_the_process_with_its_event_uncommitted() -> None:
    """Law 3: what was acknowledged before is committed, the failed one is not."""
    world = World(batch_size=1, batches_in_flight=1)
    world.publish("p1")
    async with world.running():
        await world.until(lambda: world.committed() == 1)
    world.producer.failing.add("embeddings")
    world.publish("p2")
    with pytest.raises(ProduceFailed):
        await world.loop().run()
    assert world.committed() == 1
    world.producer.failing.clear()
    async with world.running():
        await world.until(lambda: world.committed() == 2)
    assert world.written() == ["p1", "p2"]


async def test_a_dead_letter_that_cannot_be_written_ends_the_process_uncommitted() -> None:
    """Law 4: stop, uncommitted; it is there again after the restart."""
    world = World()
    world.producer.failing.add("embedder.dead")
    world.garbage(b"bad")
    with pytest.raises(ProduceFailed):
        await world.loop().run()
    assert world.committed() is None
    world.producer.failing.clear()
    async with world.running():
        await world.until(lambda: world.committed() == 1)
    assert len(world.dead()) == 1


async def test_only_the_contiguous_prefix_is_committed() -> None:
    """Law 3: a later batch that is done first waits for the earlier one."""
    world = World(batch_size=1, batches_in_flight=2)
    free = asyncio.Event()

    async def hold_first(batch: Sequence[Item[PostRemoved]]) -> None:
        if batch[0].event.post_id == "p1":
            await free.wait()

    world.handler.before = hold_first
    world.publish("p1", "p2")
    async with world.running(serial_key=lambda item: item.event.post_id):
        await world.until(lambda: world.written() == ["p2"])
        await world.polled()
        assert world.committed() is None
        free.set()
        await world.until(lambda: world.committed() == 2)


async def test_an_item_for_later_comes_again_and_done_work_is_not_done_again() -> None:
    """Law 5: its neighbours of the batch stay done; the item returns with its count of attempts."""
    world = World()
    tries = {"p2": 3}

    def answer(item: Item[PostRemoved]) -> Verdict:
        post = item.event.post_id
        if tries.get(post, 0) > 0:
            tries[post] -= 1
            return Later(0.0, "busy")
        return Done((output(post),))

    world.handler.answer = answer
    world.publish("p1", "p2", "p3")
    async with world.running(serial_key=lambda item: item.event.post_id):
        await world.until(lambda: world.committed() == 3)
    assert world.handler.attempts == {"p1": [0], "p2": [0, 1, 2, 3], "p3": [0]}
    assert sorted(world.written()) == ["p1", "p2", "p3"]


async def test_items_of_one_key_keep_their_order_across_a_later() -> None:
    """Without a serial key, what follows a ``Later`` of its own Kafka key waits with it, and comes after it."""
    world = World(batch_size=2)
    busy = [True]

    def answer(item: Item[PostRemoved]) -> Verdict:
        if item.event.post_id == "p1" and busy:
            busy.pop()
            return Later(0.0, "busy")
        return Done((output(item.event.post_id),))

    world.handler.answer = answer
    world.publish("p1", "p2", "p3", "p4")
    async with world.running():
        await world.until(lambda: world.committed() == 4)
    assert world.written() == ["p1", "p2", "p3", "p4"]


async def test_a_partition_that_waits_holds_no_other() -> None:
    """Law 5: while one partition waits for a server, the others go on, far beyond what the memory holds."""
    world = World(batch_size=4, queue_size=8, retry_seconds=600.0, retry_max_seconds=600.0)
    waiting, other = CREATORS[0], CREATORS[1]
    world.handler.answer = lambda item: (
        Later(600.0, "gone") if item.event.creator_id == waiting else Done((output(item.event.post_id),))
    )
    world.publish(*(f"w{number}" for number in range(60)), creator=waiting)
    async with world.running() as loop:
        await world.until(world.handler.handled)
        world.publish(*(f"o{number}" for number in range(60)), creator=other)
        await world.until(lambda: world.committed(other) == 60)
        assert loop.health().detail == {"posts/0 waits": "gone"}
    assert len([post for post in world.handler.handled() if post.startswith("w")]) <= 16
    assert world.committed(waiting) is None


async def test_memory_is_bounded_while_the_handler_is_busy() -> None:
    """What is not taken stays in Kafka, and the thread goes on polling."""
    world = World(batch_size=4, queue_size=8, batches_in_flight=2)
    free = asyncio.Event()

    async def hold(batch: Sequence[Item[PostRemoved]]) -> None:
        await free.wait()

    world.handler.before = hold
    world.publish(*(f"p{number}" for number in range(200)))
    async with world.running():
        await world.until(lambda: any(topic != PAST for topic, _ in world.consumer.pauses))
        await world.polled()
        # In flight (one key: one batch), waiting, and twice the capacity of the hand-over.
        assert sum(world.consumer.positions().values()) <= 4 + 4 + 2 * 4 + 1
        free.set()
        await world.until(lambda: world.committed() == 200)
    assert len(world.written()) == 200


async def test_a_busy_loop_pauses_nothing() -> None:
    """A pause costs what librdkafka fetched ahead, and half a second: it made the loop 50 times slower."""
    world = World(batch_size=16, queue_size=64)
    world.broker.now_ms -= 5000
    for number in range(2000):
        world.publish(f"p{number}", creator=CREATORS[number % PARTITIONS])
    async with world.running():
        await world.until(lambda: len(world.written()) == 2000)
        # Live posts that have waited for five seconds hold backfill, and nothing else.
        assert not [topic for topic, _ in world.consumer.pauses if topic != PAST]


async def test_an_unavailable_server_is_later_for_the_whole_batch() -> None:
    """Law 5: nobody is dead because a server was away."""
    world = World()
    gone = [True, True]

    async def away(batch: Sequence[Item[PostRemoved]]) -> None:
        if gone:
            gone.pop()
            raise Unavailable("weaviate")

    world.handler.before = away
    world.publish("p1", "p2")
    async with world.running():
        await world.until(lambda: world.committed() == 2)
    assert world.handler.batches == [["p1", "p2"]] * 3
    assert world.dead() == []


async def test_the_pause_doubles_up_to_its_limit() -> None:
    """Law 5: retry_seconds, twice that, and so on, to retry_max_seconds; a longer wish of the handler counts."""
    clock = HandClock()
    world = World(clock, batch_size=1, retry_seconds=1.0, retry_max_seconds=3.0, session_timeout_ms=10**9)
    wish = [0.0, 0.0, 0.0, 0.0, 7.0, 0.0]
    world.handler.answer = lambda item: Later(wish[len(world.handler.batches) - 1], "busy")
    pauses = []
    world.publish("p1")
    async with world.running() as loop:

        def paused(turn: int) -> bool:
            """Whether the verdict of this turn is settled; the clock stands still until it is."""
            return len(world.handler.batches) == turn and any("waits" in name for name in loop.health().detail)

        for turn in range(1, 6):
            await world.until(lambda turn=turn: paused(turn))  # type: ignore[misc]
            start = clock.seconds
            while len(world.handler.batches) == turn:
                clock.seconds += 0.5
                await world.polled(4)
            pauses.append(clock.seconds - start)
    assert pauses == [1, 2, 3, 3, 7]


async def test_a_wrong_number_of_verdicts_stops_the_process() -> None:
    """Law 2: one verdict per item, or the program is wrong."""
    world = World()
    world.handler.answers = lambda verdicts: verdicts[1:]
    world.publish("p1", "p2")
    with pytest.raises(RuntimeError, match="1 verdicts for 2 items"):
        await world.loop().run()
    assert world.committed() is None


async def test_a_fault_of_the_handler_ends_the_process_uncommitted() -> None:
    """Law 7: what nobody foresaw is not swallowed."""
    world = World()

    async def fail(batch: Sequence[Item[PostRemoved]]) -> None:
        raise ZeroDivisionError

    world.handler.before = fail
    world.publish("p1")
    with pytest.raises(ZeroDivisionError):
        await world.loop().run()
    assert world.committed() is None


async def test_one_item_of_a_serial_key_is_in_flight() -> None:
    """Items of one post never share a batch and never overlap, though two batches are in flight."""
    world = World(batch_size=4, batches_in_flight=2)
    running: set[str] = set()

    async def alone(batch: Sequence[Item[PostRemoved]]) -> None:
        posts = {item.event.post_id for item in batch}
        assert len(posts) == len(batch)
        assert not posts & running
        running.update(posts)
        await asyncio.sleep(0.005)
        running.difference_update(posts)

    world.handler.before = alone
    for number in range(60):
        world.publish(f"p{number % 12}", creator=CREATORS[number % PARTITIONS])
    async with world.running(serial_key=lambda item: item.event.post_id):
        await world.until(lambda: len(world.written()) == 60)
    assert world.handler.most_running == 2


async def test_an_event_under_a_wrong_key_goes_round_once() -> None:
    """It is forwarded under its own key with its origin, never applied where it lies, and handled where it belongs."""
    world = World()
    record_partition = world.broker.append(
        "posts",
        b"somebody",
        removed("p1").model_dump_json().encode(),
        (("ce_type", PostRemoved.type_name().encode()),),
    ).partition
    async with world.running():
        await world.until(lambda: world.committed(topic="embedder.rekeyed") == 1)
    (forwarded,) = world.broker.read("embedder.rekeyed")
    assert forwarded.key == b"ana"
    assert dict(forwarded.headers)["streamscout.origin.topic"] == b"posts"
    assert dict(forwarded.headers)["streamscout.origin.partition"] == b"%d" % record_partition
    assert world.handler.handled() == ["p1"]
    assert world.written() == ["p1"]


async def test_an_event_on_a_wrong_partition_goes_round_once() -> None:
    """A producer with another partitioner: right key, wrong partition."""
    world = World()
    right = partition_of(b"ana", PARTITIONS)
    world.publish("p1", partition=(right + 1) % PARTITIONS)
    async with world.running():
        await world.until(lambda: world.committed(topic="embedder.rekeyed") == 1)
    assert world.handler.handled() == ["p1"]
    assert world.broker.committed("embedder")["posts", (right + 1) % PARTITIONS] == 1


async def test_an_event_that_is_wrong_there_too_is_dead() -> None:
    """No event goes round for ever; its dead letter carries the id and place of its origin."""
    world = World()
    right = partition_of(b"ana", PARTITIONS)
    origin = ("posts", (right + 1) % PARTITIONS)
    world.publish("p1", partition=origin[1])
    source = world.broker.logs[origin][0]
    headers = (
        *source.headers,
        ("streamscout.origin.topic", b"posts"),
        ("streamscout.origin.partition", b"2"),
        ("streamscout.origin.offset", b"77"),
        ("streamscout.dead.id", b"0a3f3f6e-52b5-5e0e-9a53-6f1d0c1f2b77"),
    )
    world.broker.append("embedder.rekeyed", source.key, source.value, headers, origin[1])
    async with world.running():
        await world.until(lambda: len(world.dead()) == 1)
        await world.until(lambda: world.written() == ["p1"])
    dead = dict(world.dead()[0].headers)
    assert dead["__connect.errors.exception.class.name"] == b"key_mismatch"
    assert (dead["__connect.errors.topic"], dead["__connect.errors.offset"]) == (b"posts", b"77")
    assert dead["streamscout.dead.id"] == b"0a3f3f6e-52b5-5e0e-9a53-6f1d0c1f2b77"


async def test_the_drain_finishes_what_is_in_flight_and_commits_it() -> None:
    """Law 7: stop lets the batch end, commits and leaves the group; what waits stays in Kafka."""
    world = World(batch_size=1, batches_in_flight=1)
    free = asyncio.Event()

    async def hold(batch: Sequence[Item[PostRemoved]]) -> None:
        await free.wait()

    world.handler.before = hold
    world.publish("p1", "p2")
    loop = world.loop()
    task = asyncio.create_task(loop.run())
    await world.until(world.handler.handled)
    loop.stop()
    await world.polled(3)
    assert not loop.health().ready
    free.set()
    await task
    assert world.handler.handled() == ["p1"]
    assert world.committed() == 1
    assert world.broker.groups["embedder"].members == []


async def test_a_batch_that_outlives_the_deadline_is_dropped_uncommitted() -> None:
    """Law 7: the deadline holds even when a server does not answer."""
    world = World(shutdown_seconds=0.3)

    async def hang(batch: Sequence[Item[PostRemoved]]) -> None:
        await asyncio.Event().wait()

    world.handler.before = hang
    world.publish("p1")
    async with world.running():
        await world.until(world.handler.handled)
    assert world.committed() is None
    assert world.written() == []


async def test_a_second_worker_takes_its_share_and_nothing_is_lost() -> None:
    """A rebalance under load: every event is written, and those committed before it are not done again."""
    world = World(batch_size=4)
    posts = {f"p{number}": CREATORS[number % PARTITIONS] for number in range(200)}
    for post, creator in posts.items():
        world.publish(post, creator=creator)

    async def slowly(batch: Sequence[Item[PostRemoved]]) -> None:
        await asyncio.sleep(0.005)

    world.handler.before = slowly
    async with world.running():
        await world.until(lambda: len(world.written()) > 20)
        async with world.running():
            await world.until(lambda: len(world.written()) > 100)
        await world.until(lambda: set(world.written()) == posts.keys())
        await world.until(lambda: sum(world.broker.committed("embedder").values()) == 200)
    assert len(world.written()) == 200


async def test_revoked_partitions_finish_what_is_in_flight_before_they_go() -> None:
    """Law 7: the next owner starts behind what the first one had begun."""
    world = World(batch_size=1, batches_in_flight=1)
    free = asyncio.Event()

    async def hold(batch: Sequence[Item[PostRemoved]]) -> None:
        await free.wait()

    world.handler.before = hold
    world.publish("p1")
    async with world.running():
        await world.until(world.handler.handled)
        async with world.running():
            await world.until(lambda: len(world.broker.groups["embedder"].members) == 2)
            assert world.handler.handled() == ["p1"]
            free.set()
            await world.until(lambda: world.committed() == 1)
    assert world.handler.handled() == ["p1"]


async def test_lost_partitions_are_dropped_without_a_commit() -> None:
    """What is in flight is cancelled, since another worker may own it; after rejoining it is done again."""
    world = World(batch_size=1, batches_in_flight=1)
    free = asyncio.Event()
    cancelled = []

    async def hold(batch: Sequence[Item[PostRemoved]]) -> None:
        if batch[0].event.post_id == "p2":
            try:
                await free.wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

    world.handler.before = hold
    world.publish("p1", "p2")
    async with world.running():
        await world.until(lambda: world.handler.handled() == ["p1", "p2"])
        world.broker.expire("embedder")
        await world.until(lambda: world.handler.handled()[-1] == "p2" and len(world.handler.batches) > 2)
        assert cancelled == [True]
        assert "p2" not in world.written()
        assert world.consumer.refused == []
        free.set()
        await world.until(lambda: world.committed() == 2)
    assert world.written()[-1] == "p2"


async def test_a_frozen_worker_writes_nothing_when_it_wakes() -> None:
    """Law 6: time passes without a poll; the batch is dropped, and once the group has a new say it is done again."""
    clock = HandClock()
    world = World(clock, batch_size=1, session_timeout_ms=10_000)

    async def freeze(batch: Sequence[Item[PostRemoved]]) -> None:
        if len(world.handler.batches) == 1:
            world.consumer.silent = 5.5
            clock.seconds += 5.5

    world.handler.before = freeze
    world.publish("p1")
    async with world.running():
        await world.until(lambda: world.handler.batches and not world.handler.running)
        await world.polled()
        assert world.written() == []
        assert world.committed() is None
        assert not world.lease.valid()
        world.broker.expire("embedder")
        world.consumer.silent = 0.0
        await world.until(lambda: world.written() == ["p1"])
    assert world.handler.attempts == {"p1": [0, 0]}


async def test_nothing_is_committed_without_a_lease() -> None:
    """Law 6: the commit is a write too."""
    world = World()
    async with world.running() as loop:
        await world.until(lambda: loop.health().ready)
        world.producer.holding = True
        world.publish("p1")
        await world.until(world.handler.handled)
        world.consumer.silent = 60.0
        await world.polled(3)
        world.producer.let_go()
        await world.polled()
        assert world.written() == ["p1"]
        assert world.committed() is None
        world.consumer.silent = 0.0
        await world.until(lambda: world.committed() == 1)


async def test_the_batch_deadline_runs_from_its_first_item() -> None:
    """A worker that was idle for long does not close the next batch at once."""
    clock = HandClock()
    world = World(clock, batch_seconds=1.0, session_timeout_ms=10**9)
    async with world.running() as loop:
        await world.until(lambda: loop.health().ready)
        clock.seconds += 50
        world.publish("p1")
        await world.polled(5)
        assert world.handler.batches == []
        world.publish("p2")
        await world.polled(5)
        clock.seconds += 1.0
        await world.until(lambda: world.handler.batches == [["p1", "p2"]])


async def test_a_worker_is_ready_while_it_owns_partitions_and_live_while_it_moves() -> None:
    """Law 7: alive means that the loop moved."""
    clock = HandClock()
    world = World(clock, batch_size=1, session_timeout_ms=10**9)
    loop = world.loop()
    assert not loop.health().ready
    task = asyncio.create_task(loop.run())
    await world.until(lambda: loop.health().ready)
    assert loop.health().live
    hang = asyncio.Event()

    async def hold(batch: Sequence[Item[PostRemoved]]) -> None:
        await hang.wait()

    world.handler.before = hold
    world.publish("p1")
    await world.until(world.handler.handled)
    clock.seconds += 121
    await world.polled(3)
    assert not loop.health().live
    hang.set()
    await world.until(lambda: loop.health().live)
    loop.stop()
    await task
