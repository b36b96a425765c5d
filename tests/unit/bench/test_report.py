"""What the bench reports, and the arithmetic behind it."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.page import page_of
from tests.bench.profiled import place_of
from tests.bench.report import (
    NAMES,
    ROWS,
    arrivals,
    percentile,
    rows_of,
    slope,
    sustained,
)
from tests.reports.rows import MissingRows, good

HOLDING = {kind.name: 1.0 if kind.bar is None else kind.bar for kind in ROWS}


def test_the_rows_are_those_of_the_design_in_its_order() -> None:
    """Others read them by name and place."""
    assert NAMES == (
        "triton_over_engine",
        "end_to_end_over_triton_pinned",
        "end_to_end_over_triton_shared",
        "cpu_target_over_torch_fp32",
        "preprocess_over_pillow",
        "preprocess_cosine",
        "posts_per_core_without_encoder",
        "rss_slope_mb_per_1000_posts",
        "freshness_p99_70_over_10",
        "freshness_p50_s",
        "freshness_p99_s",
        "creators_events_per_s",
        "creators_cost_100k_over_1k",
        "indexer_over_weaviate",
        "facet_writes_per_post",
    )
    assert [row["name"] for row in rows_of(dict(reversed(HOLDING.items())), {})] == list(NAMES)


def test_a_row_has_a_value_a_unit_a_bar_and_whether_it_holds() -> None:
    """At its bar a row holds, on either side of it; what is only reported neither holds nor fails."""
    rows = rows_of(HOLDING, {})
    assert all(set(row) == {"name", "value", "unit", "bar", "holds"} for row in rows)
    assert all(row["holds"] is (None if row["bar"] is None else True) for row in rows)
    assert [row["name"] for row in rows if row["bar"] is None] == [
        "end_to_end_over_triton_shared",
        "freshness_p50_s",
        "freshness_p99_s",
    ]


@pytest.mark.parametrize("kind", [kind for kind in ROWS if kind.bar is not None], ids=lambda kind: kind.name)
def test_one_missed_bar_is_enough(kind: object) -> None:
    """Below what must be reached, above what must not be passed, or no number at all."""
    assert kind.bar is not None
    worse = kind.bar - 0.01 if kind.sense == "at_least" else kind.bar + 0.01
    assert good(rows_of(HOLDING, {}))
    assert not good(rows_of({**HOLDING, kind.name: worse}, {}))
    assert not good(rows_of({**HOLDING, kind.name: math.nan}, {}))


def test_a_value_just_under_its_bar_is_not_rounded_over_it() -> None:
    """0.94999 is shown as 0.95, and does not hold."""
    (row,) = rows_of({"triton_over_engine": 0.94999}, {}, partial=True)
    assert row["holds"] is False


def test_a_bar_that_does_not_apply_to_a_machine_is_no_bar() -> None:
    """Without bfloat16 in the processor twice torch's speed is not promised."""
    rows = rows_of({**HOLDING, "cpu_target_over_torch_fp32": 0.5}, {"cpu_target_over_torch_fp32": None})
    assert good(rows)


def test_a_full_report_lacks_no_row() -> None:
    """A part of the rows is one only where it was asked for."""
    some = {name: HOLDING[name] for name in NAMES[:3]}
    with pytest.raises(MissingRows, match="freshness_p99_s"):
        rows_of(some, {})
    assert [row["name"] for row in rows_of(some, {}, partial=True)] == list(NAMES[:3])


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    """And no lesser one is."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) < share * len(values) + 1e-6


def test_percentiles_of_a_hundred_values_are_themselves() -> None:
    """The 99th of 1 to 100 is 99."""
    assert [percentile(range(1, 101), share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_the_slope_of_a_line_is_its_own(steep: float, high: float) -> None:
    """Whatever its height."""
    assert slope([(x, steep * x + high) for x in range(20)]) == pytest.approx(steep, abs=1e-6)


def test_the_slope_of_noise_around_a_height_is_small() -> None:
    """Saw teeth do not climb."""
    assert abs(slope([(x, 100 + x % 2) for x in range(1000)])) < 0.001
    with pytest.raises(ValueError, match="two points"):
        slope([(1, 1), (1, 2)])


def test_what_is_done_many_at_a_time_is_counted_from_one_batch_to_the_last() -> None:
    """Ten a second, in batches of 20 every two seconds; how long the first took does not matter."""
    times = [100.0 + 2 * batch for batch in range(6) for _ in range(20)]
    assert sustained(times, 20) == pytest.approx(10.0)
    assert sustained([0.0] * 20 + times, 40) == pytest.approx(10.0)
    with pytest.raises(ValueError, match="none after"):
        sustained([1.0] * 20, 20)


def test_arrivals_come_by_themselves() -> None:
    """In order, within the time, as many as the rate says, and irregular."""
    draw = [(number * 0.6180339887) % 1 for number in range(5000)]
    moments = arrivals(10.0, 200.0, draw)
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    assert moments == sorted(moments)
    assert moments[-1] < 200.0
    assert len(moments) == pytest.approx(2000, rel=0.05)
    assert max(gaps) > 0.4


def test_the_page_stands_alone_and_shows_every_row() -> None:
    """No script and no address: it is read from a disk."""
    seen = {
        "name": "pinned <1>",
        "seconds": 20.0,
        "busy": {"triton": 0.98, "embedder": 0.3},
        "stages": {"encode": {"batches_at_a_time": 1.2, "mean_s": 1.8}},
        "triton": {"pictures_per_s": 18.0},
        "at": [1.0, 2.0, 3.0],
        "queue": [0.0, 1.0, 2.0],
        "lag": [9.0, 5.0, 0.0],
        "pending": [1.0, 1.0, 0.0],
        "cores": {"triton": [1.0, 1.0, 0.9], "embedder": [0.2, 0.3, 0.4]},
    }
    memory = {"endurance": {"memory_mb": [(0.0, 200.0), (1.0, 201.0)]}}
    report = {
        "machine": {"cpus": 2},
        "versions": {"python": "3.11"},
        "rows": rows_of(HOLDING, {}),
        "seen": [seen],
        "details": memory,
    }
    page = page_of(report)
    assert all(name in page for name in NAMES)
    assert "pinned &lt;1&gt;" in page
    assert not any(outside in page for outside in ("<script", "http:", "https:", "src="))
    assert page.count("<svg") == page.count("</svg>") == 6


def test_a_stack_is_put_down_to_the_innermost_work_that_is_known() -> None:
    """A library's frames belong to whoever uses it; what nobody knows is the loop's."""
    assert place_of(["/x/PIL/Image.py", "/w/workers/adapters/media_decode.py", "/w/workers/embedder/pictures.py"]) == (
        "decode and resize"
    )
    assert place_of(["/usr/lib/ssl.py", "/x/httpcore/_async/http11.py"]) == "fetch pictures"
    assert place_of(["/x/aiohttp/client.py", "/w/workers/adapters/triton.py"]) == "ask the encoder"
    assert place_of(["/usr/lib/asyncio/base_events.py", "/w/workers/core/loop.py"]) == "the loop"
