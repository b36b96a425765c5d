"""A worker's note that it runs, for ``streamscout status``: ``<data_dir>/workers/<name>-<pid>.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


@contextmanager
def presence(data_dir: Path, name: str, health_url: str) -> Iterator[None]:
    """The note stands while the body runs. After a kill it is left behind: readers ask the pid."""
    note = data_dir / "workers" / f"{name}-{os.getpid()}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    part = note.with_suffix(".part")
    part.write_text(
        json.dumps(
            {"name": name, "pid": os.getpid(), "started_at": datetime.now(UTC).isoformat(), "health_url": health_url}
        )
    )
    part.replace(note)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
