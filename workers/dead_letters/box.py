"""All dead letters, each once: copies of one event are one letter, and what was done about it stands beside it.

They are kept on disk, so that memory stays flat however many there are; the file is private, and gone with the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal

from workers.domain.events import DeadLetterResolved
from workers.wire.letters import Letter, read_letter
from workers.wire.records import InRecord, Position

State = Literal["dead", "replayed", "dropped"]
_LETTERS: Final = """
    CREATE TABLE letters (
        worker TEXT, id TEXT, content BLOB, reason TEXT, detail TEXT, first_seen TEXT, died_at REAL, attempts INT,
        replays INT, key BLOB, from_topic TEXT, from_partition INT, from_offset INT,
        in_topic TEXT, in_partition INT, in_offset INT, in_topic_id TEXT, size INT, copies INT,
        PRIMARY KEY (worker, id, content)
    ) WITHOUT ROWID
"""
_RESOLUTIONS: Final = "CREATE TABLE resolutions (worker TEXT, id TEXT, said TEXT, PRIMARY KEY (worker, id))"
# Lives before times: what was replayed more often died later, whatever a clock says.
_PUT: Final = """
    INSERT INTO letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET
        reason = excluded.reason, detail = excluded.detail, first_seen = excluded.first_seen,
        died_at = excluded.died_at, attempts = excluded.attempts, replays = excluded.replays,
        in_topic = excluded.in_topic, in_partition = excluded.in_partition, in_offset = excluded.in_offset,
        in_topic_id = excluded.in_topic_id
    WHERE (excluded.replays, excluded.died_at, excluded.in_offset, excluded.in_partition)
        >= (letters.replays, letters.died_at, letters.in_offset, letters.in_partition)
"""
_COUNT: Final = "UPDATE letters SET copies = copies + 1 WHERE worker = ? AND id = ? AND content = ?"
_ALL: Final = """
    SELECT letters.*, said FROM letters LEFT JOIN resolutions USING (worker, id)
    ORDER BY from_topic, from_partition, from_offset, worker, id, content
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A dead letter by its newest copy. ``size``: bytes of its value. ``copies``: how often it lies there."""

    letter: Letter
    size: int
    copies: int
    resolution: DeadLetterResolved | None

    @property
    def state(self) -> State:
        """``dead`` unless an operator replayed or dropped it and it has not died again since."""
        letter, resolution = self.letter, self.resolution
        if resolution is None or not resolution.covers(letter.worker, letter.replays):
            return "dead"
        return resolution.action

    @property
    def replays(self) -> int:
        """How often it was replayed, by what its headers and what its resolution say."""
        said = self.resolution.replays if self.resolution else 0
        return max(self.letter.replays, said)


class Box:
    """Folds the topics, in any order of reading. Values are not kept, only what they are known by.

    An id that a stranger's headers claim stands beside the real one, never over it: copies have the same bytes. Close
    it when its letters were read.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for statement in ("PRAGMA journal_mode = OFF", _LETTERS, _RESOLUTIONS, "BEGIN"):
            self._database.execute(statement)

    def put(self, record: InRecord, worker: str) -> None:
        """Take a record of ``<worker>.dead`` over."""
        letter = read_letter(record, worker)
        value = record.value or b""
        origin, position = letter.origin, letter.position
        identity = (worker, letter.id, blake2b(value, digest_size=16).digest())
        self._database.execute(
            _PUT,
            (
                *identity,
                letter.reason,
                letter.detail,
                letter.first_seen and letter.first_seen.isoformat(),
                letter.died_at.timestamp(),
                letter.attempts,
                letter.replays,
                letter.key,
                origin.topic,
                origin.partition,
                origin.offset,
                position.topic,
                position.partition,
                position.offset,
                position.topic_id,
                len(value),
            ),
        )
        self._database.execute(_COUNT, identity)

    def resolve(self, resolution: DeadLetterResolved) -> None:
        """Take a resolution over; the topic has one partition, so that the last is the newest."""
        row = (resolution.worker, resolution.dead_id, resolution.model_dump_json())
        self._database.execute("INSERT OR REPLACE INTO resolutions VALUES (?, ?, ?)", row)

    def forget(self, key: str) -> None:
        """A resolution's key was deleted."""
        worker, _, dead_id = key.partition("|")
        self._database.execute("DELETE FROM resolutions WHERE worker = ? AND id = ?", (worker, dead_id))

    def letters(self) -> Iterator[Known]:
        """Every letter, in the order in which the events first lay."""
        for *row, copies, said in self._database.execute(_ALL):
            resolution = None if said is None else DeadLetterResolved.model_validate_json(said)
            yield Known(_letter(row), row[-1], copies, resolution)

    def close(self) -> None:
        """Give the disk back."""
        self._database.close()


def _letter(row: list[Any]) -> Letter:
    worker, name, _, reason, detail, first_seen, died_at, attempts, replays, key, *places, _ = row
    return Letter(
        id=name,
        worker=worker,
        reason=reason,
        detail=detail,
        first_seen=first_seen and datetime.fromisoformat(first_seen),
        died_at=datetime.fromtimestamp(died_at, UTC),
        attempts=attempts,
        replays=replays,
        key=key,
        origin=Position(*places[:3]),
        position=Position(*places[3:]),
    )
