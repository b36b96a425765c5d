"""A report as one HTML file that stands alone: its head, its rows, names with values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

STYLE = """body { font: 15px system-ui, sans-serif; max-width: 760px; margin: 2em auto; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
td, th { padding: 3px 10px; border-bottom: 1px solid #ddd; text-align: left }
.no { color: #c00; font-weight: bold }
svg { display: block; margin: .5em 0 1.5em } text { font: 12px system-ui, sans-serif }"""


def document(title: str, parts: Sequence[str]) -> str:
    """The whole file."""
    head = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>\n'
    )
    return head + "\n".join(parts) + "\n</html>\n"


def rows_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows with their bars."""
    lines_ = ["<table><tr><th>row<th>value<th>unit<th>bar<th>holds</tr>"]
    for row in rows:
        holds = {True: "yes", False: '<span class="no">no</span>', None: ""}[row["holds"]]
        bar = "" if row["bar"] is None else f"{row['bar']:g}"
        lines_.append(
            f"<tr><td>{escape(row['name'])}<td>{row['value']:g}<td>{escape(row['unit'])}<td>{bar}<td>{holds}</tr>"
        )
    return "\n".join([*lines_, "</table>"])


def pairs(title: str, values: Mapping[str, Any]) -> str:
    """Names and values below a title."""
    shown = [(name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in values.items()]
    cells = "".join(f"<tr><td>{escape(name)}<td>{escape(value)}</tr>" for name, value in shown)
    return f"<h3>{escape(title)}</h3><table>{cells}</table>"
