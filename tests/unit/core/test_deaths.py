"""An event that kills the process is set aside, and no innocent with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from tests.unit.core.harness import World
from tests.unit.core.test_loop import CREATORS
from workers.containment.quarantine import CLEAN, DEATHS
from workers.domain.events import PostRemoved
from workers.wire.records import Item, ProduceFailed


class Killed(Exception):
    """The process ended here: nothing was committed or cleaned up any more."""


def deadly(world: World, *posts: str, batches: list[list[str]] | None = None) -> None:
    """Make these posts kill the process as soon as they are handled."""

    async def die(batch: Sequence[Item[PostRemoved]]) -> None:
        names = [item.event.post_id for item in batch]
        if set(names) & set(posts):
            await asyncio.sleep(0.02)
            world.consumer.killed = True
            raise Killed(names)
        await asyncio.sleep(0.001)

    world.handler.before = die


async def live(world: World, goal: Callable[[], object], most: int = 12) -> int:
    """Start the worker again and again until the goal is reached; how often it died."""
    for deaths in range(most):
        loop = world.loop(serial_key=lambda item: item.event.post_id)
        running = asyncio.create_task(loop.run())

        async def reached() -> None:
            await world.until(goal)

        waiting = asyncio.create_task(reached())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            loop.stop()
            await running
            waiting.result()
            return deaths
        waiting.cancel()
        with pytest.raises(Killed):
            await running
    raise AssertionError(f"it still dies after {most} times")


@pytest.mark.parametrize("place", [0, 3, 15])
async def test_an_event_that_kills_the_process_is_set_aside_and_no_innocent(place: int) -> None:
    """Wherever it lies in its batch: the good ones are done, it alone is dead, after three deaths alone."""
    world = World(batch_size=8)
    posts = [f"p{number}" for number in range(40)]
    world.publish(*posts[:place], "poison", *posts[place:])
    deadly(world, "poison")
    deaths = await live(world, lambda: world.committed() == 41)
    assert set(world.written()) == set(posts)
    (dead,) = world.dead()
    headers = dict(dead.headers)
    assert dead.value is not None
    assert b'"poison"' in dead.value
    assert headers["streamscout.dead.reason"] == b"kills_the_process"
    assert headers["streamscout.dead.attempts"] == b"%d" % DEATHS
    assert DEATHS <= deaths <= DEATHS + 2


async def test_a_poison_behind_many_good_ones_that_came_since_the_last_note_is_found() -> None:
    """The last regular commit knows nothing of what began after it."""
    world = World(batch_size=4)
    posts = [f"p{number}" for number in range(300)]
    world.publish(*posts[:290], "poison", *posts[290:])
    deadly(world, "poison")
    deaths = await live(world, lambda: world.committed() == 301)
    assert set(world.written()) == set(posts)
    assert len(world.dead()) == 1
    assert deaths <= DEATHS + 2


async def test_two_poisons_and_another_partition() -> None:
    """Each is set aside for itself; a partition next to them is done and accuses nobody."""
    world = World(batch_size=4)
    world.publish("a1", "poison1", "a2", "poison2", "a3", creator=CREATORS[0])
    world.publish("b1", "b2", "b3", creator=CREATORS[1])
    deadly(world, "poison1", "poison2")
    await live(world, lambda: world.committed(CREATORS[0]) == 5 and world.committed(CREATORS[1]) == 3)
    assert set(world.written()) == {"a1", "a2", "a3", "b1", "b2", "b3"}
    dead = [record.value or b"" for record in world.dead()]
    assert [b'"poison1"' in dead[0], b'"poison2"' in dead[1], len(dead)] == [True, True, 2]


async def test_suspects_run_alone() -> None:
    """After a death, what may have been in flight runs with nothing beside it; the rest goes on as ever."""
    world = World(batch_size=8, batches_in_flight=2)
    world.publish(*(f"p{number}" for number in range(8)))
    deadly(world, "p7")
    loop = world.loop(serial_key=lambda item: item.event.post_id)
    with pytest.raises(Killed):
        await loop.run()
    together: list[int] = []

    async def watch(batch: Sequence[Item[PostRemoved]]) -> None:
        together.append(world.handler.running)
        await asyncio.sleep(0.01)

    world.handler.before = watch
    world.handler.batches.clear()
    world.publish(*(f"q{number}" for number in range(40)), creator=CREATORS[1])
    async with world.running(serial_key=lambda item: item.event.post_id):
        await world.until(lambda: world.committed() == 8 and world.committed(CREATORS[1]) == 40)
    alone = [batch for batch in world.handler.batches if any(post.startswith("p") for post in batch)]
    assert alone == [[f"p{number}"] for number in range(8)]
    assert max(len(batch) for batch in world.handler.batches) > 1
    sizes = zip(world.handler.batches, together, strict=True)
    assert all(running == 1 for batch, running in sizes if batch[0].startswith("p"))


async def test_an_orderly_stop_leaves_no_suspicion() -> None:
    """Every partition that was read says clean, and the next start runs batches at once."""
    world = World(batch_size=8)
    world.publish(*(f"p{number}" for number in range(8)))
    async with world.running():
        await world.until(lambda: world.committed() == 8)
    assert set(world.broker.groups["embedder"].notes.values()) == {CLEAN}
    world.handler.batches.clear()
    world.publish(*(f"q{number}" for number in range(8)))
    async with world.running():
        await world.until(lambda: world.committed() == 16)
    assert max(len(batch) for batch in world.handler.batches) == 8


async def test_an_end_by_a_law_accuses_nobody() -> None:
    """Kafka did not take an output: that is nobody's fault, however often it happens."""
    world = World(batch_size=1)
    world.publish("p1")
    world.producer.failing.add("embeddings")
    for _ in range(DEATHS + 2):
        with pytest.raises(ProduceFailed):
            await world.loop().run()
    world.producer.failing.clear()
    async with world.running():
        await world.until(lambda: world.committed() == 1)
    assert world.dead() == []
    assert world.written() == ["p1"]


async def test_a_fault_of_the_code_on_one_event_is_set_aside_too() -> None:
    """Else it would end every process that reads it, for ever."""
    world = World()

    async def fail(batch: Sequence[Item[PostRemoved]]) -> None:
        if any(item.event.post_id == "poison" for item in batch):
            raise ZeroDivisionError

    world.handler.before = fail
    world.publish("p1", "poison", "p2")
    for _ in range(DEATHS + 1):
        with pytest.raises(ZeroDivisionError):
            await world.loop(serial_key=lambda item: item.event.post_id).run()
    async with world.running(serial_key=lambda item: item.event.post_id):
        await world.until(lambda: world.committed() == 3)
    assert set(world.written()) == {"p1", "p2"}
    assert len(world.dead()) == 1


async def test_a_rebalance_in_the_middle_of_suspects_loses_nothing() -> None:
    """Whoever owns the partition next goes on one by one, and counts on."""
    world = World(batch_size=8)
    posts = [f"p{number}" for number in range(20)]
    world.publish(*posts[:4], "poison", *posts[4:])
    deadly(world, "poison")
    with pytest.raises(Killed):
        await world.loop().run()

    async def slowly(batch: Sequence[Item[PostRemoved]]) -> None:
        await asyncio.sleep(0.01)

    world.handler.before = slowly
    async with world.running():
        await world.until(lambda: len(world.handler.batches) > 2)
        async with world.running():
            await world.until(lambda: world.committed() == 21)
    assert world.dead() == []
    assert set(world.written()) == {*posts, "poison"}


async def test_a_process_that_dies_of_something_else_counts_nobody_who_was_done() -> None:
    """Killed again and again while others ran: what ran alone and ended is no suspect any more."""
    world = World(batch_size=4)
    posts = [f"p{number}" for number in range(30)]
    world.publish(*posts)
    handled = 0

    async def die(batch: Sequence[Item[PostRemoved]]) -> None:
        nonlocal handled
        handled += 1
        await asyncio.sleep(0.001)
        if handled % 7 == 0:
            world.consumer.killed = True
            raise Killed

    world.handler.before = die
    await live(world, lambda: world.committed() == 30, most=40)
    assert set(world.written()) == set(posts)
    assert world.dead() == []
