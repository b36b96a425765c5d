"""``python -m tests.storm``: storms for as long as one likes, or the whole table; what ``make storm`` runs."""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from tests.storm.playing import Result, play, play_house
from tests.storm.scenarios import SCENARIOS, Scenario
from tests.storm.stage import Stage
from workers.config import REPOSITORY, load_settings
from workers.stack import versions
from workers.stack.servers import start_stack, stop_stack

REPORTS = REPOSITORY / "reports"


def main() -> int:
    """0 where every bar holds, 1 where one does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--all", action="store_true", help="every scenario once, and docs/storm.md")
    parser.add_argument("--only", default="", help="scenarios whose name holds this text")
    asked = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="streamscout-storm-servers-") as folder:
        bare = load_settings(data_dir=Path(folder))
        start_stack(bare)
        try:
            servers = load_settings(data_dir=Path(folder))
            results = _storms(servers, asked, console)
        finally:
            stop_stack(bare)
    report = report_of(results)
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "storm.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    console.print(_table(results))
    for row in report["rows"]:
        bar = "" if row["bar"] is None else f"  (bar {row['bar']}: {'holds' if row['holds'] else 'DOES NOT HOLD'})"
        console.print(f"{row['name']:26} {row['value']:>10} {row['unit']}{bar}")
    if asked.all:
        (REPOSITORY / "docs" / "storm.md").write_text(page_of(results, report, asked.seed))
    good = all(row["holds"] is not False for row in report["rows"]) and not any(one.failure for one in results)
    if not good:
        console.print(f"[bold red]The storm of seed {asked.seed} found a difference: make storm SEED={asked.seed}")
    return 0 if good else 1


def _storms(servers: Any, asked: argparse.Namespace, console: Console) -> list[Result]:
    """Round after round, each in a world of its own, until the time is up; with ``--all`` every scenario once."""
    results: list[Result] = []
    begun = time.monotonic()
    for number in range(10_000):
        seed = asked.seed + number
        queue = [one for one in SCENARIOS if asked.only in one.name]
        if not asked.all:
            # The short ones first: in ten minutes there are eight at least, with more than ten kills.
            random.Random(seed).shuffle(queue)
            queue.sort(key=lambda one: not one.short)
        # A failure ends its world: what comes after it would only repeat it.
        while queue and _time_for(queue[0], begun, asked):
            queue = _round(servers, queue, seed, begun, asked, results, console)
        if asked.all or not _time_for(None, begun, asked):
            return results
    return results


def _time_for(scenario: Scenario | None, begun: float, asked: argparse.Namespace) -> bool:
    spent, expected = time.monotonic() - begun, 0 if scenario is None else scenario.seconds
    return asked.all or spent + expected < asked.minutes * 60


def _round(
    servers: Any,
    queue: list[Scenario],
    seed: int,
    begun: float,
    asked: argparse.Namespace,
    results: list[Result],
    console: Console,
) -> list[Scenario]:
    """Play until one fails or the time is up; what is left of the queue."""
    with play_house(servers, f"storm{len(results)}x{seed}", seed) as (stage, world):
        while queue and _time_for(queue[0], begun, asked):
            scenario, queue = queue[0], queue[1:]
            console.print(f"{time.monotonic() - begun:6.0f} s  {scenario.name} (seed {seed})")
            sent, kills, started = len(stage.sent), stage.kills, time.monotonic()
            try:
                result = play(stage, world, scenario)
            except Exception as error:  # noqa: BLE001 - it is a result, and is printed
                traceback.print_exc()
                result = Result(
                    scenario.name,
                    len(stage.sent) - sent,
                    stage.kills - kills,
                    0,
                    0.0,
                    time.monotonic() - started,
                    failure=f"{type(error).__name__}: {error}"[:500],
                )
            results.append(result)
            for line in [*result.differences[:20], *([result.failure] if result.failure else [])]:
                console.print(f"         [red]{line[:400]}", markup=True, highlight=False)
            if result.differences or result.failure:
                _keep_logs(stage, scenario, seed)
                break
    return queue


def _keep_logs(stage: Stage, scenario: Scenario, seed: int) -> None:
    target = REPORTS / "storm" / f"{seed}-{scenario.name.replace(' ', '-').replace('/', '-')}"
    target.mkdir(parents=True, exist_ok=True)
    for log in stage.logs.glob("*.log"):
        shutil.copy(log, target)


def report_of(results: Iterable[Result]) -> dict[str, Any]:
    """``reports/storm.json``."""
    seen = list(results)
    rows = [
        ("differences", sum(len(one.differences) for one in seen), "", 0),
        ("unexplained_dead_letters", sum(one.unexplained() for one in seen), "", 0),
        ("failures", sum(bool(one.failure) for one in seen), "scenarios", 0),
        ("scenarios", len(seen), "", None),
        ("events", sum(one.events for one in seen), "", None),
        ("kills", sum(one.kills for one in seen), "", None),
        ("longest_recovery_s", round(max((one.recovery for one in seen), default=0.0), 1), "s", None),
    ]
    return {
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "versions": {"kafka": versions.KAFKA, "weaviate": versions.WEAVIATE, "triton": versions.TRITON},
        "rows": [
            {"name": name, "value": value, "unit": unit, "bar": bar, "holds": None if bar is None else value <= bar}
            for name, value, unit, bar in rows
        ],
    }


def _table(results: Iterable[Result]) -> Table:
    table = Table("scenario", "events", "kills", "dead letters", "differences", "recovery s", "whole s")
    for one in results:
        found = one.failure or str(len(one.differences))
        table.add_row(
            one.name,
            str(one.events),
            str(one.kills),
            str(one.dead_letters),
            found[:40],
            f"{one.recovery:.1f}",
            f"{one.seconds:.0f}",
        )
    return table


def page_of(results: Iterable[Result], report: dict[str, Any], seed: int) -> str:
    """``docs/storm.md``."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    cpus = report["machine"]["cpus"]
    lines = [
        "# The storm",
        "",
        f"The last result of `make storm ALL=1`: seed {seed}, commit {commit.stdout.strip()}, {cpus} cores.",
        "Scenarios stand in `tests/storm/scenarios.py`; and what is compared in `tests/storm/comparing.py`.",
        "Recovery: from the end of the disturbance until every group has committed all there is.",
        "",
        "| scenario | events | kills | dead letters (all expected) | differences | recovery, s |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        found = one.failure or len(one.differences)
        lines.append(f"| {one.name} | {one.events} | {one.kills} | {one.dead_letters} | {found} | {one.recovery:.1f} |")
    lines += ["", "| | |", "|---|---|", *(f"| {row['name']} | {row['value']} |" for row in report["rows"]), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
