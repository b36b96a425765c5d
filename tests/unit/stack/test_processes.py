"""Children that outlive us are known again, and never taken for others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import eventually
from workers.stack.processes import (
    Process,
    identity_of_record,
    identity_of_stat,
    recorded,
    spawn,
    start_time,
    stop,
    tail,
)

REST = "1 10 10 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 137956 2883584 433"
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


def started(tmp_path: Path, command: list[str]) -> Process:
    """A child of ours, its files in ``tmp_path``."""
    return spawn(
        command,
        env=dict(os.environ),
        cwd=tmp_path,
        log=tmp_path / "logs" / "x.log",
        pid_file=tmp_path / "pids" / "x.pid",
    )


@pytest.mark.parametrize("command", ["(java)", "(a b)", "(odd) S (name)"])
def test_the_start_time_is_found_whatever_the_command_is_called(command: str) -> None:
    """Spaces and parentheses in a name do not shift the fields."""
    assert identity_of_stat("boot\n", f"10 {command} S {REST}") == "boot:137956"


def test_a_zombie_is_no_process() -> None:
    """It has ended; only its parent has not looked yet."""
    assert identity_of_stat("boot", f"10 (x) Z {REST}") is None


@pytest.mark.parametrize("text", ["", "10\n", "ten\nboot\n10 (x) S 1\n"])
def test_a_pid_file_that_is_not_whole_names_no_process(text: str) -> None:
    """A crash may have cut it."""
    assert identity_of_record(text) is None


def test_a_pid_file_of_a_system_without_proc_holds_the_start_as_ps_writes_it() -> None:
    """Two lines; runs of spaces do not matter."""
    assert identity_of_record("10\nMon Nov  2 08:00:00 2026\n") == Process(10, "Mon Nov 2 08:00:00 2026")


def test_a_pid_used_again_is_never_ours(tmp_path: Path) -> None:
    """Our own pid with another start time stands for a recycled one."""
    file = tmp_path / "x.pid"
    file.write_text(f"{os.getpid()}\nanother-boot\n{os.getpid()} (x) S {REST}\n")
    assert recorded(file) is None


def test_a_pid_that_nobody_has_is_not_alive() -> None:
    """No error: it is simply not there."""
    assert start_time(2**22 + 1) is None


def test_a_child_is_in_a_session_of_its_own_and_known_by_its_pid_file(tmp_path: Path) -> None:
    """It lives on when the shell that ran `up` closes."""
    process = started(tmp_path, SLEEP)
    try:
        found = eventually(lambda: recorded(tmp_path / "pids" / "x.pid"), 10)
        assert found == process
        assert os.getsid(process.pid) == process.pid
    finally:
        stop(process, 5)
    assert recorded(tmp_path / "pids" / "x.pid") is None


def test_a_child_outlives_its_parent(tmp_path: Path) -> None:
    """The parent ends at once; the child is still found and can be stopped."""
    program = (
        "import os, sys; from pathlib import Path; from workers.stack.processes import spawn\n"
        f"root = Path({str(tmp_path)!r})\n"
        f"spawn({SLEEP!r}, env=dict(os.environ), cwd=root, log=root / 'x.log', pid_file=root / 'x.pid')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    process = eventually(lambda: recorded(tmp_path / "x.pid"), 10)
    assert process is not None
    stop(process, 5)
    assert not process.alive()


def test_a_child_deaf_to_sigterm_is_killed_at_its_deadline(tmp_path: Path) -> None:
    """`down` ends."""
    process = started(tmp_path, [sys.executable, "-c", STUBBORN])
    eventually(lambda: "deaf" in tail(tmp_path / "logs" / "x.log"), 10)
    stop(process, 0.3)
    assert not process.alive()


def test_a_process_that_ended_is_not_stopped_again(tmp_path: Path) -> None:
    """Its pid may be somebody else's by now."""
    stop(Process(os.getpid(), "not this one"), 1)


def test_only_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    """Twenty lines; nothing where there is no log."""
    log = tmp_path / "x.log"
    assert tail(log) == ""
    log.write_text("".join(f"{n}\n" for n in range(100)))
    assert tail(log).splitlines() == [str(n) for n in range(80, 100)]
