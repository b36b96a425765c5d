"""Whether a request would be answered now."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.match.world import FixedClock, World
from workers.match.readiness import Readiness, server_checks, view_check


async def test_ready_is_when_index_encoder_and_views_are() -> None:
    """Each by name, with what is wrong."""
    world, clock, read = World(), FixedClock(), [False]
    checks = {"views": view_check(lambda: read[0]), **server_checks(world.index, world.encoder)}
    readiness = Readiness(checks, lambda: True, clock)
    waiting = await readiness.health()
    assert (waiting.live, waiting.ready) == (True, False)
    assert waiting.detail == {"views": "still being read", "index": "ok", "encoder": "ok"}
    read[0] = True
    assert (await readiness.health()).ready
    world.encoder.gone = True
    world.index.served = "other_v9"
    assert (await readiness.health()).ready, "what was fine is not asked again at once"
    clock.time += timedelta(seconds=5)
    gone = await readiness.health()
    assert not gone.ready
    assert gone.detail["encoder"] == "busy or gone", "where it stands is not for everybody"
    assert "other_v9" in gone.detail["index"]


async def test_a_process_whose_views_have_ended_is_not_alive() -> None:
    """Its supervisor starts it again."""
    assert not (await Readiness({}, lambda: False, FixedClock()).health()).live
