"""Times as people write them, and the pace of a replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.unit.dead_letters.world import NOW, Clock
from workers.dead_letters.choosing import Choice, moment
from workers.dead_letters.pace import Pace


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("2h", NOW - timedelta(hours=2)),
        ("1d12h", NOW - timedelta(hours=36)),
        ("2w", NOW - timedelta(days=14)),
        ("2026-02-01", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-02-01T10:30:00Z", datetime(2026, 2, 1, 10, 30, tzinfo=UTC)),
        ("2026-02-01T10:30+02:00", datetime(2026, 2, 1, 10, 30, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_time_is_iso_or_how_long_ago(text: str, found: datetime) -> None:
    """Without an offset it is UTC."""
    assert moment(text, NOW) == found


@pytest.mark.parametrize("text", ["", "yesterday", "2", "h", "2 h", "-2h", "2h!", "999999w", "2026-13-01"])
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    """With what would be one."""
    with pytest.raises(ValueError, match=text.replace("!", "."[:1]) if text else "neither"):
        moment(text, NOW)


def test_an_empty_choice_is_no_choice() -> None:
    """What changes things must be chosen."""
    assert not Choice().given()
    assert Choice(keys=frozenset({b""})).given()


def test_a_rate_spaces_records_evenly_and_does_not_catch_up() -> None:
    """Two a second; after a pause of ten seconds there is no burst."""
    clock = Clock()
    pace = Pace(2.0, clock, clock.wait)
    for _ in range(3):
        pace.turn()
    assert clock.waited == [0.5, 0.5]
    clock.wait(10)
    pace.turn()
    pace.turn()
    assert clock.waited == [0.5, 0.5, 10, 0.5]


def test_no_rate_never_waits() -> None:
    """As fast as the broker takes them."""
    clock = Clock()
    pace = Pace(None, clock, clock.wait)
    for _ in range(5):
        pace.turn()
    assert clock.waited == []
