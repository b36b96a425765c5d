"""What verify found, and how it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workers.verify.differences import Difference, Kind, What

_WIDTH: Final = 100
"""Columns where the output goes to a file: tables stay readable."""
_SHOWN: Final = 50
"""Differences that are printed one by one; --json prints all."""


@dataclass(frozen=True, slots=True)
class Report:
    """``differences`` stood still and are wrong; ``in_flight`` may be right once ``open_events`` are dealt with.

    ``checked``: things looked at by kind. ``done``: what was mended, how, and how often. ``found``: the differences
    before anything was mended. ``unsettled``: objects of creators that are not settled, no farther off than they may be
    until then: no differences.
    """

    differences: Sequence[Difference]
    in_flight: Sequence[Difference]
    open_events: int
    checked: Mapping[str, int]
    found: Sequence[Difference] = ()
    done: Mapping[str, int] = field(default_factory=dict)
    unsettled: int = 0


def show(report: Report) -> None:
    """Print a table of kinds, the differences that are left, what was mended, what is in flight."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    table = Table("", "checked", "missing", "extra", "stale", "drifted", "in flight", box=None, pad_edge=False)
    wrong = Counter((each.kind, each.what) for each in report.differences)
    moving = Counter(each.kind for each in report.in_flight)
    for kind in get_args(Kind):
        cells = (report.checked.get(kind, 0), *(wrong[kind, what] for what in get_args(What)), moving[kind])
        table.add_row(kind, *map(str, cells))
    console.print(table)
    for each in report.differences[:_SHOWN]:
        console.print(escape(f"{each.what} {each.kind} {each.id}: {each.detail}"), soft_wrap=True, highlight=False)
    if len(report.differences) > _SHOWN:
        console.print(f"and {len(report.differences) - _SHOWN} more (--json shows all)")
    for name, count in report.done.items():
        console.print(f"mended: {count} {name}", highlight=False)
    if report.open_events or report.in_flight:
        moving_ones = f"{len(report.in_flight)} differences may be theirs" if report.in_flight else "none is in doubt"
        console.print(f"{report.open_events} events in flight; {moving_ones}", highlight=False)
    if report.unsettled:
        console.print(f"{report.unsettled} objects within the thresholds of creators not settled yet", highlight=False)
    left = " left" if report.done else ""
    console.print(
        f"{len(report.differences)} differences{left}" if report.differences else "everything is as it must be"
    )
