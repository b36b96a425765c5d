"""``python -m tests.evaluate``: how well creators are matched, against baselines and the truth; ``make evaluate``.

Writes ``reports/evaluate.json``, and the page with its plots beside it; ``--keep`` puts the page of a whole run under
``docs/evaluation`` too. With ``--only`` a part is measured, under other names.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.evaluate.page import page_of
from tests.evaluate.report import NAMES, ROWS, SERVED, SIMULATED
from tests.evaluate.running import QUICK, WHOLE, simulate
from tests.reports.machine import described, installed
from tests.reports.rows import good, rows_of, table
from tests.reports.written import REPORTS, write
from workers.config import REPOSITORY, spare_the_loopback

KEPT = REPOSITORY / "docs" / "evaluation"
PACKAGES = ("streamscout", "numpy", "scipy", "scikit-learn", "weaviate-client", "faust-streaming", "confluent-kafka")
Measured = tuple[dict[str, float], dict[str, Any]]
Say = Callable[[str], None]


def simulation(say: Say, _: Path, quick: bool) -> Measured:
    """In numpy: what is right is known."""
    return simulate(say, QUICK if quick else WHOLE)


def stack(say: Say, folder: Path, quick: bool) -> Measured:
    """On real servers: what is served is what is near, and how soon."""
    from tests.evaluate.stack import measure  # brings every client: a simulation alone does without

    return measure(say, folder, quick)


PARTS: dict[str, tuple[Callable[[Say, Path, bool], Measured], tuple[str, ...]]] = {
    "simulation": (simulation, tuple(kind.name for kind in SIMULATED)),
    "stack": (stack, tuple(kind.name for kind in SERVED)),
}


def main() -> int:
    """0 where every bar holds, 1 where one does not or a row could not be measured, 2 for a row that there is not."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluate", description=__doc__)
    parser.add_argument("--only", default="", help=f"rows, with commas between: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="small worlds and few creators, to try it: no report")
    parser.add_argument("--keep", action="store_true", help="the page of a whole run goes to docs/evaluation too")
    arguments = parser.parse_args()
    asked = [name for name in arguments.only.split(",") if name]
    console, begun = Console(), time.monotonic()
    if unknown := sorted(set(asked) - set(NAMES)):
        console.print(f"error: no row is named {', '.join(unknown)}; there are: {', '.join(NAMES)}", style="red")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    spare_the_loopback()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - begun:6.0f} s  {text}", markup=False, highlight=False)

    machine = described()
    values, details, failures = measured(say, asked, arguments.quick)
    partial = bool(asked or failures or arguments.quick)
    # A world of a few creators says nothing about the bars.
    bars: dict[str, float | None] = dict.fromkeys(NAMES) if arguments.quick else {}
    rows = rows_of(ROWS, values, bars, partial=partial)
    took = round(time.monotonic() - begun)
    report = {
        "machine": machine,
        "versions": installed(PACKAGES),
        "seconds": took,
        "rows": rows,
        "details": details,
        "failures": failures,
    }
    page = page_of(report)
    write("evaluate", report, page.html, partial=partial)
    page.write(REPORTS / ("evaluation-partial" if partial else "evaluation"))
    if arguments.keep and not partial:
        page.write(KEPT)
        say(f"kept: {KEPT.relative_to(REPOSITORY)}")
    console.print(table(rows))
    for name, failure in failures.items():
        console.print(f"error: {name} could not be measured: {failure}", style="red", markup=False, highlight=False)
    return 0 if good(rows) and not failures else 1


def measured(say: Say, asked: list[str], quick: bool) -> tuple[dict[str, float], dict[str, Any], dict[str, str]]:
    """Values by row, details and failures by part. A part that fails does not take the other along."""
    values: dict[str, float] = {}
    details: dict[str, Any] = {}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="streamscout-evaluate-") as folder:
        for name, (measure, rows) in PARTS.items():
            if asked and not set(rows) & set(asked):
                continue
            say(name)
            try:
                found, details[name] = measure(say, Path(folder), quick)
            except Exception as error:  # noqa: BLE001 - it is told at the end, and fails the run
                traceback.print_exception(error)
                failures[name] = f"{type(error).__name__}: {error}"[:500]
            else:
                values |= found
    return values, details, failures


if __name__ == "__main__":
    sys.exit(main())
