"""``python -m tests.storm``: storms for as long as one likes, or the whole table; what ``make storm`` runs."""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from tests.storm.limits import within
from tests.storm.playing import Result, play, play_house
from tests.storm.scenarios import SCENARIOS, Scenario
from tests.storm.stage import Stage
from workers.config import REPOSITORY, Settings, load_settings
from workers.stack import versions
from workers.stack.servers import start_stack, stop_stack

REPORTS = REPOSITORY / "reports"
PAGE = REPOSITORY / "docs" / "storm.md"


def main() -> int:
    """0 where every bar holds, 1 where one does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--all", action="store_true", help="every scenario once, and docs/storm.md")
    parser.add_argument("--failed", action="store_true", help="of the last --all only what failed, and the page again")
    parser.add_argument("--only", default="", help="scenarios whose name matches this pattern")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that one scenario may take")
    parser.add_argument("--quantizer", choices=("rq8", "none"), default="rq8", help="Weaviate's vectors, packed or not")
    asked = parser.parse_args()
    console = Console()
    results, asked.before = _last_ones() if asked.failed else ([], {})
    asked.all |= asked.failed
    with tempfile.TemporaryDirectory(prefix="streamscout-storm-servers-") as folder:
        bare = load_settings(data_dir=Path(folder))
        start_stack(bare)
        try:
            storms(lambda: _running_again(bare, Path(folder)), asked, results, console)
        finally:
            stop_stack(bare)
    report = report_of(results, asked.seed)
    console.print(_table(results))
    for row in report["rows"]:
        bar = "" if row["bar"] is None else f"  (bar {row['bar']}: {'holds' if row['holds'] else 'DOES NOT HOLD'})"
        console.print(f"{row['name']:26} {row['value']:>10} {row['unit']}{bar}")
    good = all(row["holds"] is not False for row in report["rows"]) and not any(one.failure for one in results)
    for seed in sorted({one.seed or asked.seed for one in results if one.differences or one.failure}):
        console.print(f"[bold red]The storm of seed {seed} found a difference: make storm SEED={seed}")
    return 0 if good else 1


def _last_ones() -> tuple[list[Result], dict[str, str]]:
    """What the last run found no fault with; and what it found, by scenario."""
    said = orjson.loads((REPORTS / "storm.json").read_bytes())
    last = [Result(**row) for row in said["scenarios"]]
    bad = {one.name: one for one in last if one.failure or one.differences}
    found = {name: f"seed {one.seed}, {one.commit}: {_finding(one)}" for name, one in bad.items()}
    return [one for one in last if one.name not in bad], found


def _finding(one: Result) -> str:
    return one.failure or f"{len(one.differences)} differences, the first {one.differences[0]}"


def _running_again(bare: Settings, folder: Path) -> Settings:
    """What a scenario that failed left dead runs again, before the next world is made."""
    start_stack(bare)
    return load_settings(data_dir=folder)


def storms(servers: Callable[[], Settings], asked: argparse.Namespace, results: list[Result], console: Console) -> None:
    """Round after round, each in a world of its own, until the time is up; with ``--all`` every scenario once."""
    begun = time.monotonic()
    for number in range(10_000):
        seed = asked.seed + number
        known = {one.name for one in results} if asked.failed else set()
        queue = [one for one in SCENARIOS if re.search(asked.only, one.name) and one.name not in known]
        if not asked.all:
            # The short ones first: in ten minutes there are eight at least, with more than ten kills.
            random.Random(seed).shuffle(queue)
            queue.sort(key=lambda one: not one.short)
        # A failure ends its world: what comes after it would only repeat it.
        while queue and _time_for(queue[0], begun, asked):
            left = len(queue)
            try:
                _round(servers(), queue, seed, begun, asked, results, console)
            except Exception as error:  # noqa: BLE001 - it is a result, and is printed
                # A world that does not come up takes its first scenario with it: the run goes on either way.
                name = queue.pop(0).name if len(queue) == left else f"{results[-1].name}: leaving its world"
                results.append(_failed(name, error))
                write(results, asked)
        if asked.all or not _time_for(None, begun, asked):
            return


def _failed(name: str, error: Exception, events: int = 0, kills: int = 0, seconds: float = 0.0) -> Result:
    traceback.print_exception(error)
    return Result(
        name,
        events,
        kills,
        0,
        0.0,
        seconds,
        failure=f"{type(error).__name__}: {error}"[:500],
        traceback="".join(traceback.format_exception(error)),
    )


def write(results: Sequence[Result], asked: argparse.Namespace) -> None:
    """``reports/storm.json``, and of the whole table docs/storm.md: after each scenario, so that no end loses them."""
    report = report_of(results, asked.seed)
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "storm.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    if asked.all and not asked.only:
        PAGE.write_text(page_of(results, report))


def _time_for(scenario: Scenario | None, begun: float, asked: argparse.Namespace) -> bool:
    spent, expected = time.monotonic() - begun, 0 if scenario is None else scenario.seconds
    return asked.all or spent + expected < asked.minutes * 60


def _round(
    servers: Settings,
    queue: list[Scenario],
    seed: int,
    begun: float,
    asked: argparse.Namespace,
    results: list[Result],
    console: Console,
) -> None:
    """Play until one fails or the time is up; what is played is taken from the queue."""
    with play_house(servers, f"storm{len(results)}x{seed}", seed, asked.quantizer) as (stage, world):
        while queue and _time_for(queue[0], begun, asked):
            if queue[0].alone and stage.sent:
                return
            scenario = queue.pop(0)
            console.print(f"{time.monotonic() - begun:6.0f} s  {scenario.name} (seed {seed})")
            sent, kills, started = len(stage.sent), stage.kills, time.monotonic()
            try:
                with within(asked.limit):
                    result = play(stage, world, scenario)
            except Exception as error:  # noqa: BLE001 - it is a result, and is printed
                events, spent = len(stage.sent) - sent, time.monotonic() - started
                result = _failed(scenario.name, error, events, stage.kills - kills, spent)
            before = asked.before.get(scenario.name, "")
            results.append(replace(result, seed=seed, commit=commit(), before=before))
            write(results, asked)
            for line in [*result.differences[:20], *([result.failure] if result.failure else [])]:
                console.print(f"         {line[:400]}", style="red", markup=False, highlight=False)
            if result.differences or result.failure:
                _keep_logs(stage, scenario, seed)
            if result.differences or result.failure or scenario.alone:
                return


def _keep_logs(stage: Stage, scenario: Scenario, seed: int) -> None:
    target = REPORTS / "storm" / f"{seed}-{scenario.name.replace(' ', '-').replace('/', '-')}"
    target.mkdir(parents=True, exist_ok=True)
    for log in stage.logs.glob("*.log"):
        shutil.copy(log, target)


@cache
def commit() -> str:
    """What is played: the checkout's commit, and whether it was changed when the run began (it writes a page)."""
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def report_of(results: Iterable[Result], seed: int) -> dict[str, Any]:
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
        "seed": seed,
        "commit": commit(),
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "versions": {"kafka": versions.KAFKA, "weaviate": versions.WEAVIATE, "triton": versions.TRITON},
        "rows": [
            {"name": name, "value": value, "unit": unit, "bar": bar, "holds": None if bar is None else value <= bar}
            for name, value, unit, bar in rows
        ],
        "scenarios": [asdict(one) for one in seen],
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


def page_of(results: Sequence[Result], report: dict[str, Any]) -> str:
    """``docs/storm.md``."""
    names = [one.name for one in SCENARIOS]
    missing = sorted({*names} - {one.name for one in results}, key=names.index)
    lines = [
        "# The storm",
        "",
        "The last result of `make storm ALL=1`, which writes this page after each scenario. What fails is mended and",
        "played again by itself (`make storm FAILED=1`): each line says of which seed and commit it is.",
        f"{report['machine']['cpus']} cores, {', '.join(f'{k} {v}' for k, v in report['versions'].items())}.",
        "The scenarios stand in `tests/storm/scenarios.py`, what is compared in `tests/storm/comparing.py`.",
        "Recovery: from the end of the disturbance until every group has committed all there is.",
        "",
        "| scenario | events | kills | dead letters expected | differences | recovery, s | whole, s | seed, commit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in sorted(results, key=lambda each: names.index(each.name) if each.name in names else len(names)):
        found = "failed: " + " ".join(one.failure.replace("|", "/").split()) if one.failure else len(one.differences)
        recovery = "" if one.failure else f"{one.recovery:.1f}"
        counts = f"{one.events} | {one.kills} | {one.dead_letters}"
        of = f"{one.seed}, {one.commit}"
        lines.append(f"| {one.name} | {counts} | {found} | {recovery} | {one.seconds:.0f} | {of} |")
    if missing:
        lines += ["", f"The run ended before {len(missing)} of {len(SCENARIOS)}: {'; '.join(missing)}."]
    for one in results:
        if one.before:
            lines += ["", f"{one.name} was not as it should be before: {' '.join(one.before.split())[:300]}"]
    lines += ["", "| | |", "|---|---|", *(f"| {row['name']} | {row['value']} |" for row in report["rows"]), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
