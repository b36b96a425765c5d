"""What each server is doing, a line each: redrawn on a terminal, written once per change elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from workers.stack.recipe import Report

_REMIND_SECONDS = 30.0


class Board:
    """The board of one ``up`` or ``down``. ``begin`` gives what a recipe reports to; safe to use from many threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._lines: dict[str, tuple[str, float, float | None]] = {}
        self._ended = threading.Event()
        self._live = (
            Live(get_renderable=self._table, console=console, refresh_per_second=4) if console.is_terminal else None
        )
        self._reminder = threading.Thread(target=self._remind, daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        else:
            self._reminder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._live:
            self._live.stop()
        else:
            self._reminder.join()

    def begin(self, name: str) -> Report:
        """A line of its own for ``name``, its clock started."""
        with self._lock:
            self._lines[name] = ("", time.monotonic(), None)

        def report(state: str) -> None:
            self._set(name, state, ended=False)

        return report

    def end(self, name: str, state: str) -> None:
        """The line's last state; its clock stops."""
        self._set(name, state, ended=True)

    def _set(self, name: str, state: str, ended: bool) -> None:
        with self._lock:
            before, began, _ = self._lines[name]
            now = time.monotonic()
            self._lines[name] = (state, began, now if ended else None)
            if not self._live and (state != before or ended):
                self._console.print(f"{name}: {state} ({now - began:.1f} s)", highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            lines = list(self._lines.items())
        for name, (state, began, ended) in lines:
            table.add_row(name, f"{(ended or time.monotonic()) - began:6.1f} s", state)
        return table

    def _remind(self) -> None:
        while not self._ended.wait(_REMIND_SECONDS):
            for name, state, seconds in self._busy():
                self._console.print(f"{name}: still {state} ({seconds:.0f} s)", highlight=False, soft_wrap=True)

    def _busy(self) -> Iterable[tuple[str, str, float]]:
        now = time.monotonic()
        with self._lock:
            running = [(n, state, now - began) for n, (state, began, ended) in self._lines.items() if ended is None]
        return [row for row in running if row[2] >= _REMIND_SECONDS]
