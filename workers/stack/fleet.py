"""The workers of a local stack: started as processes of their own, found again by pid and start time, stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from workers.config import Settings, child_environment
from workers.stack.errors import StackError
from workers.stack.processes import Process, recorded, spawn, stop, tail
from workers.stack.progress import Board
from workers.stack.record import StackFiles
from workers.stack.status import ServerStatus, running_workers, worker_status

WORKERS = ("embedder", "creators", "indexer", "outcomes", "match")
_READY_SECONDS = 120.0


class WorkerEndedError(StackError):
    """A worker ended that should run."""


class Fleet:
    """The workers that this data directory started. Each is one process; logs lie beside the servers' logs."""

    def __init__(self, settings: Settings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._files = StackFiles(settings.data_dir)

    def start(self, names: Sequence[str] = WORKERS) -> dict[str, str]:
        """Every worker ready; their addresses by name. Raises WorkerEndedError with the end of the log."""
        processes = {name: self._running(name) or self._spawn(name) for name in names}
        with ThreadPoolExecutor(len(names)) as pool:
            found = pool.map(lambda name: self._wait(name, processes[name]), names)
            return {line.name: line.address or "" for line in found}

    def process(self, name: str) -> Process | None:
        """The worker's live process, if this stack started one."""
        return self._running(name)

    def check(self, names: Sequence[str] = WORKERS) -> None:
        """Raise WorkerEndedError naming the first worker that no longer runs."""
        for name in names:
            if self._running(name) is None:
                raise WorkerEndedError(f"{name} ended; its log ends:\n{tail(self._files.log(name))}")

    def stop(self, grace: float) -> list[str]:
        """Stop every worker that was started here; their names. Each has ``grace`` seconds to drain."""
        running = [(name, process) for name in WORKERS if (process := self._running(name)) is not None]
        for name, _ in running:
            self._board.begin(name)("draining")
        with ThreadPoolExecutor(max(1, len(running))) as pool:
            list(pool.map(lambda row: stop(row[1], grace), running))
        for name, _ in running:
            self._board.end(name, "stopped")
        for name in WORKERS:
            self._files.pid_file(name).unlink(missing_ok=True)
        return [name for name, _ in running]

    def _running(self, name: str) -> Process | None:
        return recorded(self._files.pid_file(name))

    def _spawn(self, name: str) -> Process:
        return spawn(
            [sys.executable, "-m", "workers", "run", name],
            env=child_environment(self._settings),
            cwd=self._files.root,
            log=self._files.log(name),
            pid_file=self._files.pid_file(name),
        )

    def _wait(self, name: str, process: Process) -> ServerStatus:
        report = self._board.begin(name)
        report("starting")
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            for worker in running_workers(self._files.workers):
                if worker.name == name and worker.pid == process.pid and (line := worker_status(worker)).ready:
                    self._board.end(name, f"ready on {line.address}")
                    return line
            if not process.alive():
                self._board.end(name, "ended")
                raise WorkerEndedError(
                    f"{name} ended while it was starting; its log ends:\n{tail(self._files.log(name))}"
                )
            if time.monotonic() > deadline:
                self._board.end(name, "not ready")
                raise WorkerEndedError(
                    f"{name} is not ready after {_READY_SECONDS:.0f} s; its log ends:\n{tail(self._files.log(name))}"
                )
            time.sleep(0.2)
