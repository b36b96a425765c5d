"""Which event the process has in hand, on its disk: after a death, the next process knows what it died of.

One event at a time is decided about. It is written down before, and struck out after; a process that dies in between
leaves it there. What died so while nothing else was in flight, three times, is set aside. Costs a microsecond an event:
the file is mapped into memory and the kernel's to keep, since a process dies more often than a machine.
"""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path
from typing import Final

from workers.containment.quarantine import DEATHS
from workers.wire.records import InRecord

_SIZE: Final = 512
_NOTHING: Final = b" " * _SIZE
_KEPT: Final = 100


class InHand:
    """In ``directory``, which is of this process alone. Reads what the former process left there."""

    def __init__(self, directory: Path) -> None:
        self._suspects_file = directory / "suspects.json"
        file = os.open(directory / "in_hand", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            # Written and not only made longer: a hole in a file on a full disk kills whoever writes to its memory.
            os.pwrite(file, os.pread(file, _SIZE, 0).ljust(_SIZE), 0)
            self._page = mmap.mmap(file, _SIZE)
        finally:
            os.close(file)
        self._suspects: dict[str, int] = _read(
            self._suspects_file.read_bytes() if self._suspects_file.exists() else b""
        )
        for event, alone in _read(self._page[:]).items():
            self._suspects[event] = self._suspects.get(event, 0) + alone
            self._save()
        self.put_down()

    def is_suspect(self, record: InRecord) -> bool:
        """Whether it must be alone in flight: a process has died with it in hand."""
        return _event(record) in self._suspects

    def deaths(self, record: InRecord) -> int:
        """How often it died alone, where that is as often as it may; else 0."""
        deaths = self._suspects.get(_event(record), 0)
        return deaths if deaths >= DEATHS else 0

    def take(self, record: InRecord, alone: bool) -> None:
        """Write it down; ``alone``: nothing else is in flight."""
        self._page[:] = json.dumps({_event(record): int(alone)}).encode().ljust(_SIZE)

    def put_down(self, record: InRecord | None = None) -> None:
        """The process has outlived it."""
        self._page[:] = _NOTHING
        if record is not None and self.is_suspect(record) and not self.deaths(record):
            del self._suspects[_event(record)]
            self._save()

    def close(self) -> None:
        """Close the file; what is in hand stays there."""
        self._page.close()

    def _save(self) -> None:
        # What was set aside stays known until much else was: it may come again before its offset is committed.
        self._suspects = dict([*self._suspects.items()][-_KEPT:])
        part = self._suspects_file.with_suffix(".part")
        part.write_text(json.dumps(self._suspects))
        part.replace(self._suspects_file)


def _event(record: InRecord) -> str:
    position = record.position
    return f"{position.topic_id or position.topic}/{position.partition}/{position.offset}"


def _read(text: bytes) -> dict[str, int]:
    """Events and numbers; nothing of what is not ours, or not whole."""
    try:
        said = json.loads(text.strip(b" \0") or b"{}")
    except ValueError:
        return {}
    return {event: n for event, n in said.items() if isinstance(n, int)} if isinstance(said, dict) else {}
