"""Up and down, with a small server of our own instead of the real ones: a Python program that listens."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from tests.waiting import eventually
from workers.config import Settings
from workers.stack import processes
from workers.stack.errors import ServerUnavailableError
from workers.stack.launcher import Launcher
from workers.stack.ports import connects
from workers.stack.processes import Process
from workers.stack.progress import Board
from workers.stack.recipe import Place, Report
from workers.stack.record import StackFiles

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
END = "print('the disk is full', flush=True); raise SystemExit(1)"


@dataclass
class Listener:
    """A server that any machine has; it stands for ``setting``."""

    name: str = "listener"
    setting: str = "kafka_bootstrap"
    program: str = LISTEN
    version: str = "1"
    ports: tuple[str, ...] = ("main",)
    starts: list[int] = field(default_factory=list)

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {self.setting: f"127.0.0.1:{ports['main']}"}

    def given(self, settings: Settings) -> dict[str, str]:
        address = getattr(settings, self.setting)
        return {self.setting: address} if address else {}

    def fingerprint(self, settings: Settings) -> str:
        return self.version

    def install(self, cache: Path, report: Report) -> Path:
        return cache

    def start(self, place: Place) -> Process:
        self.starts.append(place.ports["main"])
        (place.data).mkdir(parents=True, exist_ok=True)
        (place.data / "kept").write_text("")
        command = [sys.executable, "-c", self.program, str(place.ports["main"])]
        return processes.spawn(command, env=dict(os.environ), cwd=place.data, log=place.log, pid_file=place.pid_file)

    def ready(self, addresses: Mapping[str, str], settings: Settings) -> bool:
        return connects(addresses[self.setting])

    def stop(self, process: Process) -> None:
        processes.stop(process, 5)


@dataclass
class Stack:
    """One data directory."""

    root: Path
    listener: Listener
    given: str | None = None

    @property
    def files(self) -> StackFiles:
        return StackFiles(self.root)

    @property
    def launcher(self) -> Launcher:
        settings = Settings(data_dir=self.root, cache_dir=self.root / "cache", kafka_bootstrap=self.given)
        return Launcher(settings, Board(Console(file=io.StringIO())))

    def up(self, *more: Listener) -> Settings:
        return self.launcher.up([self.listener, *more])

    def down(self, *more: Listener, wipe: bool = False) -> list[str]:
        return self.launcher.down([self.listener, *more], wipe)

    def process(self) -> Process:
        return eventually(lambda: self.files.process("listener"), 5)  # type: ignore[return-value]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that is stopped at the end, whatever the test did."""
    one = Stack(tmp_path / "one", Listener())
    yield one
    one.given = None
    one.down()


def test_up_starts_a_server_and_says_where_it_is(stack: Stack) -> None:
    """The settings that come back, and stack.json, have its address."""
    settings = stack.up()
    assert connects(settings.kafka_bootstrap or "")
    assert stack.files.load().addresses == {"kafka_bootstrap": settings.kafka_bootstrap}


def test_a_second_up_finds_the_first(stack: Stack) -> None:
    """The same process, the same address, nothing started."""
    first, process = stack.up(), stack.process()
    assert stack.up() == first
    assert stack.process() == process
    assert len(stack.listener.starts) == 1


def test_a_server_that_died_comes_back_on_its_data_and_port(stack: Stack) -> None:
    """A kill -9 costs a restart, no address changes."""
    first, process = stack.up(), stack.process()
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not process.alive(), 5)
    assert stack.up() == first
    assert stack.process() != process


def test_down_stops_what_up_started_and_keeps_its_data(stack: Stack) -> None:
    """The address is gone from stack.json, the data is not."""
    stack.up()
    process = stack.process()
    assert stack.down() == ["listener"]
    assert not process.alive()
    assert stack.files.load().addresses == {}
    assert (stack.files.data("listener") / "kept").exists()


def test_down_twice_stops_nothing_twice(stack: Stack) -> None:
    """And down before any up."""
    assert stack.down() == []
    stack.up()
    assert stack.down() == ["listener"]
    assert stack.down() == []


def test_down_with_wipe_removes_the_data(stack: Stack) -> None:
    """The next up starts empty."""
    stack.up()
    stack.down(wipe=True)
    assert not stack.files.data("listener").exists()


def test_down_finds_a_server_after_a_crash_that_wrote_nothing(stack: Stack) -> None:
    """The child's own pid file is enough: stack.json may be lost."""
    stack.up()
    process = stack.process()
    stack.files.stack.unlink()
    assert stack.down() == ["listener"]
    assert not process.alive()


def test_a_given_address_is_used_and_never_started_or_stopped(stack: Stack, tmp_path: Path) -> None:
    """Another stack's server stands for one that a person runs."""
    other = Stack(tmp_path / "other", Listener())
    stack.given = other.up().kafka_bootstrap
    try:
        assert stack.up().kafka_bootstrap == stack.given
        assert stack.listener.starts == []
        assert stack.down() == []
        assert connects(stack.given or "")
    finally:
        other.down()


def test_a_given_address_that_is_our_own_is_ours(stack: Stack) -> None:
    """The settings read it from stack.json: a server that died must still come back."""
    stack.given = stack.up().kafka_bootstrap
    process = stack.process()
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not process.alive(), 5)
    assert stack.up().kafka_bootstrap == stack.given
    assert stack.process() != process


def test_a_given_address_where_nobody_answers_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the setting that gave it."""
    monkeypatch.setattr("workers.stack.launcher._REACH_SECONDS", 0.1)
    stack.given = "127.0.0.1:1"
    with pytest.raises(ServerUnavailableError, match=r":1, the address given in STREAMSCOUT_KAFKA_BOOTSTRAP"):
        stack.up()


def test_a_server_that_ends_while_it_starts_fails_at_once_with_the_end_of_its_log(stack: Stack) -> None:
    """What it said is the first thing one wants to know."""
    stack.listener.program = END
    with pytest.raises(ServerUnavailableError, match=r"(?s)listener ended while it was starting.*the disk is full"):
        stack.up()
    assert stack.files.load().addresses == {}


def test_a_server_that_fails_does_not_stop_its_neighbour(stack: Stack) -> None:
    """The next up starts only what is missing."""
    broken = Listener("broken", "triton_url", END)
    with pytest.raises(ServerUnavailableError, match="broken ended"):
        stack.up(broken)
    process = stack.process()
    broken.program = LISTEN
    stack.up(broken)
    assert stack.process() == process
    assert sorted(stack.down(broken)) == ["broken", "listener"]


def test_a_server_of_another_version_is_replaced(stack: Stack) -> None:
    """The pinned version is the one that runs."""
    stack.up()
    process = stack.process()
    stack.listener.version = "2"
    stack.up()
    assert not process.alive()
    assert stack.files.load().servers["listener"].version == "2"


def test_two_data_directories_run_side_by_side(stack: Stack, tmp_path: Path) -> None:
    """Own ports, own processes; one goes down alone."""
    other = Stack(tmp_path / "other", Listener())
    mine, theirs = stack.up(), other.up()
    assert mine.kafka_bootstrap != theirs.kafka_bootstrap
    other.down()
    assert connects(mine.kafka_bootstrap or "")
