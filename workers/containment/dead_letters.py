"""What leaves a worker sideways: dead letters, events that go round to their own partition, events that wait.

Headers are in Kafka Connect's vocabulary, which consoles parse; ids follow law 4: uuid5 of the first topic id,
partition and offset, which every copy carries.
"""

from __future__ import annotations

from datetime import datetime

from workers.wire.cloudevents import SOURCE_TIME, source_time
from workers.wire.letters import ATTEMPTS, FIRST_SEEN, REASON, carried, connect_headers, count, origin_headers
from workers.wire.records import Dead, InRecord, OutRecord

DETAIL_LENGTH = 2000
DUE, REFUSALS = "streamscout.retry.due", "streamscout.retry.attempts"


def _copy(record: InRecord, topic: str, key: bytes | None, added: dict[str, bytes]) -> OutRecord:
    """The original bytes and headers, with ``added`` in place of earlier ones; a wait that is over leaves no trace."""
    kept = tuple((name, value) for name, value in record.headers if name not in {*added, DUE, REFUSALS})
    return OutRecord(topic, key, record.value, (*kept, *added.items()))


def dead_letter(record: InRecord, dead: Dead, topic: str, worker: str, attempts: int, now: datetime) -> OutRecord:
    """The record for ``topic``, ``<worker>.dead``."""
    origin, headers = origin_headers(record), carried(record)
    added = {
        **origin,
        **connect_headers(origin, worker, record.position.partition, dead.reason, dead.detail[:DETAIL_LENGTH]),
        REASON: dead.reason.encode(),
        FIRST_SEEN: headers.get(FIRST_SEEN, now.isoformat().encode()),
        ATTEMPTS: b"%d" % (attempts + 1 + count(headers, ATTEMPTS)),
    }
    return _copy(record, topic, record.key, added)


def rekeyed(record: InRecord, topic: str, key: bytes) -> OutRecord:
    """The event under its own key, for ``topic``, ``<worker>.rekeyed``."""
    return _copy(record, topic, key, origin_headers(record))


def delayed(record: InRecord, topic: str, refusals: int, due_ms: int) -> OutRecord:
    """The event for ``topic``, ``<worker>.retry``, to be taken up at ``due_ms`` (epoch). Its age counts from before."""
    added = {
        **origin_headers(record),
        DUE: b"%d" % due_ms,
        REFUSALS: b"%d" % refusals,
        f"ce_{SOURCE_TIME}": source_time(record).encode(),
    }
    return _copy(record, topic, record.key, added)
