"""How far a long reading or writing is: a bar on standard error for what takes over two seconds."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_AFTER_SECONDS: Final = 2.0
_EVERY_SECONDS: Final = 0.1


class Bar:
    """One line for each thing that is done, gone when all is."""

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

    def told(self, what: str, done: int, total: int | None) -> None:
        """Called as often as one likes; drawn ten times a second at most."""
        now = time.monotonic()
        if what in self._tasks and done != total and now - self._told < _EVERY_SECONDS:
            return
        self._told = now
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        if now >= self._from and not self._progress.live.is_started:
            self._progress.start()
        self._progress.update(self._tasks[what], completed=done, total=total)
