"""The storm's run: what raises is a result, and the rest is played all the same."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from rich.console import Console

from tests.storm import __main__ as storm
from tests.storm.playing import Result
from tests.storm.scenarios import SCENARIOS, Scenario


def test_a_world_or_a_scenario_that_raises_is_reported_and_the_rest_is_played(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first world does not come up, the third scenario raises: all are in the report, with their tracebacks."""
    worlds: list[str] = []

    @contextmanager
    def play_house(_servers: Any, namespace: str, _seed: int) -> Iterator[tuple[Any, Any]]:
        worlds.append(namespace)
        if len(worlds) == 1:
            raise ConnectionError("no world")
        yield SimpleNamespace(sent=[], kills=0, logs=tmp_path), None

    def play(_stage: Any, _world: Any, scenario: Scenario) -> Result:
        if scenario is SCENARIOS[2]:
            raise TimeoutError("a | bar")
        return Result(scenario.name, 5, 1, 0, 0.5, 1.0)

    monkeypatch.setattr(storm, "play_house", play_house)
    monkeypatch.setattr(storm, "play", play)
    monkeypatch.setattr(storm, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(storm, "PAGE", tmp_path / "storm.md")
    results: list[Result] = []
    asked = argparse.Namespace(seed=7, minutes=1.0, all=True, only="")
    storm.storms(lambda: None, asked, results, Console(file=StringIO()))  # type: ignore[arg-type, return-value]
    assert [one.name for one in results] == [one.name for one in SCENARIOS]
    assert [bool(one.failure) for one in results] == [number in (0, 2) for number in range(len(SCENARIOS))]
    assert len(worlds) == 3
    said = orjson.loads((tmp_path / "reports" / "storm.json").read_bytes())
    assert said["seed"] == 7
    assert "in play_house" in said["scenarios"][0]["traceback"]
    assert "failed: TimeoutError: a / bar" in (tmp_path / "storm.md").read_text()


def test_the_page_of_a_run_cut_short_names_what_was_not_played() -> None:
    """Two scenarios were played: the page has their rows, and the names of all others."""
    results = [Result(one.name, 5, 1, 0, 0.5, 1.0) for one in SCENARIOS[:2]]
    page = storm.page_of(results, storm.report_of(results, 3))
    assert "seed 3" in page
    assert f"The run ended before {len(SCENARIOS) - 2} of {len(SCENARIOS)}: {SCENARIOS[2].name};" in page
