"""Checks side by side, each within its time: one that hangs is a finding and holds up nobody."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from workers.doctor.findings import UNREACHABLE, Finding, wrong

Check = Callable[[], Sequence[Finding]]


def run_checks(checks: Mapping[str, Check], seconds: float, done: Callable[[str], None]) -> list[Finding]:
    """The findings of all checks by name, in their order; ``done`` hears each name as it ends.

    Threads that end with the process: a library that never answers cannot keep the doctor from leaving.
    """
    answers: queue.Queue[tuple[str, Sequence[Finding]]] = queue.Queue()

    def run(name: str, check: Check) -> None:
        try:
            found = check()
        except Exception as error:  # noqa: BLE001 - whatever a check dies of is what it found
            what = f"the check failed: {type(error).__name__}: {error}"[:500]
            found = [wrong(name, what, "read the message; if it does not help, report it as a fault of the doctor")]
        answers.put((name, found))

    for name, check in checks.items():
        threading.Thread(target=run, args=(name, check), name=f"doctor-{name}", daemon=True).start()
    found: dict[str, Sequence[Finding]] = {}
    deadline = time.monotonic() + seconds
    while len(found) < len(checks):
        try:
            name, findings = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[name] = findings
        done(name)
    late = f"no answer within {seconds:g} s"
    todo = "see whether that server is frozen or a firewall swallows what is sent to it"
    return [each for name in checks for each in found.get(name, [wrong(name, late, todo, UNREACHABLE)])]
