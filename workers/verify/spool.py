"""Compacted topics as their readers know them, on disk: the newest record of each key, keys in order.

Beside them, by kind and key, what a comparison expects to find. Memory stays flat however much there is; the file is
private, and gone with the process.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import orjson

from workers.wire.records import InRecord, Position

_TABLE: Final = """
    CREATE TABLE newest (
        topic TEXT, key BLOB, part INT, place INT, at INT, headers BLOB, value BLOB, PRIMARY KEY (topic, key)
    )
"""
_EXPECTED: Final = "CREATE TABLE expected (kind TEXT, key BLOB, value BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID"
_NEWEST: Final = """
    INSERT INTO newest VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (topic, key) DO UPDATE SET
        part = excluded.part, place = excluded.place, at = excluded.at, headers = excluded.headers,
        value = excluded.value
    WHERE (excluded.part, excluded.place) > (newest.part, newest.place)
"""
_RECORD: Final = "SELECT key, part, place, at, headers, value FROM newest"


class Spool:
    """``newest``, ``find`` and ``scan`` answer records by topic and key; ``expected`` and ``expectations`` the rest.

    Of a key that lies on two partitions the greater partition's counts.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="streamscout-verify-")
        self._database = sqlite3.connect(Path(self._folder.name) / "newest.sqlite", isolation_level=None)
        # Nothing here must outlive the process: no journal, no waiting for the disk.
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            _TABLE,
            _EXPECTED,
            "BEGIN",
        ):
            self._database.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def clear(self) -> None:
        """Forget everything."""
        self._database.execute("DELETE FROM newest")
        self._database.execute("DELETE FROM expected")

    def put(self, record: InRecord) -> None:
        """Take a record, tombstones too; those of a partition in their order. One without a key says nothing."""
        if record.key is None:
            return
        position = record.position
        headers = orjson.dumps([(name, value.decode("latin-1")) for name, value in record.headers if value is not None])
        row = (position.topic, record.key, position.partition, position.offset, record.timestamp_ms, headers)
        self._database.execute(_NEWEST, (*row, record.value))

    def count(self, topic: str) -> int:
        """Keys that are not deleted."""
        query = "SELECT count(*) FROM newest WHERE topic = ? AND value IS NOT NULL"
        return int(self._database.execute(query, (topic,)).fetchone()[0])

    def newest(self, topic: str) -> Iterator[InRecord]:
        """The newest record of each key that is not deleted, by key as bytes."""
        for row in self._database.execute(f"{_RECORD} WHERE topic = ? AND value IS NOT NULL ORDER BY key", (topic,)):
            yield _record(topic, row)

    def find(self, topic: str, key: bytes) -> InRecord | None:
        """The newest record of a key; None for one that is deleted or was never there."""
        query = f"{_RECORD} WHERE topic = ? AND key = ? AND value IS NOT NULL"
        row = self._database.execute(query, (topic, key)).fetchone()
        return None if row is None else _record(topic, row)

    def scan(self, topic: str, prefix: bytes) -> Iterator[InRecord]:
        """The newest records of the keys that begin so, by key."""
        query = f"{_RECORD} WHERE topic = ? AND key >= ? AND value IS NOT NULL ORDER BY key"
        for row in self._database.execute(query, (topic, prefix)):
            if not row[0].startswith(prefix):
                return
            yield _record(topic, row)

    def expect(self, kind: str, key: bytes, value: bytes = b"") -> None:
        """Something that must be found under this key."""
        self._database.execute("INSERT OR REPLACE INTO expected VALUES (?, ?, ?)", (kind, key, value))

    def expected(self, kind: str, key: bytes) -> bytes | None:
        """What must be found under a key; None for nothing."""
        row = self._database.execute("SELECT value FROM expected WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if row is None else row[0]

    def expectations(self, kind: str) -> Iterator[tuple[bytes, bytes]]:
        """Everything of a kind that must be found, by key."""
        yield from self._database.execute("SELECT key, value FROM expected WHERE kind = ? ORDER BY key", (kind,))


def _record(topic: str, row: tuple[bytes, int, int, int, bytes, bytes]) -> InRecord:
    key, part, place, at, headers, value = row
    names = tuple((name, text.encode("latin-1")) for name, text in orjson.loads(headers))
    return InRecord(Position(topic, part, place), key, value, names, at)
