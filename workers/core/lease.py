"""The right to write (law 6): a worker that was silent for half of its session may soon be replaced, and must wait."""

from __future__ import annotations

from workers.core.clock import Clock


class LeaseExpired(Exception):
    """The last good poll is older than half the session timeout: partitions may belong to another worker soon."""


class Lease:
    """Good for ``seconds`` from the last time that the group confirmed the membership."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._confirmed: float | None = None

    def renew(self, silence: float = 0.0) -> None:
        """A poll went well, and the group confirmed the membership ``silence`` seconds ago."""
        self._confirmed = self._clock.monotonic() - silence

    def remaining(self) -> float:
        """Seconds left, never below 0; all of them before the first poll."""
        age = 0.0 if self._confirmed is None else self._clock.monotonic() - self._confirmed
        return max(0.0, self._seconds - age)

    def valid(self) -> bool:
        """Ask right before every store, changelog write, produce and commit."""
        return self.remaining() > 0

    def check(self) -> None:
        """Raise LeaseExpired unless valid: the loop drops the batch, and begins it again if it is still its own."""
        if not self.valid():
            raise LeaseExpired(f"no word from the group for {self._seconds:g} s, half of the session timeout")
