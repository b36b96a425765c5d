"""A worker's process around its loop: logging, signals, health, the note of its presence, and its exit code."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog

from workers.config import Settings
from workers.core.clock import SystemClock
from workers.core.lease import Lease
from workers.core.loop import DeadlinePassed, Loop
from workers.process.health import HealthServer
from workers.process.logs import configure_logging
from workers.process.presence import presence
from workers.wire.records import ProduceFailed, Unavailable

CLEAN, UNREACHABLE, ENDED_BY_A_LAW = 0, 3, 4
Bootstrap = Callable[[Lease], AbstractAsyncContextManager[Loop[Any]]]
log = structlog.get_logger()


def run_worker(name: str, settings: Settings, bootstrap: Bootstrap) -> int:
    """Run the loop that ``bootstrap`` wires until SIGTERM or SIGINT; SIGUSR1 closes its breaker.

    The lease is for the handler to ask before stores.

    Returns 0 after a clean stop, 3 when a server cannot be reached at start, 4 when a law ended the process: events in
    flight are uncommitted, and a supervisor starts it again. Whatever else escapes is a fault and is raised.
    """
    configure_logging(settings)
    log.info("starting", worker=name, **settings.masked())
    try:
        asyncio.run(_run(name, settings, bootstrap))
    except Unavailable as error:
        log.error("a server cannot be reached", worker=name, reason=str(error))  # noqa: TRY400 - the message says it all
        return UNREACHABLE
    except (ProduceFailed, DeadlinePassed) as error:
        log.error("ended by a law", worker=name, law=type(error).__name__, reason=str(error))  # noqa: TRY400
        return ENDED_BY_A_LAW
    log.info("stopped", worker=name)
    return CLEAN


async def _run(name: str, settings: Settings, bootstrap: Bootstrap) -> None:
    async with bootstrap(Lease(settings.session_timeout_ms / 2000, SystemClock())) as loop:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, loop.stop)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, loop.resume)
        with (
            HealthServer(settings.health_host, settings.health_port, loop.health) as server,
            presence(settings.data_dir, name, server.address),
        ):
            await loop.run()
