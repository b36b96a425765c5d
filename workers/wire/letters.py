"""Dead letters as records: the headers that say why, in Kafka Connect's vocabulary, and what is read from them.

Connect's own names (``DeadLetterQueueReporter``): topic, partition, offset, connector.name, task.id, stage, class.name,
exception.class.name, exception.message and exception.stacktrace. The last is not written: our reasons are no faults of
the code, and a trace could hold what the event says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from workers.domain.ids import dead_letter_id
from workers.domain.reasons import Reason
from workers.wire.records import InRecord, Position

OWN: Final = "streamscout.dead."
ID, REASON, FIRST_SEEN, ATTEMPTS, REPLAYS = (
    OWN + name for name in ("id", "reason", "first_seen", "attempts", "replays")
)
ORIGIN: Final = "streamscout.origin."
CONNECT: Final = "__connect.errors."
WHERE: Final = ("topic", "partition", "offset")
_OF_THE_KEY: Final = frozenset({Reason.MISSING_KEY, Reason.KEY_MISMATCH})
_OF_THE_VALUE: Final = frozenset(
    {
        Reason.MISSING_TYPE,
        Reason.UNKNOWN_TYPE,
        Reason.UNEXPECTED_TYPE,
        Reason.EMPTY_VALUE,
        Reason.MALFORMED_JSON,
        Reason.MALFORMED_AVRO,
        Reason.UNKNOWN_SCHEMA,
        Reason.INVALID_EVENT,
        Reason.ENVELOPE_UNSUPPORTED,
    }
)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a record of ``<worker>.dead`` says, without its value.

    ``origin`` is where the event first lay, ``position`` where this copy lies; ``attempts`` and ``replays`` count over
    all lives of the event until this death. ``first_seen`` is None where a header says nothing that is a time.
    """

    id: str
    worker: str
    reason: str
    detail: str
    first_seen: datetime | None
    died_at: datetime
    attempts: int
    replays: int
    key: bytes | None
    origin: Position
    position: Position


def carried(record: InRecord) -> dict[str, bytes]:
    """Headers by name; the last of a name counts, and one without a value is none."""
    return {name: value for name, value in record.headers if value is not None}


def origin_headers(record: InRecord) -> dict[str, bytes]:
    """Where the event first lay, and the id it has for ever: its own headers say so if it is a copy.

    Anybody may write headers: those that are not whole, or not of our form, say nothing.
    """
    found = carried(record)
    names = (*(ORIGIN + name for name in WHERE), ID)
    if found.keys() >= set(names) and _is_uuid(found[ID]) and all(map(_is_number, (found[names[1]], found[names[2]]))):
        return {name: found[name] for name in names}
    first = record.position
    identity = dead_letter_id(first.topic_id, first.partition, first.offset)
    values = (first.topic.encode(), b"%d" % first.partition, b"%d" % first.offset, str(identity).encode())
    return dict(zip(names, values, strict=True))


def connect_headers(origin: Mapping[str, bytes], worker: str, task: int, reason: str, detail: str) -> dict[str, bytes]:
    """The same as Kafka Connect's consoles read it. ``task``: the partition on which the worker met the event."""
    stage = "KEY_CONVERTER" if reason in _OF_THE_KEY else "VALUE_CONVERTER" if reason in _OF_THE_VALUE else "TASK_PUT"
    told = {
        "connector.name": worker.encode(),
        "task.id": b"%d" % task,
        "stage": stage.encode(),
        "class.name": f"streamscout.{worker}".encode(),
        "exception.class.name": reason.encode(),
        "exception.message": detail.encode("utf-8", "replace"),
    }
    where = {CONNECT + name: origin[ORIGIN + name] for name in WHERE}
    return where | {CONNECT + name: value for name, value in told.items()}


def count(headers: Mapping[str, bytes], name: str) -> int:
    """A number that a header says; 0 where it is none."""
    value = headers.get(name, b"")
    return int(value) if _is_number(value) else 0


def read_letter(record: InRecord, worker: str) -> Letter:
    """A record of ``<worker>.dead``. Whatever its headers hold, it is read: they may be a stranger's."""
    headers, origin = carried(record), origin_headers(record)
    topic, partition, offset, identity = (value.decode("utf-8", "replace") for value in origin.values())
    return Letter(
        id=identity,
        worker=worker,
        reason=_text(headers, REASON),
        detail=_text(headers, CONNECT + "exception.message"),
        first_seen=_time(_text(headers, FIRST_SEEN)),
        died_at=datetime.fromtimestamp(max(0, record.timestamp_ms) / 1000, UTC),
        attempts=count(headers, ATTEMPTS),
        replays=count(headers, REPLAYS),
        key=record.key,
        origin=Position(topic, int(partition), int(offset)),
        position=record.position,
    )


def _text(headers: Mapping[str, bytes], name: str) -> str:
    return headers.get(name, b"").decode("utf-8", "replace")


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _is_number(value: bytes) -> bool:
    return value.isdigit() and len(value) < 19


def _is_uuid(value: bytes) -> bool:
    try:
        return str(UUID(value.decode())).encode() == value
    except ValueError:
        return False
