"""Whether a request would be answered now: each check by name, asked anew at most every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from workers.core.clock import Clock
from workers.match.ports import Index, QueryEncoder
from workers.match.problems import Problem
from workers.match.search import check_model
from workers.wire.records import Health, Unavailable

Check = Callable[[], Awaitable[None]]
"""Returns where all is well; raises ``Unavailable`` or a ``Problem`` that says what is not."""
OK, BUSY = "ok", "busy or gone"
log = structlog.get_logger()


class StillReading(Exception):
    """The views have not been read to the end yet."""


class Readiness:
    """Ready is when every check passes. ``live`` says whether the process works at all."""

    def __init__(
        self, checks: Mapping[str, Check], live: Callable[[], bool], clock: Clock, seconds: float = 2.0
    ) -> None:
        self._checks, self._live, self._clock, self._seconds = checks, live, clock, seconds
        self._asked_at = float("-inf")
        self._detail: dict[str, str] = {}

    async def health(self) -> Health:
        """What the probes answer from."""
        if self._clock.monotonic() - self._asked_at >= self._seconds or set(self._detail.values()) != {OK}:
            self._detail = dict(zip(self._checks, await asyncio.gather(*map(self._ask, self._checks)), strict=True))
            self._asked_at = self._clock.monotonic()
        return Health(self._live(), all(state == OK for state in self._detail.values()), dict(self._detail))

    async def _ask(self, name: str) -> str:
        try:
            async with asyncio.timeout(self._seconds):
                await self._checks[name]()
        except TimeoutError:
            return f"no answer within {self._seconds:g} s"
        except StillReading:
            return "still being read"
        except Unavailable as error:
            # Probes are open to all: where a server stands, and how it failed, is for the log.
            if self._detail.get(name) != BUSY:
                log.warning("not ready", check=name, reason=str(error))
            return BUSY
        except Problem as error:
            return error.detail
        return OK


def server_checks(index: Index, encoder: QueryEncoder) -> dict[str, Check]:
    """That the index serves the encoder's model, and that the encoder encodes."""

    async def indexed() -> None:
        await check_model(index, encoder)

    async def encoded() -> None:
        await encoder.texts(["ready"])

    return {"index": indexed, "encoder": encoded}


def view_check(ready: Callable[[], bool]) -> Check:
    """That the views have been read to the end once."""

    async def read() -> None:
        if not ready():
            raise StillReading

    return read
