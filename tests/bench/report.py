"""What ``make bench`` reports: its rows in their order, their bars, and the arithmetic behind them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.reports import rows
from tests.reports.rows import RowKind

_LINE = re.compile(r"^([a-zA-Z_:]+)(\{[^}]*\})? ([0-9.eE+-]+)$", re.MULTILINE)


ROWS = (
    RowKind("triton_over_engine", "x", 0.95),
    RowKind("end_to_end_over_triton_pinned", "x", 0.95),
    RowKind("end_to_end_over_triton_shared", "x"),
    RowKind("cpu_target_over_torch_fp32", "x", 2.0),
    RowKind("preprocess_over_pillow", "x", 2.5),
    RowKind("preprocess_cosine", "cosine", 0.999),
    RowKind("posts_per_core_without_encoder", "posts/s", 80.0),
    RowKind("rss_slope_mb_per_1000_posts", "MB", 1.0, "at_most"),
    RowKind("freshness_p99_70_over_10", "x", 6.0, "at_most"),
    RowKind("freshness_p50_s", "s"),
    RowKind("freshness_p99_s", "s"),
    RowKind("creators_events_per_s", "events/s", 1000.0),
    RowKind("creators_cost_100k_over_1k", "x", 1.25, "at_most"),
    RowKind("indexer_over_weaviate", "x", 0.8),
    RowKind("facet_writes_per_post", "writes", 1.0, "at_most"),
)
NAMES = tuple(kind.name for kind in ROWS)


def rows_of(
    values: Mapping[str, float], bars: Mapping[str, float | None], *, partial: bool = False
) -> list[dict[str, Any]]:
    """The bench's rows in their order. Raises MissingRows where one is missing, unless only a part was asked for."""
    return rows.rows_of(ROWS, values, bars, partial=partial)


def numbers(text: str) -> dict[str, float]:
    """Prometheus' text as numbers by name and labels."""
    return {name + (labels or ""): float(value) for name, labels, value in _LINE.findall(text)}


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that ``share`` (0 to 1) of all do not exceed: one that was measured, none in between.

    Raises ValueError where there are none.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line through the points (x, y) with the least squares. Raises ValueError for fewer than two."""
    if len({x for x, _ in points}) < 2:
        raise ValueError("a slope needs two points")
    middle_x = math.fsum(x for x, _ in points) / len(points)
    middle_y = math.fsum(y for _, y in points) / len(points)
    spread = math.fsum((x - middle_x) ** 2 for x, _ in points)
    return math.fsum((x - middle_x) * (y - middle_y) for x, y in points) / spread


def sustained(times: Sequence[float], skipped: int) -> float:
    """Things a second between the moment at which ``skipped`` were done and the last; they are done many at a time.

    Raises ValueError where nothing was done in between.
    """
    ordered = sorted(times)
    begun = ordered[skipped - 1]
    after = sum(moment > begun for moment in ordered)
    if not after:
        raise ValueError(f"{len(ordered)} times, none after the first {skipped}")
    return after / (ordered[-1] - begun)


def arrivals(rate: float, seconds: float, draw: Sequence[float]) -> list[float]:
    """When things come that come by themselves, ``rate`` a second, from draws between 0 and 1 (Poisson's process)."""
    moments, now = [], 0.0
    for one in draw:
        now -= math.log1p(-one) / rate
        if now >= seconds:
            break
        moments.append(now)
    return moments
