"""What leaves a worker sideways: dead letters, and events that go round to their own partition.

Headers are in Kafka Connect's vocabulary, which consoles parse; ids follow law 4: uuid5 of the first topic id,
partition and offset, which every copy carries.
"""

from __future__ import annotations

from datetime import datetime

from workers.domain.ids import dead_letter_id
from workers.wire.records import Dead, InRecord, OutRecord

ID, REASON, FIRST_SEEN, ATTEMPTS = (f"streamscout.dead.{name}" for name in ("id", "reason", "first_seen", "attempts"))
ORIGIN = "streamscout.origin."
CONNECT = "__connect.errors."
DETAIL_LENGTH = 2000


def _carried(record: InRecord) -> dict[str, bytes]:
    """Headers by name; the last of a name counts, and one without a value is none."""
    return {name: value for name, value in record.headers if value is not None}


def _where(record: InRecord) -> dict[str, bytes]:
    """Where the event first lay, and the id it has for ever: its own headers say so if it is a copy."""
    position = record.position
    first = {
        ORIGIN + "topic": position.topic.encode(),
        ORIGIN + "partition": b"%d" % position.partition,
        ORIGIN + "offset": b"%d" % position.offset,
        ID: str(dead_letter_id(position.topic_id, position.partition, position.offset)).encode(),
    }
    carried = _carried(record)
    return {name: carried[name] for name in first} if first.keys() <= carried.keys() else first


def _copy(record: InRecord, topic: str, key: bytes | None, added: dict[str, bytes]) -> OutRecord:
    """The original bytes and headers, with ``added`` in place of earlier ones of the same names."""
    kept = tuple((name, value) for name, value in record.headers if name not in added)
    return OutRecord(topic, key, record.value, (*kept, *added.items()))


def dead_letter(record: InRecord, dead: Dead, topic: str, worker: str, attempts: int, now: datetime) -> OutRecord:
    """The record for ``topic``, ``<worker>.dead``."""
    where, carried = _where(record), _carried(record)
    before = carried.get(ATTEMPTS, b"")
    added = {
        **where,
        **{CONNECT + name: where[ORIGIN + name] for name in ("topic", "partition", "offset")},
        CONNECT + "connector.name": worker.encode(),
        CONNECT + "exception.class.name": dead.reason.encode(),
        CONNECT + "exception.message": dead.detail[:DETAIL_LENGTH].encode("utf-8", "replace"),
        REASON: dead.reason.encode(),
        FIRST_SEEN: carried.get(FIRST_SEEN, now.isoformat().encode()),
        ATTEMPTS: b"%d" % (attempts + 1 + (int(before) if before.isdigit() and len(before) < 10 else 0)),
    }
    return _copy(record, topic, record.key, added)


def rekeyed(record: InRecord, topic: str, key: bytes) -> OutRecord:
    """The event under its own key, for ``topic``, ``<worker>.rekeyed``."""
    return _copy(record, topic, key, _where(record))
