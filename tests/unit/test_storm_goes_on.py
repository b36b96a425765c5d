"""The storm's run: what raises is a result, and the rest is played all the same."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from rich.console import Console

from tests.storm import __main__ as storm
from tests.storm.limits import within
from tests.storm.playing import Result, schemas
from tests.storm.scenarios import SCENARIOS, Scenario
from workers.adapters.weaviate.schema import load_collections
from workers.config import load_settings


def test_a_world_or_a_scenario_that_raises_is_reported_and_the_rest_is_played(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first world does not come up, the third scenario raises, the fifth hangs: all are in the report, and why.

    What is to be alone has a world of its own.
    """
    worlds: list[str] = []

    @contextmanager
    def play_house(_servers: Any, namespace: str, _seed: int, _quantizer: str) -> Iterator[tuple[Any, Any]]:
        worlds.append(namespace)
        if len(worlds) == 1:
            raise ConnectionError("no world")
        yield SimpleNamespace(sent=[], kills=0, logs=tmp_path), None

    def play(stage: Any, _world: Any, scenario: Scenario) -> Result:
        assert not (stage.sent and scenario.alone)
        stage.sent.append(scenario.name)
        if scenario is SCENARIOS[2]:
            raise TimeoutError("a | bar")
        if scenario is SCENARIOS[4]:
            Event().wait()
        return Result(scenario.name, 5, 1, 0, 0.5, 1.0)

    monkeypatch.setattr(storm, "play_house", play_house)
    monkeypatch.setattr(storm, "play", play)
    monkeypatch.setattr(storm, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(storm, "PAGE", tmp_path / "storm.md")
    results: list[Result] = []
    asked = argparse.Namespace(
        seed=7, minutes=1.0, all=True, only="", failed=False, before={}, limit=0.2, quantizer="rq8"
    )
    storm.storms(lambda: None, asked, results, Console(file=StringIO()))  # type: ignore[arg-type, return-value]
    assert [one.name for one in results] == [one.name for one in SCENARIOS]
    assert [bool(one.failure) for one in results] == [number in (0, 2, 4) for number in range(len(SCENARIOS))]
    alone = [number for number, one in enumerate(SCENARIOS) if one.alone]
    assert len(worlds) == 4 + sum(2 if number < len(SCENARIOS) - 1 else 1 for number in alone)
    said = orjson.loads((tmp_path / "reports" / "storm.json").read_bytes())
    assert said["seed"] == 7
    assert "in play_house" in said["scenarios"][0]["traceback"]
    assert "Event().wait()" in said["scenarios"][4]["traceback"]
    assert "failed: TimeoutError: a / bar" in (tmp_path / "storm.md").read_text()


def test_the_page_of_a_run_cut_short_names_what_was_not_played() -> None:
    """Two scenarios were played: the page has their rows, and the names of all others."""
    results = [Result(one.name, 5, 1, 0, 0.5, 1.0) for one in SCENARIOS[:2]]
    page = storm.page_of(results, storm.report_of(results, 3))
    assert f"The run ended before {len(SCENARIOS) - 2} of {len(SCENARIOS)}: {SCENARIOS[2].name};" in page


def test_what_failed_is_played_again_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The page says of each line which seed and commit it is of."""
    monkeypatch.setattr(storm, "REPORTS", tmp_path)
    monkeypatch.setattr(storm, "PAGE", tmp_path / "storm.md")
    before = [Result(one.name, 5, 1, 0, 0.5, 1.0, seed=3, commit="abc") for one in SCENARIOS[:3]]
    before[1] = replace(before[1], failure="TimeoutError: x")
    asked = argparse.Namespace(seed=3, all=True, only="")
    storm.write(before, asked)
    assert "failed: TimeoutError: x" in (tmp_path / "storm.md").read_text()
    kept, found = storm._last_ones()
    assert [one.name for one in kept] == [SCENARIOS[0].name, SCENARIOS[2].name]
    assert found == {SCENARIOS[1].name: "seed 3, abc: TimeoutError: x"}
    storm.write([*kept, replace(before[1], failure="", seed=4, commit="def", before=found[SCENARIOS[1].name])], asked)
    said = f"{SCENARIOS[1].name} was not as it should be before: seed 3, abc: TimeoutError: x"
    assert said in (tmp_path / "storm.md").read_text()
    rows = [
        line for line in (tmp_path / "storm.md").read_text().splitlines() if line.endswith(("3, abc |", "4, def |"))
    ]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [one.name for one in SCENARIOS[:3]]


def test_a_limit_leaves_another_limit_as_it_was() -> None:
    """pytest's own runs on the same timer."""
    before = signal.getitimer(signal.ITIMER_REAL)
    with within(60.0):
        pass
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert left <= before[0]
    assert (left > 0.0, interval) == (before[0] > 0.0, before[1])


def test_a_world_without_packed_vectors_differs_in_nothing_else(tmp_path: Path) -> None:
    """``RQ=off`` tells a fault of Weaviate's packing from ours."""
    source = load_settings().schemas_dir
    packed, plain = (load_collections(schemas(source, tmp_path / name, name)) for name in ("rq8", "none"))
    assert packed == load_collections(source)
    assert (packed.vectors.quantizer, plain.vectors.quantizer) == ("rq8", "none")
    assert plain == packed.model_copy(update={"vectors": plain.vectors})
