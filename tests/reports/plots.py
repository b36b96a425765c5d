"""Plots as SVG, written by hand: no script, no address, so that a page stands alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 180, 60, 24
COLOURS = ("#3366cc", "#dc3912", "#ff9900", "#109618", "#990099", "#0099c6", "#dd4477")


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
