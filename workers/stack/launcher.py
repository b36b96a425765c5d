"""Bringing the servers up and down: the story of ``streamscout up`` and ``down``."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from workers.config import Settings
from workers.stack.errors import ServerUnavailableError, StackError
from workers.stack.kafka import Kafka
from workers.stack.locks import locked
from workers.stack.ports import choose_ports
from workers.stack.processes import Process, tail
from workers.stack.progress import Board
from workers.stack.recipe import Place, Recipe, Report
from workers.stack.record import Record, Server, StackFiles
from workers.stack.schema_registry import SchemaRegistry
from workers.stack.triton import Triton
from workers.stack.weaviate import Weaviate

RECIPES: Final[tuple[Recipe, ...]] = (Kafka(), SchemaRegistry(), Weaviate(), Triton())
_START_SECONDS: Final = 180.0
_REACH_SECONDS: Final = 5.0
_LOCK_NAME: Final = "streamscout"


@dataclass
class Launcher:
    """Starts and stops the servers of one data directory; one at a time per directory."""

    settings: Settings
    board: Board

    def __post_init__(self) -> None:
        self.files = StackFiles(self.settings.data_dir)
        self.cache = self.settings.cache_dir.expanduser().resolve()
        self._record = Record()
        self._saving = threading.Lock()

    def up(self, recipes: Sequence[Recipe]) -> Settings:
        """Every server ready; the settings with their addresses. Raises ServerUnavailableError naming each that is not.

        What started stays when another server fails: the next ``up`` finds it and ``down`` stops it.
        """
        report = self.board.begin(_LOCK_NAME)
        with locked(self.files.lock, report, "another `streamscout` that starts or stops this stack"):
            self.board.end(_LOCK_NAME, f"servers of {self.files.root}")
            self._record = self.files.load()
            with ThreadPoolExecutor(len(recipes), thread_name_prefix="up") as pool:
                futures = {recipe.name: pool.submit(self._bring_up, recipe) for recipe in recipes}
            failed = [str(error) for future in futures.values() if (error := self._failure(future.exception()))]
            if failed:
                raise ServerUnavailableError("\n".join(failed))
            addresses = {key: value for future in futures.values() for key, value in future.result().items()}
            return self.settings.model_copy(update=addresses)

    def down(self, recipes: Sequence[Recipe], wipe: bool) -> list[str]:
        """Stop what ``up`` started here, and with ``wipe`` remove its data; the names of what was stopped."""
        report = self.board.begin(_LOCK_NAME)
        with locked(self.files.lock, report, "another `streamscout` that starts or stops this stack"):
            self.board.end(_LOCK_NAME, f"servers of {self.files.root}")
            self._record = self.files.load()
            with ThreadPoolExecutor(len(recipes), thread_name_prefix="down") as pool:
                stopped = [name for name in pool.map(self._bring_down, recipes) if name]
            if wipe:
                # The workers' tables are read up to an offset of changelogs that are gone then.
                for folder in (*(self.files.data(recipe.name) for recipe in recipes), self.files.tables):
                    shutil.rmtree(folder, ignore_errors=True)
            return stopped

    @staticmethod
    def _failure(error: BaseException | None) -> StackError | None:
        if error is not None and not isinstance(error, StackError):
            raise error
        return error

    def _bring_up(self, recipe: Recipe) -> dict[str, str]:
        report = self.board.begin(recipe.name)
        try:
            addresses = self._reached(recipe, report) or self._running(recipe, report) or self._started(recipe, report)
        except BaseException as error:
            self.board.end(recipe.name, "failed" if isinstance(error, StackError) else "stopped")
            raise
        return addresses

    def _given(self, recipe: Recipe) -> dict[str, str]:
        """The addresses that a person gave: those that we wrote ourselves come back through the settings too."""
        given, ours = recipe.given(self.settings), self._record.servers.get(recipe.name)
        return {} if ours and set(given.values()) <= set(ours.addresses.values()) else given

    def _reached(self, recipe: Recipe, report: Report) -> dict[str, str]:
        given = self._given(recipe)
        if not given:
            return {}
        shown = ", ".join(given.values())
        report(f"asking the given {shown}")
        deadline = time.monotonic() + _REACH_SECONDS
        while not recipe.ready(given, self.settings):
            if time.monotonic() > deadline:
                setting = f"STREAMSCOUT_{next(iter(given)).upper()}"
                raise ServerUnavailableError(
                    f"{recipe.name} does not answer at {shown}, the address given in {setting}."
                )
            time.sleep(0.5)
        self.board.end(recipe.name, f"reached at {shown}, not ours to start")
        return given

    def _running(self, recipe: Recipe, report: Report) -> dict[str, str]:
        process, server = self.files.process(recipe.name), self._record.servers.get(recipe.name)
        if not process or not server:
            return {}
        if server.fingerprint != recipe.fingerprint(self.settings):
            report("stopping, it was started with another version or model")
            recipe.stop(process)
            return {}
        self._wait(recipe, server, process, report)
        self._save(recipe.name, server, process)
        self.board.end(recipe.name, f"was running on {next(iter(server.addresses.values()))}")
        return server.addresses

    def _started(self, recipe: Recipe, report: Report) -> dict[str, str]:
        home = recipe.install(self.cache, report)
        before = self._record.servers.get(recipe.name)
        with self._saving:
            others = {
                p for name, other in self._record.servers.items() if name != recipe.name for p in other.ports.values()
            }
            ports = choose_ports(recipe.ports, before.ports if before else {}, others)
            server = Server(
                version=recipe.version,
                fingerprint=recipe.fingerprint(self.settings),
                ports=ports,
                addresses=recipe.addresses(ports),
            )
            self._record.servers[recipe.name] = server
        report("starting")
        log, pid_file = self.files.log(recipe.name), self.files.pid_file(recipe.name)
        process = recipe.start(Place(home, self.files.data(recipe.name), log, pid_file, ports, self.settings))
        self._save(recipe.name, server, process)
        self._wait(recipe, server, process, report)
        self.board.end(recipe.name, f"ready on {next(iter(server.addresses.values()))}")
        return server.addresses

    def _wait(self, recipe: Recipe, server: Server, process: Process, report: Report) -> None:
        log = self.files.log(recipe.name)
        deadline = time.monotonic() + _START_SECONDS
        while not recipe.ready(server.addresses, self.settings):
            if not process.alive():
                self._save(recipe.name, server, None, up=False)
                raise ServerUnavailableError(f"{recipe.name} ended while it was starting; {log} ends:\n{tail(log)}")
            if time.monotonic() > deadline:
                raise ServerUnavailableError(
                    f"{recipe.name} is not ready after {_START_SECONDS:.0f} s; {log} ends:\n{tail(log)}"
                )
            report("waiting until it is ready")
            time.sleep(0.1)

    def _bring_down(self, recipe: Recipe) -> str | None:
        process, server = self.files.process(recipe.name), self._record.servers.get(recipe.name)
        if process:
            self.board.begin(recipe.name)("stopping")
            recipe.stop(process)
            self.board.end(recipe.name, "stopped")
        self.files.pid_file(recipe.name).unlink(missing_ok=True)
        if server:
            self._save(recipe.name, server, None, up=False)
        return recipe.name if process else None

    def _save(self, name: str, server: Server, process: Process | None, up: bool = True) -> None:
        with self._saving:
            server.pid, server.started = (process.pid, process.started) if process else (None, None)
            self._record.servers[name] = server
            for setting, address in server.addresses.items():
                if up:
                    self._record.addresses[setting] = address
                elif self._record.addresses.get(setting) == address:
                    del self._record.addresses[setting]
            self.files.save(self._record)
