"""Live posts go before backfill, whatever waits and however much there is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.unit.core.harness import PAST, HandClock, World, output
from tests.unit.core.test_batch import numbers, waiting
from tests.unit.core.test_retry import while_time_passes
from workers.containment.quarantine import Quarantine
from workers.core.batch import Partition, Queue
from workers.domain.events import PostRemoved
from workers.wire.records import Done, Item, Later


def post_of(item: Item[PostRemoved]) -> str:
    """The key of these tests: a post is never twice in flight."""
    return item.event.post_id


class Gate:
    """Holds batches whose first post's name begins so, until it is opened."""

    def __init__(self, world: World, held: str = "old") -> None:
        self.opened, self._held = asyncio.Event(), held
        world.handler.before = self

    async def __call__(self, batch: Sequence[Item[PostRemoved]]) -> None:
        if batch[0].event.post_id.startswith(self._held):
            await self.opened.wait()


def test_live_items_and_backfill_never_share_a_batch() -> None:
    """Triton would answer the batch when it has answered its backfill."""
    queue = Queue(10, 0.0, exclusive=True)
    queue.put([waiting(1, "a", backfill=True), waiting(2, "b"), waiting(3, "c", backfill=True), waiting(4, "d")])
    assert numbers(queue.take(0.0)) == [2, 4]
    assert numbers(queue.take(0.0)) == []
    assert numbers(queue.take(0.0, backfill=True)) == [1, 3]


def test_backfill_that_waits_holds_no_live_item_of_its_key() -> None:
    """It may wait for that very item; in flight they never are together."""
    queue = Queue(10, 0.0, exclusive=True)
    queue.put([waiting(1, "post", backfill=True), waiting(2, "post")])
    live = queue.take(0.0)
    assert numbers(live) == [2]
    assert queue.take(0.0, backfill=True) == []
    queue.landed(live)
    assert numbers(queue.take(0.0, backfill=True)) == [1]


def test_nothing_overtakes_what_must_run_alone_in_either_line() -> None:
    """Live items that are read after it wait until it has run; so does backfill behind a live one."""
    for backfill in (False, True):
        queue = Queue(10, 0.0, exclusive=True)
        deadly = Partition(("posts", 1), quarantine=Quarantine(window=100))
        queue.put([waiting(1, "a", backfill=not backfill)])
        before = queue.take(0.0, backfill=not backfill)
        queue.put([waiting(2, "b", deadly, backfill=backfill), waiting(3, "c"), waiting(4, "d", backfill=True)])
        assert queue.take(0.0) == []
        assert queue.take(0.0, backfill=True) == []
        queue.landed(before)
        assert numbers(queue.take(0.0)) == [2]


def test_the_age_of_live_items_is_of_those_that_wait_for_their_turn() -> None:
    """Not of backfill, and not of those that wait for a host of their own."""
    queue = Queue(10, 0.0, exclusive=True)
    queue.put([waiting(1, "a", backfill=True, since=1), waiting(2, "b", since=7), waiting(3, "c", since=5)])
    assert queue.oldest(0.0) == 5
    slow = waiting(4, "d", since=2)
    slow.after = 10.0
    queue.put([slow])
    assert queue.oldest(0.0) == 5
    assert queue.oldest(10.0) == 2


async def test_backfill_waits_while_live_posts_lag_and_is_done_after_them() -> None:
    """Live posts that have waited for two seconds go first, all of them; then backfill, and nothing is lost."""
    world = World(HandClock(), batch_size=2, batches_in_flight=2, session_timeout_ms=10**9)
    world.broker.now_ms -= 2000
    world.publish(*(f"old{number}" for number in range(20)), topic=PAST)
    world.publish(*(f"new{number}" for number in range(20)))
    async with world.running(post_of):
        await while_time_passes(world, lambda: len(world.handler.handled()) == 40)
        await while_time_passes(world, lambda: world.committed(topic=PAST) == 20 and world.committed() == 20)
    first_live = next(n for n, post in enumerate(world.handler.handled()) if post.startswith("new"))
    # A batch that was taken before the first live post was read may be before it, and one more beside it.
    after = world.handler.handled()[first_live:]
    assert sum(post.startswith("old") for post in after[: after.index("new19")]) <= 2


async def test_backfill_waits_for_live_posts_that_lag_though_there_is_room_for_it() -> None:
    """One live post has waited for two seconds behind another: nothing of backfill begins until it has its turn."""
    world = World(HandClock(), batch_size=1, batches_in_flight=3, session_timeout_ms=10**9)
    gate = Gate(world, "new0")
    world.broker.now_ms -= 2000
    world.publish("new0", "new1")
    async with world.running(lambda item: item.event.post_id[:3]) as loop:
        await while_time_passes(world, lambda: world.handler.running == 1)
        world.publish("old", topic=PAST)
        await while_time_passes(world, lambda: "backfill waits" in loop.health().detail)
        await world.polled(30)
        assert world.handler.handled() == ["new0"]
        gate.opened.set()
        await while_time_passes(world, lambda: world.committed() == 2 and world.committed(topic=PAST) == 1)
        assert loop.health().detail == {}


async def test_backfill_leaves_a_batch_in_flight_to_live_posts() -> None:
    """While all backfill that may be in flight is held, a live post is done at once."""
    world = World(batch_size=1, batches_in_flight=3)
    gate = Gate(world)
    world.publish(*(f"old{number}" for number in range(5)), topic=PAST)
    async with world.running(post_of):
        await world.until(lambda: world.handler.running == 2)
        world.publish("new")
        await world.until(lambda: world.committed() == 1)
        assert world.handler.handled().count("new") == 1
        assert world.handler.most_running == 3
        gate.opened.set()
        await world.until(lambda: world.committed(topic=PAST) == 5)


async def test_live_posts_have_all_their_batches_beside_backfill() -> None:
    """A second live post does not wait for backfill either, nor for the first: each line is counted by itself."""
    world = World(batch_size=1, batches_in_flight=2)
    gate = Gate(world, "")
    world.publish(*(f"old{number}" for number in range(5)), topic=PAST)
    async with world.running(post_of):
        await world.until(lambda: world.handler.running == 1)
        world.publish("new0", "new1", "new2")
        await world.until(lambda: world.handler.running == 3)
        await world.polled(30)
        assert world.handler.most_running == 3
        gate.opened.set()
        await world.until(lambda: world.committed() == 3 and world.committed(topic=PAST) == 5)


def test_a_line_that_is_full_is_not_due() -> None:
    """Else the loop would look again and again until a batch of it lands."""
    queue = Queue(10, 2.0, exclusive=True)
    queue.put([waiting(1, "a"), waiting(2, "b", backfill=True)])
    assert queue.due(1.0) == queue.due(1.0, live=False) == queue.due(1.0, backfill=False) is not None
    assert queue.due(1.0, live=False, backfill=False) is None
    queue.put([waiting(3, "c")])
    queue.take(5.0, backfill=True)
    assert queue.due(5.0, live=False) is None


async def test_a_backlog_of_backfill_that_fills_the_memory_holds_no_live_post() -> None:
    """Its line is full by itself: live posts published behind it are read, handled and committed."""
    world = World(batch_size=1, batches_in_flight=2, queue_size=8)
    gate = Gate(world)
    world.publish(*(f"old{number}" for number in range(200)), topic=PAST)
    async with world.running(post_of):
        await world.until(lambda: world.handler.running == 1)
        await world.polled(30)
        for number in range(30):
            world.publish(f"new{number}")
        await world.until(lambda: world.committed() == 30)
        assert world.committed(topic=PAST) is None
        gate.opened.set()
        await world.until(lambda: world.committed(topic=PAST) == 200)


async def test_a_live_post_does_not_wait_for_its_own_backfill_that_waits_for_live_posts() -> None:
    """Neither waits for the other for ever: the same post in both topics, and live posts that are late."""
    world = World(HandClock(), batch_size=1, batches_in_flight=1, session_timeout_ms=10**9)
    world.broker.now_ms -= 5000
    world.publish("old", "same", topic=PAST)
    world.publish("same", "other")
    async with world.running(post_of):
        await while_time_passes(world, lambda: world.committed() == 2 and world.committed(topic=PAST) == 2)


async def test_backfill_that_comes_back_from_the_retry_topic_is_backfill_still() -> None:
    """It shares no batch with live posts, wherever it has lain since."""
    world = World(batch_size=10, batches_in_flight=1, queue_size=4)
    refused: set[str] = set()

    def answer(item: Item[PostRemoved]) -> Done | Later:
        post = item.event.post_id
        if post.startswith("old") and post not in refused:
            refused.add(post)
            return Later(0.02, "its host", elsewhere=True)
        return Done((output(post),))

    world.handler.answer = answer
    world.publish(*(f"old{number}" for number in range(8)), topic=PAST)
    async with world.running(post_of):
        for number in range(8):
            world.publish(f"new{number}")
        await world.until(lambda: len(world.written()) == 16)
    assert all(len({post[:3] for post in batch}) == 1 for batch in world.handler.batches)
