"""File locks that the system lets go of when their holder dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.stack.recipe import Report


@contextmanager
def locked(path: Path, report: Report, waiting_for: str) -> Iterator[None]:
    """Hold the lock at ``path``; says through ``report`` what it is waiting for where another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for {waiting_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
