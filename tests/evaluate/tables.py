"""Tables of figures with intervals, as Markdown. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from workers.evaluate.metrics import Interval


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers stand right, but for those of the first column."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *[[_cell(value) for value in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def figure(found: Interval, digits: int = 3) -> str:
    """A mean with half the width of its interval."""
    return f"{found.mean:.{digits}f}{_half(found, digits)}"


def change(found: Interval, points: bool = True) -> str:
    """A difference with its sign, in points (hundredths) unless told otherwise; bold where the interval is off 0."""
    scale, digits = (100.0, 1) if points else (1.0, 2)
    scaled = Interval(scale * found.mean, scale * found.low, scale * found.high, found.count)
    text = f"{scaled.mean:+.{digits}f}{_half(scaled, digits)}"
    return f"**{text}**" if certain(found) else text


def certain(found: Interval) -> bool:
    """Whether the interval leaves out 0."""
    return found.low > 0 or found.high < 0


def _half(found: Interval, digits: int) -> str:
    return "" if math.isnan(found.low) else f" ± {found.high - found.mean:.{digits}f}"


def _cell(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")
