"""Which times an event may name. Pure: now comes as an argument."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from workers.domain.events.envelope import Event
from workers.domain.reasons import FieldError, InvalidEvent, Reason

MOST_AHEAD: Final = timedelta(days=365)
"""Weights grow with time (forward decay): one wrong clock, years ahead, would outweigh everything else for ever."""
FACT_AHEAD: Final = timedelta(days=1)
"""The same of a decision or an outcome, which has happened when it is told: more than a time zone's worth."""


def check_times(event: Event, now: datetime) -> None:
    """Raise InvalidEvent naming each time of the event that lies a year or more after ``now``."""
    ahead = tuple(
        FieldError(name, f"{value.isoformat()} lies a year ahead of {now.isoformat(timespec='seconds')}")
        for name in type(event).model_fields
        if isinstance(value := getattr(event, name), datetime) and value - now >= MOST_AHEAD
    )
    if ahead:
        detail = "; ".join(f"{error.field}: {error.message}" for error in ahead)
        raise InvalidEvent(Reason.INVALID_EVENT, detail, ahead)


def check_occurred(event: Event, now: datetime) -> None:
    """Raise InvalidEvent for what is said to have occurred more than a day after ``now``."""
    at = getattr(event, "occurred_at", None)
    if isinstance(at, datetime) and at - now > FACT_AHEAD:
        message = f"{at.isoformat()} lies more than a day ahead of {now.isoformat(timespec='seconds')}"
        raise InvalidEvent(Reason.INVALID_EVENT, f"occurred_at: {message}", (FieldError("occurred_at", message),))
