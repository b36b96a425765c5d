"""Twelve storms on real servers: whatever dies, the end is what the oracle says, and nothing else is stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.storm.events import World
from tests.storm.playing import play, play_house
from tests.storm.scenarios import SCENARIOS, Scenario
from tests.storm.stage import Stage
from workers.config import Settings, load_settings
from workers.stack.servers import start_stack, stop_stack

SEED = 1
TWELVE = [scenario for scenario in SCENARIOS if scenario.short]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Servers of these tests alone: they are killed."""
    bare = load_settings(data_dir=tmp_path_factory.mktemp("storm-servers"))
    start_stack(bare)
    yield load_settings(data_dir=bare.data_dir)
    stop_stack(bare)


class House:
    """One world for as many scenarios as go well; the next after a failure begins in a fresh one."""

    def __init__(self, servers: Settings, held: ExitStack) -> None:
        self._servers, self._held = servers, held
        self._open: tuple[Stage, World] | None = None
        self._number = 0

    def world(self) -> tuple[Stage, World]:
        if self._open is None:
            self._number += 1
            self._open = self._held.enter_context(play_house(self._servers, f"storm{self._number}", SEED))
        return self._open

    def leave(self) -> None:
        self._open = None
        self._held.close()


@pytest.fixture(scope="module")
def house(servers: Settings) -> Iterator[House]:
    """Workers are started once: what one storm left is what the next one edits."""
    with ExitStack() as held:
        yield House(servers, held)


def test_twelve_scenarios_are_named() -> None:
    """As many as the guarantees name."""
    assert len(TWELVE) == 12


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", TWELVE, ids=lambda scenario: scenario.name)
def test_the_end_is_what_the_events_say(scenario: Scenario, house: House, tmp_path: Path) -> None:
    """Index, creators, signals and dead letters are the oracle's, to the last id."""
    stage, world = house.world()
    result = None
    try:
        result = play(stage, world, scenario)
        assert result.differences == []
        assert result.events > 0
    finally:
        if result is None or result.differences:
            house.leave()
