"""The bench as one HTML file: its rows, and plots that show what was busy, and what waited for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 180, 60, 24
COLOURS = ("#3366cc", "#dc3912", "#ff9900", "#109618", "#990099", "#0099c6", "#dd4477")
STYLE = """body { font: 15px system-ui, sans-serif; max-width: 760px; margin: 2em auto; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
td, th { padding: 3px 10px; border-bottom: 1px solid #ddd; text-align: left }
.no { color: #c00; font-weight: bold }
svg { display: block; margin: .5em 0 1.5em } text { font: 12px system-ui, sans-serif }"""
HEAD = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>make bench</title><style>{STYLE}</style>\n'


def page_of(report: Mapping[str, Any]) -> str:
    """The page of a report, as ``reports/bench.json`` has it."""
    parts = ["<h1>Streamscout: make bench</h1>", _rows(report["rows"])]
    for name, failure in report.get("failures", {}).items():
        parts.append(f'<p class="no">{escape(name)} could not be measured: {escape(failure)}</p>')
    for seen in report.get("seen", ()):
        parts += _seen(seen)
    profile = report.get("details", {}).get("profile_ms_per_post")
    if profile:
        parts.append("<h2>The embedder's processor time for a post, with an encoder that answers at once</h2>")
        whole = sum(profile.values()) or 1.0
        parts.append(bars(profile, "ms"))
        parts.append(
            _pairs("Busy share of each", {name: f"{100 * spent / whole:.0f} %" for name, spent in profile.items()})
        )
    for name, fresh in report.get("details", {}).get("freshness", {}).items():
        parts.append(_pairs(f"Event to searchable, {name.replace('_', ' ')}, s", fresh))
    memory = report.get("details", {}).get("endurance", {}).get("memory_mb")
    if memory:
        parts += ["<h2>Resident memory of the embedder, MB by thousands of posts</h2>"]
        parts.append(lines([x for x, _ in memory], {"MB": [y for _, y in memory]}))
    parts += [_pairs("Machine", report["machine"]), _pairs("Versions", report["versions"])]
    return HEAD + "\n".join(parts) + "\n</html>\n"


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    lines_ = ["<table><tr><th>row<th>value<th>unit<th>bar<th>holds</tr>"]
    for row in rows:
        holds = {True: "yes", False: '<span class="no">no</span>', None: ""}[row["holds"]]
        bar = "" if row["bar"] is None else f"{row['bar']:g}"
        lines_.append(
            f"<tr><td>{escape(row['name'])}<td>{row['value']:g}<td>{escape(row['unit'])}<td>{bar}<td>{holds}</tr>"
        )
    return "\n".join([*lines_, "</table>"])


def _seen(seen: Mapping[str, Any]) -> list[str]:
    """What was seen while something was measured."""
    stages = seen.get("stages", {})
    parts = [
        f"<h2>{escape(seen['name'])}: {seen['seconds']:.0f} s</h2>",
        "<p>Each process's share of one core:</p>",
        bars(seen["busy"], "cores"),
    ]
    if stages:
        parts.append("<p>Batches in each stage of the embedder at a time (handle holds fetch, encode, store):</p>")
        parts.append(bars({name: one["batches_at_a_time"] for name, one in stages.items()}, "batches"))
        parts.append(
            _pairs("Mean time of a batch in each stage, s", {name: one["mean_s"] for name, one in stages.items()})
        )
    if seen.get("triton"):
        parts.append(
            _pairs("Triton, picture tower (of each second: of requests waiting, and in the engine)", seen["triton"])
        )
    if len(seen["at"]) > 1:
        parts.append("<p>Cores that each process keeps busy, over the seconds:</p>")
        parts.append(lines(seen["at"], seen["cores"]))
        waiting = {"posts not yet settled": seen["lag"], "items in the embedder": seen["queue"]}
        parts.append("<p>What waits for the embedder, over the seconds:</p>")
        parts.append(lines(seen["at"], waiting))
        parts.append("<p>Requests that wait at Triton, over the seconds:</p>")
        parts.append(lines(seen["at"], {"requests": seen["pending"]}))
    return parts


def _pairs(title: str, pairs: Mapping[str, Any]) -> str:
    shown = [(name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in pairs.items()]
    cells = "".join(f"<tr><td>{escape(name)}<td>{escape(value)}</tr>" for name, value in shown)
    return f"<h3>{escape(title)}</h3><table>{cells}</table>"


def bars(values: Mapping[str, float], unit: str) -> str:
    """A horizontal bar for each value."""
    most = max([*values.values(), 1e-9])
    drawn = []
    for number, (name, value) in enumerate(values.items()):
        y = number * 22
        drawn.append(
            f'<text x="170" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="176" y="{y + 3}" width="{360 * value / most:.1f}" height="15" fill="{COLOURS[0]}"/>'
            f'<text x="{182 + 360 * value / most:.1f}" y="{y + 14}">{value:.2f} {escape(unit)}</text>'
        )
    return f'<svg width="{WIDTH}" height="{22 * len(values)}" role="img">{"".join(drawn)}</svg>'


def lines(xs: Sequence[float], series: Mapping[str, Sequence[float]]) -> str:
    """A line for each series over the same ``xs``, from zero."""
    top = max([value for values in series.values() for value in values] + [1e-9])
    first, last = min(xs), max(xs)
    wide, high = WIDTH - LEFT - 120, HEIGHT - BOTTOM - 10

    def point(x: float, y: float) -> str:
        return f"{LEFT + wide * (x - first) / max(last - first, 1e-9):.1f},{10 + high * (1 - y / top):.1f}"

    drawn = [
        f'<path d="M{LEFT},10 V{10 + high} H{LEFT + wide}" fill="none" stroke="#888"/>',
        f'<text x="{LEFT - 6}" y="16" text-anchor="end">{top:.3g}</text>',
        f'<text x="{LEFT - 6}" y="{10 + high}" text-anchor="end">0</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{first:.3g}</text>',
        f'<text x="{LEFT + wide}" y="{HEIGHT - 6}" text-anchor="end">{last:.3g}</text>',
    ]
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(point(x, y) for x, y in zip(xs, values, strict=False))
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        drawn.append(f'<text x="{LEFT + wide + 8}" y="{20 + 16 * number}" fill="{colour}">{escape(name)}</text>')
    return f'<svg width="{WIDTH}" height="{HEIGHT}" role="img">{"".join(drawn)}</svg>'
