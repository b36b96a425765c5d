"""A compacted topic as its readers know it, on disk: the newest record of each key, keys in order.

Memory stays flat however large the topic is; the file is private, and gone with the process.
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
_NEWEST: Final = """
    INSERT INTO newest VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (topic, key) DO UPDATE SET
        part = excluded.part, place = excluded.place, at = excluded.at, headers = excluded.headers,
        value = excluded.value
    WHERE (excluded.part, excluded.place) > (newest.part, newest.place)
"""


class Spool:
    """Newest records by topic and key. Of a key that lies on two partitions the greater partition's counts."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="streamscout-verify-")
        self._database = sqlite3.connect(Path(self._folder.name) / "newest.sqlite", isolation_level=None)
        # Nothing here must outlive the process: no journal, no waiting for the disk.
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            _TABLE,
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
        rows = self._database.execute(
            "SELECT key, part, place, at, headers, value FROM newest"
            " WHERE topic = ? AND value IS NOT NULL ORDER BY key",
            (topic,),
        )
        for key, part, place, at, headers, value in rows:
            names = tuple((name, text.encode("latin-1")) for name, text in orjson.loads(headers))
            yield InRecord(Position(topic, part, place), key, value, names, at)
