"""How far a long reading is: a bar on standard error for what takes over two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_AFTER_SECONDS: Final = 2.0
_EVERY_SECONDS: Final = 0.1

Told = Callable[[str, int, int | None], None]
"""Told what is done, how many of it so far, and of how many in all where that is known."""


class Bar:
    """A line for each thing that is done, in the order in which they begin."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._from = time.monotonic() + _AFTER_SECONDS
        self._tasks: dict[str, TaskID] = {}
        self._told = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def told(self, name: str, done: int, total: int | None = None) -> None:
        """Called as often as one likes; drawn ten times a second at most."""
        now = time.monotonic()
        if name in self._tasks and now - self._told < _EVERY_SECONDS:
            return
        self._told = now
        if name not in self._tasks:
            for task in self._tasks.values():
                self._progress.stop_task(task)
            self._tasks[name] = self._progress.add_task(name, total=total)
        if now >= self._from and not self._progress.live.is_started:
            self._progress.start()
        self._progress.update(self._tasks[name], completed=done, total=total)
