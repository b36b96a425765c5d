"""Child processes that outlive their parent, known again by pid and start time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_RECORD_THEN_BECOME = (
    "file=$1; shift; "
    "{ echo $$; cat /proc/sys/kernel/random/boot_id /proc/$$/stat 2>/dev/null || ps -o lstart= -p $$; } "
    '> "$file.part" && mv "$file.part" "$file" && exec "$@"'
)
_TAIL_LINES = 20


@dataclass(frozen=True)
class Process:
    """A process that is surely the one that was started: pids are used again, a pid with its start time is not."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_time(self.pid) == self.started


def start_time(pid: int) -> str | None:
    """When the process of this pid started, as the system writes it; None if there is none (or a zombie)."""
    if not sys.platform.startswith("linux"):
        found = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        state, _, started = found.stdout.strip().partition(" ")
        return None if not state or state.startswith("Z") else " ".join(started.split())
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return identity_of_stat(boot, stat)


def identity_of_stat(boot: str, stat: str) -> str | None:
    """Boot id and start time (in clock ticks since boot, field 22 of proc(5)'s stat); None for a zombie.

    The command, field 2, may hold spaces and parentheses: fields are counted from its last parenthesis.
    """
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{boot.strip()}:{fields[19]}"


def identity_of_record(text: str) -> Process | None:
    """The process that a pid file names; None where the file is not whole."""
    lines = text.splitlines()
    if len(lines) >= 3 and re.fullmatch(r"\d+", lines[0]):
        started = identity_of_stat(lines[1], lines[2])
        return Process(int(lines[0]), started) if started else None
    if len(lines) == 2 and re.fullmatch(r"\d+", lines[0]):
        return Process(int(lines[0]), " ".join(lines[1].split()))
    return None


def recorded(pid_file: Path) -> Process | None:
    """The live process that a pid file names, else None."""
    try:
        process = identity_of_record(pid_file.read_text())
    except FileNotFoundError:
        return None
    return process if process and process.alive() else None


def spawn(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, pid_file: Path) -> Process:
    """Start a command in a session of its own; output goes to ``log``, and it lives on when we end.

    The child writes its own pid file before it becomes the command, so that no crash of ours can leave a server behind
    that nobody knows.
    """
    for path in (cwd, log.parent, pid_file.parent):
        path.mkdir(parents=True, exist_ok=True)
    pid_file.unlink(missing_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["sh", "-c", _RECORD_THEN_BECOME, "sh", str(pid_file), *command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = start_time(child.pid) or "ended"
    # Not ours to wait for: it is meant to outlive us, and Popen would warn of a child it still runs.
    child.returncode = 0
    return Process(child.pid, started)


def stop(process: Process, grace: float) -> None:
    """End a process: SIGTERM, and SIGKILL to its whole session after ``grace`` seconds."""
    if process.alive():
        os.kill(process.pid, signal.SIGTERM)
        if not wait_for_end(process, grace):
            os.killpg(process.pid, signal.SIGKILL)
            wait_for_end(process, grace)


def wait_for_end(process: Process, seconds: float) -> bool:
    """Whether the process ended within so many seconds."""
    deadline = time.monotonic() + seconds
    while process.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log; empty where there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
