"""What is stored and searchable, and made final later: the loop's part of settling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from tests.unit.core.harness import HandClock, World
from tests.unit.core.test_loop import CREATORS
from tests.unit.core.test_retry import while_time_passes
from workers import metrics
from workers.containment.quarantine import CLEAN, DEATHS, stored_by
from workers.domain.events import PostRemoved
from workers.domain.partitioning import partition_of
from workers.wire.records import Dead, Done, Item, Later, Open, Verdict

SETTLE = 30.0


def opening(world: World, *final: str) -> list[str]:
    """Everything is open at first, but for those that are ``final``; the list of what was made final grows."""
    closed: list[str] = []

    def answer(item: Item[PostRemoved]) -> Verdict:
        if item.event.post_id in final:
            return Done()
        if item.open:
            closed.append(item.event.post_id)
            return Done()
        return Open(SETTLE)

    world.handler.answer = answer
    return closed


def slow_world(**settings: object) -> World:
    """Time moves by hand; sessions last."""
    return World(HandClock(), **{"session_timeout_ms": 10**9, "batch_seconds": 0.001, **settings})


def note_of(world: World, creator: str = "ana") -> str | None:
    """What stands beside the committed offset of a creator's partition."""
    return world.broker.groups["embedder"].notes.get(("posts", partition_of(creator.encode(), 4)))


async def test_what_is_open_comes_again_after_its_time_and_is_committed_then() -> None:
    """Not before; it holds nothing behind it, and the note says how far the store is."""
    world = slow_world()
    closed = opening(world, "b")
    world.publish("a", "b")
    async with world.running():
        await while_time_passes(world, lambda: stored_by(note_of(world)) == 2, step=0.01)
        assert (world.committed(), closed) == (None, [])
        world.clock.seconds += SETTLE  # type: ignore[attr-defined]
        await while_time_passes(world, lambda: world.committed() == 2)
    assert closed == ["a"]
    assert world.handler.handled() == ["a", "b", "a"]


async def test_a_newer_event_of_the_key_settles_the_older_one() -> None:
    """Which does not come again; the commit follows up to the newer one, whose time counts anew."""
    world = slow_world(batch_size=1)
    closed = opening(world)
    world.publish("a", "b")
    async with world.running():
        await while_time_passes(world, lambda: world.committed() == 1, step=0.01)
        assert closed == []
        world.clock.seconds += SETTLE  # type: ignore[attr-defined]
        await while_time_passes(world, lambda: world.committed() == 2)
    assert closed == ["b"]


async def test_lag_and_freshness_tell_of_what_is_searchable() -> None:
    """An open event counts as done, once, and is behind no more."""
    world = slow_world()
    opening(world)
    name = ("embedder", "posts", str(partition_of(b"ana", 4)))
    done = metrics.EVENTS.labels("embedder", "done")
    fresh = metrics.FRESHNESS_SECONDS.labels("embedder")
    before = done._value.get(), fresh._sum.get()
    world.publish("a", "b", "c")
    async with world.running():
        await while_time_passes(world, lambda: len(world.handler.handled()) == 3, step=0.01)
        await while_time_passes(world, lambda: metrics.LAG.labels(*name)._value.get() == 0)
        assert world.committed() is None or world.committed() < 3  # type: ignore[operator]
        world.clock.seconds += SETTLE  # type: ignore[attr-defined]
        await while_time_passes(world, lambda: world.committed() == 3)
    assert (done._value.get() - before[0], fresh._sum.get() - before[1]) == (3, 0)


async def test_an_orderly_stop_makes_final_what_is_open() -> None:
    """At once, and commits it; the next one finds nothing to do and suspects nobody."""
    world = slow_world(batch_size=2)
    closed = opening(world)
    for number, creator in CREATORS.items():
        world.publish(f"p{number}", creator=creator)
    async with world.running():
        await while_time_passes(world, lambda: len(world.handler.handled()) == 4, step=0.01)
    assert sorted(closed) == ["p0", "p1", "p2", "p3"]
    assert all(world.committed(creator) == 1 for creator in CREATORS.values())
    assert set(world.broker.groups["embedder"].notes.values()) == {CLEAN}


async def test_what_cannot_be_made_final_within_the_deadline_is_done_again() -> None:
    """Nothing is lost: it stays uncommitted."""
    world = World(shutdown_seconds=0.2)
    opening(world)

    async def hang(batch: Sequence[Item[PostRemoved]]) -> None:
        if any(item.open for item in batch):
            await asyncio.sleep(60)

    world.handler.before = hang
    world.publish("a")
    async with world.running():
        await world.until(lambda: stored_by(note_of(world)) == 1)
    assert world.committed() is None
    world.handler.before = None
    world.handler.batches.clear()
    async with world.running():
        await world.until(world.handler.handled)
    assert world.committed() == 1
    assert world.handler.handled() == ["a", "a"]


async def test_a_revocation_makes_final_what_is_open_and_tells_whose_partitions_are_gone() -> None:
    """The next owner begins behind it; the handler forgets what it knew of the partition."""
    world = slow_world()
    closed = opening(world)
    world.publish(*(f"p{number}" for number in range(4)), creator=CREATORS[3])
    released: list[tuple[str, int]] = []
    first = world.loop()
    first._released = released.extend
    running = asyncio.create_task(first.run())
    await while_time_passes(world, lambda: stored_by(note_of(world, CREATORS[3])) == 4, step=0.01)
    async with world.running():
        await while_time_passes(world, lambda: world.committed(CREATORS[3]) == 4, step=0.01)
        assert closed == ["p3"]
        assert ("posts", 3) in released
    first.stop()
    await running


async def test_what_is_lost_with_its_partition_is_dropped() -> None:
    """Another may have it already: nothing is written for it any more, and nothing committed."""
    world = slow_world()
    closed = opening(world)
    world.publish("a")
    async with world.running():
        await while_time_passes(world, lambda: stored_by(note_of(world)) == 1, step=0.01)
        world.broker.expire("embedder")
        await while_time_passes(world, lambda: world.handler.handled() == ["a", "a"], step=0.01)
        assert (closed, world.committed()) == ([], None)
    assert closed == ["a"]


async def test_a_server_that_is_away_when_the_time_comes_only_delays_it() -> None:
    """The item waits with its partition and is made final later; newer ones of its key are not overtaken."""
    world = slow_world()
    closed = opening(world)
    patience = iter([Later(0.0, "away"), Later(0.0, "away")])
    answer = world.handler.answer
    world.handler.answer = lambda item: next(patience, None) or answer(item) if item.open else answer(item)
    world.publish("a")
    async with world.running():
        await while_time_passes(world, lambda: stored_by(note_of(world)) == 1, step=0.01)
        world.clock.seconds += SETTLE  # type: ignore[attr-defined]
        await while_time_passes(world, lambda: world.committed() == 1)
    assert closed == ["a"]


async def test_too_many_open_ones_are_made_final_early() -> None:
    """Memory is bounded; the oldest go first."""
    world = slow_world(open_items=2, batch_size=1)
    closed = opening(world)
    for number, creator in CREATORS.items():
        world.publish(f"p{number}", creator=creator)
    async with world.running():
        await while_time_passes(world, lambda: len(closed) == 2, step=0.001)
        handled = world.handler.handled()
        assert closed == handled[:2]


async def test_an_event_that_is_dead_when_its_time_comes_is_a_dead_letter() -> None:
    """It is counted and kept as any other."""
    world = slow_world()
    world.handler.answer = lambda item: Dead("too_many_attempts", "refused") if item.open else Open(SETTLE)
    world.publish("a")
    async with world.running():
        await while_time_passes(world, lambda: stored_by(note_of(world)) == 1, step=0.01)
        world.clock.seconds += SETTLE  # type: ignore[attr-defined]
        await while_time_passes(world, lambda: world.committed() == 1)
    assert len(world.dead()) == 1


class Killed(Exception):
    """The process ended here."""


async def died(world: World, goal: Callable[[], object]) -> bool:
    """Whether a process died before the goal was reached; else it is stopped in good order."""
    loop = world.loop()
    running = asyncio.create_task(loop.run())
    waiting = asyncio.create_task(while_time_passes(world, goal, step=1.0))
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        waiting.cancel()
        with pytest.raises(Killed):
            await running
        return True
    loop.stop()
    await running
    waiting.result()
    return False


async def test_an_event_that_kills_when_it_is_made_final_is_set_aside_and_no_innocent() -> None:
    """It was handled well, long before it kills: after three deaths alone it is dead, and the others are done."""
    world = slow_world()
    closed = opening(world)

    async def die(batch: Sequence[Item[PostRemoved]]) -> None:
        if any(item.open and item.event.post_id == "poison" for item in batch):
            await asyncio.sleep(0.02)
            world.consumer.killed = True
            raise Killed

    world.handler.before = die
    for number, creator in CREATORS.items():
        world.publish("poison" if number == 2 else f"p{number}", creator=creator)
    deaths = 0
    while await died(world, lambda: all(world.committed(creator) == 1 for creator in CREATORS.values())):
        deaths += 1
        # Deaths beside others, or before the note of it was written, suspect nobody: on a busy machine there are more.
        assert deaths <= 10 * DEATHS
    assert set(closed) == {"p0", "p1", "p3"}
    (dead,) = world.dead()
    assert dict(dead.headers)["streamscout.dead.reason"] == b"kills_the_process"


async def test_after_a_kill_what_was_stored_comes_again_in_batches() -> None:
    """It is repeated, that is all: nobody is suspected who was not in flight."""
    world = slow_world(batch_size=8)
    opening(world)
    world.publish(*(f"p{number}" for number in range(8)))
    loop = world.loop(serial_key=lambda item: item.event.post_id)
    running = asyncio.create_task(loop.run())
    await while_time_passes(world, lambda: stored_by(note_of(world)) == 8, step=0.01)
    world.consumer.killed = True
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.committed() is None
    world.handler.batches.clear()
    async with world.running(serial_key=lambda item: item.event.post_id):
        await while_time_passes(world, lambda: len(world.handler.handled()) >= 8, step=0.01)
    assert len(world.handler.batches[0]) > 1
    assert world.committed() == 8
