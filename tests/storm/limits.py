"""A limit on what a storm waits for: what hangs becomes a failure with its traceback."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_SECONDS = 60.0


class TookTooLong(Exception):
    """No TimeoutError: nobody who waits for a server may take it for one of theirs."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TookTooLong where the main thread stands when the time is up, and again while it still does not leave.

    A call into a library that never returns to Python is not ended by it.
    """

    def tell(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLong(f"not done within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, tell)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, before)
