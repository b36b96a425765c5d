"""Replays at no more than a given rate, so that a mended worker is not flooded."""

from __future__ import annotations

from collections.abc import Callable

from workers.core.clock import Clock


class Pace:
    """``rate``: records a second, evenly; None is as fast as the broker takes them. ``wait`` takes seconds."""

    def __init__(self, rate: float | None, clock: Clock, wait: Callable[[float], object]) -> None:
        self._every = 0.0 if rate is None else 1.0 / rate
        self._clock, self._wait = clock, wait
        self._due = clock.monotonic()

    def turn(self) -> None:
        """Return when the next record may go. What was missed is not caught up on: bursts are what it is against."""
        now = self._clock.monotonic()
        if self._due > now:
            self._wait(self._due - now)
        self._due = max(self._due, now) + self._every
