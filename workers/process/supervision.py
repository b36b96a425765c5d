"""A process that is started again when it ends by a law, or is killed: what Kubernetes does elsewhere."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event
from types import FrameType

import structlog

log = structlog.get_logger()
CLEAN, USAGE = 0, 2
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_MOST_DOUBLINGS = 30
_PR_SET_PDEATHSIG = 1


def pauses(first: float, most: float, chance: Callable[[], float]) -> Iterator[float]:
    """Seconds before each start anew: twice as long each time up to ``most``, and by ``chance`` (0 to 1) half of it.

    The chance keeps workers that one outage ended from coming back in step.
    """
    for doublings in range(10**9):
        yield min(first * 2.0 ** min(doublings, _MOST_DOUBLINGS), most) * (0.5 + 0.5 * chance())


def end_with(parent: int, number: int = signal.SIGTERM) -> None:
    """From now on this process gets the signal when its parent ends, even by kill -9; at once if it has ended.

    Linux alone has this: elsewhere nothing happens, and a child outlives a parent that is killed. "Parent" is the
    thread that forked: it must be one that lasts, as the main thread does.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


class Supervisor:
    """Runs ``command`` until it ends well, is used wrongly, or a signal told it to end.

    Where the supervisor itself is killed, the child gets SIGTERM (see ``end_with``).

    A child that lived longer than ``most`` seconds was well: after it the pauses begin with ``first`` again.
    """

    def __init__(self, name: str, command: Sequence[str], first: float, most: float) -> None:
        self._name, self._command, self._first, self._most = name, list(command), first, most
        self._told = Event()
        self._signal = signal.SIGTERM
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """The last child's exit code (128 and the signal's number where one ended it). On the main thread only."""
        with self._signals_passed_on():
            return self._run()

    def _run(self) -> int:
        waits = self._pauses()
        while True:
            born = time.monotonic()
            code = self._run_once()
            lived = time.monotonic() - born
            if code in (CLEAN, USAGE) or self._told.is_set():
                return code
            if lived > self._most:
                waits = self._pauses()
            seconds = next(waits)
            log.warning(
                "ended, starting it again", worker=self._name, code=code, lived=round(lived, 1), after=round(seconds, 2)
            )
            if self._told.wait(seconds):
                return code

    def _run_once(self) -> int:
        # Between fork and exec nothing may wait for another thread; a supervisor has one.
        bind = partial(end_with, os.getpid())
        self._child = child = subprocess.Popen(self._command, preexec_fn=bind)  # noqa: PLW1509
        if self._told.is_set():
            child.send_signal(self._signal)
        code = child.wait()
        return 128 - code if code < 0 else code

    def _pauses(self) -> Iterator[float]:
        return pauses(self._first, self._most, random.random)

    @contextmanager
    def _signals_passed_on(self) -> Iterator[None]:
        def pass_on(number: int, _frame: FrameType | None) -> None:
            self._signal = signal.Signals(number)
            self._told.set()
            if self._child is not None:
                self._child.send_signal(number)

        before = {number: signal.signal(number, pass_on) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
