"""Turns at picture hosts: so many at once, so many a second; one that fails or says when is left alone until then."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from workers.config import Settings
from workers.domain.media import InvalidMedia, MediaUnavailable

KEPT: Final = 4096
"""Hosts remembered at most: strangers can name any number of them."""
FAILURES: Final = 3
"""In a row, until a host rests."""


@dataclass(slots=True)
class _Host:
    slots: asyncio.Semaphore
    users: int = 0
    paid_until: float = 0.0
    rests_until: float = 0.0
    failures: int = 0
    sent_away: int = 0


class Hosts:
    """By name: whatever one host does, the others' turns are not its own to use up."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_once, self._between = settings.media_host_concurrency, 1.0 / settings.media_host_rate
        self._line = settings.media_line_seconds
        self._first_rest, self._longest_rest = settings.retry_seconds, settings.retry_max_seconds
        self._clock = clock
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """The right to one request. Raises MediaUnavailable, not asked, where the host rests or its line is too long.

        A MediaUnavailable that the body raises makes the host rest: for as long as it asks, or after three in a row.
        """
        host = self._of(name)
        host.users += 1
        try:
            self._refuse_resting(name, host)
            await self._stand_in_line(name, host)
            try:
                self._refuse_resting(name, host)
                await asyncio.sleep(self._pay(host))
                yield
            except MediaUnavailable as error:
                if error.asked:
                    self._failed(host, error.after)
                raise
            except InvalidMedia:
                host.failures = 0
                raise
            else:
                host.failures = 0
            finally:
                host.slots.release()
        finally:
            host.users -= 1

    def _of(self, name: str) -> _Host:
        host = self._hosts.setdefault(name, _Host(asyncio.Semaphore(self._at_once)))
        self._hosts.move_to_end(name)
        if len(self._hosts) > KEPT:
            idle = next((known for known, other in self._hosts.items() if not other.users and known != name), None)
            if idle is not None:
                del self._hosts[idle]
        return host

    def _refuse_resting(self, name: str, host: _Host) -> None:
        left = host.rests_until - self._clock()
        if left <= 0:
            host.sent_away = 0
            return
        # One after the other, at the host's rate: all at once they would find it busy again.
        host.sent_away += 1
        after = left + host.sent_away * self._between
        raise MediaUnavailable(f"{name} is left alone for {left:.0f} s more", after, asked=False)

    async def _stand_in_line(self, name: str, host: _Host) -> None:
        try:
            async with asyncio.timeout(self._line):
                await host.slots.acquire()
        except TimeoutError as error:
            raise MediaUnavailable(f"{name} has a long line", asked=False) from error

    def _pay(self, host: _Host) -> float:
        """Seconds to wait so that, after as many at once as are allowed, requests begin no faster than the rate."""
        now = self._clock()
        host.paid_until = max(host.paid_until, now) + self._between
        return max(0.0, host.paid_until - now - self._between * self._at_once)

    def _failed(self, host: _Host, after: float | None) -> None:
        now = self._clock()
        if after is not None:
            host.rests_until = max(host.rests_until, now + after)
        elif now >= host.rests_until:  # those that were under way when it began to rest say nothing new
            host.failures += 1
            if host.failures >= FAILURES:
                rest = self._first_rest * 2.0 ** min(host.failures - FAILURES, 30)
                host.rests_until = now + min(rest, self._longest_rest)
