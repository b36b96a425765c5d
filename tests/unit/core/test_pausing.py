"""The loop while its breaker is open: it polls, loses nothing, and goes on."""

from __future__ import annotations

from tests.unit.core.harness import HandClock, World, output
from tests.unit.core.test_retry import while_time_passes
from workers.containment.breaker import TRIAL
from workers.wire.records import Dead, Done

LIMITS = {"breaker_window": 20, "breaker_least": 20, "breaker_seconds": 60.0, "batch_size": 4, "queue_size": 8}


def bad(world: World, *, mended: bool = False) -> None:
    """Every ``bad`` post is dead, unless whatever was wrong is ``mended``."""
    world.handler.answer = lambda item: (
        Dead("media_gone", "404")
        if item.event.post_id.startswith("bad") and not mended
        else Done((output(item.event.post_id),))
    )


async def test_too_many_dead_letters_pause_the_worker_and_it_goes_on_when_told() -> None:
    """Readiness says so and why; polling continues; nothing more is read, lost or committed; told, all is done."""
    world = World(HandClock(), session_timeout_ms=10**9, **LIMITS)
    bad(world)
    world.publish(*(f"bad{number}" for number in range(100)))
    async with world.running() as loop:
        await while_time_passes(world, lambda: not loop.health().ready and world.dead())
        await world.polled(30)
        count = len(world.dead())
        assert 20 <= count <= 20 + 2 * 4
        assert loop.health().live
        assert "media_gone" in loop.health().detail["breaker"]
        await while_time_passes(world, lambda: world.committed() == count)
        assert len(world.dead()) == count
        assert sum(world.consumer.positions().values()) <= count + 4 + 2 * 4 + 1
        bad(world, mended=True)
        loop.resume()
        await while_time_passes(world, lambda: world.committed() == 100)
        assert loop.health().ready
        assert loop.health().detail == {}
    assert len(world.written()) + count == 100


async def test_a_few_are_tried_after_the_pause_and_it_goes_on_if_they_are_good() -> None:
    """By itself: the trial is bad once, then good."""
    world = World(HandClock(), session_timeout_ms=10**9, **LIMITS)
    bad(world)
    world.publish(*(f"bad{number}" for number in range(100)))
    async with world.running() as loop:
        await while_time_passes(world, lambda: not loop.health().ready and world.dead())
        await world.polled(5)
        first = len(world.dead())
        world.clock.seconds += 60.0  # type: ignore[attr-defined]
        await while_time_passes(world, lambda: len(world.dead()) >= first + TRIAL)
        await world.polled(10)
        assert len(world.dead()) == first + TRIAL
        assert not loop.health().ready
        bad(world, mended=True)
        world.clock.seconds += 60.0  # type: ignore[attr-defined]
        await while_time_passes(world, lambda: world.committed() == 100)
        assert loop.health().ready
    assert len(world.written()) == 100 - first - TRIAL


async def test_a_paused_worker_stops_in_good_order() -> None:
    """And what it had not begun is there for the next."""
    world = World(HandClock(), session_timeout_ms=10**9, **LIMITS)
    bad(world)
    world.publish(*(f"bad{number}" for number in range(60)))
    async with world.running() as loop:
        await while_time_passes(world, lambda: not loop.health().ready and world.dead())
        await world.polled(5)
    count = len(world.dead())
    assert world.committed() == count
    bad(world, mended=True)
    async with world.running():
        await while_time_passes(world, lambda: world.committed() == 60)
    assert len(world.written()) == 60 - count
