"""Whose request goes to Triton now. On a processor, where one takes long, the order is kept here and not there.

What runs at Triton is not interrupted, and what waits there is computed together, live or not. And it sleeps: a request
that comes while another is computed, with none waiting, is looked at when a later one comes, or half a second after the
other began (the dynamic batcher of models with priorities, 2.51).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from workers.domain.priority import Priority

IN_FLIGHT = 4
"""Requests at Triton: a few keep it busy, more would only wait there in place of here."""
BESIDE_LIVE_POSTS = 1
"""Of backfill on a processor, while live posts come."""
LIVE_SECONDS = 10.0
"""So long after a live request live posts are taken to come."""
HELD_SECONDS = 2.0
"""Where live requests never end, one of backfill goes before them each time so long has passed: its posts are in work,
and what comes of the same posts waits for them."""


class Turns(Protocol):
    """Of the requests of one process to one Triton, on its event loop."""

    def turn(self, model: str, priority: Priority) -> AbstractAsyncContextManager[None]:
        """Inside, a request may be at Triton."""


class Slots:
    """``IN_FLIGHT`` of each priority: backfill that waits must not hold back here what Triton takes before it."""

    def __init__(self) -> None:
        self._slots = {priority: asyncio.Semaphore(IN_FLIGHT) for priority in Priority}

    @asynccontextmanager
    async def turn(self, model: str, priority: Priority) -> AsyncIterator[None]:  # noqa: ARG002 - of both together
        """Inside, one of them is taken, whichever model it is."""
        async with self._slots[priority]:
            yield


@dataclass(slots=True, eq=False)
class _Request:
    model: str
    past: bool
    since: float
    granted: asyncio.Future[None]


class OnProcessor:
    """``IN_FLIGHT`` of a model, of which the last that waits is kept back until an answer comes: it wakes Triton.

    None of backfill begins while there is a live one, but for one each ``HELD_SECONDS``; and where there was one
    lately, one at a time does.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._waiting: list[_Request] = []
        self._at_triton: Counter[str] = Counter()
        self._live = self._past = 0  # live ones that are there or wait; those of backfill that are there
        self._live_at = self._past_at = float("-inf")  # when the last live one ended; when the last of backfill went

    @asynccontextmanager
    async def turn(self, model: str, priority: Priority) -> AsyncIterator[None]:
        """In the order in which they came; backfill after the others."""
        granted = asyncio.get_running_loop().create_future()
        request = _Request(model, priority is Priority.BACKFILL, self._monotonic(), granted)
        self._waiting.append(request)
        self._live += not request.past
        self._send()
        try:
            await request.granted
            yield
        finally:
            self._ended(request)

    def _ended(self, request: _Request) -> None:
        if not request.past:
            self._live -= 1
            self._live_at = self._monotonic()
        if request in self._waiting:  # given up
            self._waiting.remove(request)
            self._send()
        else:
            self._at_triton[request.model] -= 1
            self._past -= request.past
            self._send(answered=request.model)

    def _send(self, answered: str | None = None) -> None:
        for model in dict.fromkeys(request.model for request in self._waiting):
            wakes = model == answered
            while line := self._line(model):
                there = self._at_triton[model]
                if there and (there >= IN_FLIGHT or not (wakes or len(line) > 1)):
                    break
                self._grant(line[0])
                wakes = False

    def _line(self, model: str) -> list[_Request]:
        """Those that may go: live ones, or else of backfill."""
        now = self._monotonic()
        live = [each for each in self._waiting if each.model == model and not each.past]
        past = [each for each in self._waiting if each.model == model and each.past]
        if self._live:
            held = past and not self._past and now - max(past[0].since, self._past_at) >= HELD_SECONDS
            return [past[0], *live] if held else live
        few = BESIDE_LIVE_POSTS if now - self._live_at < LIVE_SECONDS else IN_FLIGHT
        return past if self._past < few else []

    def _grant(self, request: _Request) -> None:
        self._waiting.remove(request)
        self._at_triton[request.model] += 1
        if request.past:
            self._past += 1
            self._past_at = self._monotonic()
        if not request.granted.done():
            request.granted.set_result(None)
