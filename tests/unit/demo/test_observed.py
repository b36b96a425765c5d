"""What the demo says of freshness is nothing that cannot be."""

from __future__ import annotations

import math

import pytest

from workers.demo.observed import quantile

BEFORE = {10.0: 0.0, 30.0: 0.0, math.inf: 0.0}


def test_a_quantile_is_linear_within_its_bucket() -> None:
    """As PromQL's is."""
    assert quantile(0.5, BEFORE, {10.0: 0.0, 30.0: 4.0, math.inf: 4.0}, 60.0) == pytest.approx(20.0)


def test_a_quantile_is_never_beyond_what_there_can_be() -> None:
    """Twelve seconds after the first event nothing is thirty seconds old."""
    assert quantile(0.99, BEFORE, {10.0: 0.0, 30.0: 100.0, math.inf: 100.0}, 12.0) == pytest.approx(11.98)
    assert quantile(0.99, BEFORE, {10.0: 0.0, 30.0: 0.0, math.inf: 1.0}, 12.0) == 12.0


def test_nothing_counted_has_no_quantile() -> None:
    """Not zero."""
    assert math.isnan(quantile(0.5, BEFORE, BEFORE, 60.0))
