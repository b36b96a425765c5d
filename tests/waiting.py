"""Waiting in tests: poll for what must become true, never sleep and hope."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")
LEAST_SECONDS: Final = 120.0
"""No limit is shorter: it is reached only where something is wrong, and a busy machine is not."""
_pause = threading.Event()


def eventually(predicate: Callable[[], T], timeout: float = 30.0, message: str = "") -> T:
    """The predicate's first truthy answer within ``timeout`` seconds, at least 120; else AssertionError with it."""
    timeout = max(timeout, LEAST_SECONDS)
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {message or predicate} (last answer: {answer!r})")
        _pause.wait(0.05)
    return answer


async def eventually_async(predicate: Callable[[], Awaitable[T]], timeout: float = 30.0, message: str = "") -> T:
    """The same for a coroutine function."""
    timeout = max(timeout, LEAST_SECONDS)
    deadline = time.monotonic() + timeout
    while not (answer := await predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {message or predicate} (last answer: {answer!r})")
        await asyncio.sleep(0.05)
    return answer
