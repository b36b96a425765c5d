"""The storm's wall clock: what jumps must be what the workers read."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.storm.crashing import jumps
from workers.core.clock import SystemClock


@pytest.mark.parametrize(("second", "leap"), [(1_000_000, 0), (1_000_001, 3600)])
def test_every_other_second_the_clock_of_a_worker_is_an_hour_ahead(
    second: int, leap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both of its clocks: that of the libraries, and that of ours."""
    monkeypatch.setattr(time, "time", lambda: float(second))
    monkeypatch.setattr(SystemClock, "now", SystemClock.now)
    jumps(lambda: None)
    assert time.time() == second + leap
    assert SystemClock().now() == datetime.fromtimestamp(second, UTC) + timedelta(seconds=leap)
