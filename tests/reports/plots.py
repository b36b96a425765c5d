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
    return svg(22 * len(values), drawn)


def ranges(values: Mapping[str, tuple[float, float, float]], marked: str = "") -> str:
    """A dot for each mean, and a line from the low to the high end of its interval: (mean, low, high), from zero."""
    most = max([high for _, _, high in values.values()] + [1e-9])
    left, wide = 330, WIDTH - 330 - 60
    drawn = []
    for number, (name, (mean, low, high)) in enumerate(values.items()):
        y, colour = number * 20 + 12, COLOURS[1] if name == marked else COLOURS[0]
        x, begin, end = (left + wide * each / most for each in (mean, low, high))
        drawn.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<path d="M{begin:.1f},{y} H{end:.1f}" stroke="{colour}" stroke-width="3" opacity=".45"/>'
            f'<circle cx="{x:.1f}" cy="{y}" r="4" fill="{colour}"/>'
            f'<text x="{left + wide + 12}" y="{y + 4}">{mean:.3f}</text>'
        )
    return svg(20 * len(values) + 8, drawn)


def svg(height: float, drawn: Sequence[str]) -> str:
    """One picture of the usual width, as it stands inside a page."""
    size = f'width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}"'
    return f'<svg {size} style="font: 12px system-ui, sans-serif" role="img">{"".join(drawn)}</svg>'


def alone(drawing: str) -> str:
    """The same as a file of its own, on white: what shows it may be dark."""
    drawing = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, end, rest = drawing.partition(">")
    return f'{head}{end}<rect width="100%" height="100%" fill="#fff"/>{rest}\n'


def lines(xs: Sequence[float], series: Mapping[str, Sequence[float]], bottom: float = 0.0) -> str:
    """A line for each series over the same ``xs``, from ``bottom`` up."""
    top = max([value for values in series.values() for value in values] + [bottom + 1e-9])
    first, last = min(xs), max(xs)
    wide, high = WIDTH - LEFT - 120, HEIGHT - BOTTOM - 10

    def point(x: float, y: float) -> str:
        down = high * (1 - (y - bottom) / (top - bottom))
        return f"{LEFT + wide * (x - first) / max(last - first, 1e-9):.1f},{10 + down:.1f}"

    drawn = [
        f'<path d="M{LEFT},10 V{10 + high} H{LEFT + wide}" fill="none" stroke="#888"/>',
        f'<text x="{LEFT - 6}" y="16" text-anchor="end">{top:.3g}</text>',
        f'<text x="{LEFT - 6}" y="{10 + high}" text-anchor="end">{bottom:.3g}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{first:.3g}</text>',
        f'<text x="{LEFT + wide}" y="{HEIGHT - 6}" text-anchor="end">{last:.3g}</text>',
    ]
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(point(x, y) for x, y in zip(xs, values, strict=False))
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        drawn.append(f'<text x="{LEFT + wide + 8}" y="{20 + 16 * number}" fill="{colour}">{escape(name)}</text>')
    return svg(HEIGHT, drawn)
