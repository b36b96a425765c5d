"""Rows of a report: name, value, unit, bar, and whether it holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table


@dataclass(frozen=True)
class RowKind:
    """A row's name, unit and bar: the value must be ``at_least`` or ``at_most`` that; None is reported only."""

    name: str
    unit: str
    bar: float | None = None
    sense: Literal["at_least", "at_most"] = "at_least"


class MissingRows(RuntimeError):
    """A full report without one of its rows would pass for a whole one."""


def row(kind: RowKind, value: float, bars: Mapping[str, float | None]) -> dict[str, Any]:
    """A row as it is written. ``bars`` replaces bars that do not apply to this machine."""
    bar = bars.get(kind.name, kind.bar)
    holds = None
    if bar is not None:
        # What is not a number holds no bar.
        holds = value >= bar if kind.sense == "at_least" else value <= bar
    return {"name": kind.name, "value": round(value, 4), "unit": kind.unit, "bar": bar, "holds": holds}


def rows_of(
    kinds: Sequence[RowKind], values: Mapping[str, float], bars: Mapping[str, float | None], *, partial: bool = False
) -> list[dict[str, Any]]:
    """The rows in their order. Raises MissingRows where one is missing, unless only a part was asked for."""
    if (missing := [kind.name for kind in kinds if kind.name not in values]) and not partial:
        raise MissingRows(f"not measured: {', '.join(missing)}")
    return [row(kind, values[kind.name], bars) for kind in kinds if kind.name in values]


def good(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no bar is missed."""
    return all(one["holds"] is not False for one in rows)


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows as people read them."""
    shown = Table("row", "value", "unit", "bar", "holds")
    for one in rows:
        holds = {True: "yes", False: "[red]NO[/]", None: "-"}[one["holds"]]
        shown.add_row(
            one["name"], f"{one['value']:g}", one["unit"], "-" if one["bar"] is None else f"{one['bar']:g}", holds
        )
    return shown
