"""A creator's standing in the order of its events: erased or not, and which events an erasure has overtaken.

An erasure overtakes whatever lies before it. A worker that crashes reads again what it has read, and events travel in
copies (rekeyed, retried, replayed dead letters): so the place of the last erasure is kept, and what lies before it
stays out for ever, also once the creator is reinstated. In the erasure's own topic the offset decides, in any other
the time at which Kafka took the event.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from workers.domain.erasure import rank_of
from workers.domain.events import CreatorErased, CreatorReinstated
from workers.domain.ids import dead_letter_id
from workers.wire.cloudevents import source_time
from workers.wire.letters import ID, ORIGIN, origin_headers
from workers.wire.records import InRecord

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """Where an erasure lies: in the incarnation ``topic_id`` of a topic, taken by Kafka at ``time_ms``."""

    topic_id: str
    partition: int
    offset: int
    time_ms: int

    @classmethod
    def of(cls, record: InRecord) -> Mark:
        """The mark of the erasure that this record is."""
        position = record.position
        return cls(position.topic_id, position.partition, position.offset, int(source_time(record)))

    def is_past(self, record: InRecord) -> bool:
        """Whether the record, or what it is a copy of, lies before the mark."""
        first = origin_headers(record)
        partition, offset = int(first[ORIGIN + "partition"]), int(first[ORIGIN + "offset"])
        # The id says which incarnation of which topic it was: uuid5 of topic id, partition and offset.
        if first[ID] == str(dead_letter_id(self.topic_id, partition, offset)).encode():
            return partition == self.partition and offset < self.offset
        return int(source_time(record)) <= self.time_ms


@dataclass(frozen=True, slots=True)
class Standing:
    """What was last said of a creator, at ``at_ms`` (Unix), and the place of the last erasure, if there was one."""

    at_ms: int
    erased: bool
    mark: Mark | None = None

    def shuts_out(self, record: InRecord) -> bool:
        """Whether an event of the creator is to be dropped: it is erased, or the event lies before its erasure."""
        return self.erased or (self.mark is not None and self.mark.is_past(record))

    def encode(self) -> bytes:
        """The standing as a row: no personal data."""
        mark = self.mark and [self.mark.topic_id, self.mark.partition, self.mark.offset, self.mark.time_ms]
        return orjson.dumps([_FORMAT, self.at_ms, self.erased, mark])

    @classmethod
    def decode(cls, data: bytes | str) -> Standing:
        """Raises ValueError for bytes that no ``encode`` made."""
        row = orjson.loads(data)
        if not isinstance(row, list) or row[:1] != [_FORMAT]:
            raise ValueError(f"not a standing's row: {data[:80]!r}")
        _, at_ms, erased, mark = row
        return cls(at_ms, erased, None if mark is None else Mark(*mark))


def standing_after(before: Standing | None, event: CreatorErased | CreatorReinstated, record: InRecord) -> Standing:
    """The standing with what ``event`` says; ``before`` itself where something later was said already."""
    at_ms, erased = rank_of(event)
    if before is not None and (before.at_ms, before.erased) > (at_ms, erased):
        return before
    mark = before.mark if before is not None else None
    if erased:
        mark = _further(mark, Mark.of(record))
    return Standing(at_ms, erased, mark)


def _further(old: Mark | None, new: Mark) -> Mark:
    """A repeat of an erasure lies further on, and overtakes more; one read again after a crash does not move it."""
    if old is None:
        return new
    if (old.topic_id, old.partition) == (new.topic_id, new.partition):
        return max(old, new, key=lambda mark: mark.offset)
    return max(old, new, key=lambda mark: mark.time_ms)
