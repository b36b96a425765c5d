"""A creator's standing in the order of its events: erased or not, and which events an erasure has overtaken.

An erasure overtakes whatever lies before it, and what comes until the reinstatement is dropped. A worker that crashes
reads again what it has read, and events travel in copies (rekeyed, retried, replayed dead letters): so the place is
kept before which events stay out for ever. In the erasure's own partition that is the place of the reinstatement which
ended it: by its offset. Anywhere else it is the erasure's: by the time at which Kafka took the event, and what came
between may have been read before or after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    """Before what events stay out: an ``offset`` in the incarnation ``topic_id`` of a topic; elsewhere ``time_ms``."""

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
    """What was last said of a creator, at ``at_ms`` (Unix), and what the last erasure shuts out, if there was one."""

    at_ms: int
    erased: bool
    mark: Mark | None = None

    def shuts_out(self, record: InRecord) -> bool:
        """Whether an event of the creator is to be dropped: it is erased, or the event was before it was reinstated."""
        return self.erased or (self.mark is not None and self.mark.is_past(record))

    def encode(self) -> bytes:
        """The standing as a row: no personal data."""
        mark = self.mark and [self.mark.topic_id, self.mark.partition, self.mark.offset, self.mark.time_ms]
        return orjson.dumps([_FORMAT, self.at_ms, self.erased, mark])

    @classmethod
    def decode(cls, data: bytes | str) -> Standing:
        """Raises ValueError for bytes that no ``encode`` made."""
        row = orjson.loads(data)
        if isinstance(row, list) and row[:1] == [_FORMAT]:
            match row[1:]:
                case [int(at_ms), bool(erased), None]:
                    return cls(at_ms, erased)
                case [int(at_ms), bool(erased), [str(topic_id), int(partition), int(offset), int(time_ms)]]:
                    return cls(at_ms, erased, Mark(topic_id, partition, offset, time_ms))
        raise ValueError(f"not a standing's row: {data[:80]!r}")


def standing_after(before: Standing | None, event: CreatorErased | CreatorReinstated, record: InRecord) -> Standing:
    """The standing with what ``event`` says; ``before`` itself where something later was said already."""
    at_ms, erased = rank_of(event)
    if before is not None and (before.at_ms, before.erased) > (at_ms, erased):
        return before
    mark = before.mark if before is not None else None
    if erased:
        mark = _further(mark, Mark.of(record))
    elif before is not None and before.erased and mark is not None:
        # Not at a repeat: what came since the first reinstatement counts, also when it is read again.
        mark = _ended(mark, Mark.of(record))
    return Standing(at_ms, erased, mark)


def _further(old: Mark | None, new: Mark) -> Mark:
    """A repeat of an erasure lies further on, and overtakes more; one read again after a crash does not move it."""
    if old is None:
        return new
    if (old.topic_id, old.partition) == (new.topic_id, new.partition):
        return max(old, new, key=lambda mark: mark.offset)
    return max(old, new, key=lambda mark: mark.time_ms)


def _ended(erasure: Mark, reinstatement: Mark) -> Mark:
    """What came between was dropped in its turn. Offsets of another partition say nothing of this one's."""
    if (erasure.topic_id, erasure.partition) != (reinstatement.topic_id, reinstatement.partition):
        return erasure
    return replace(erasure, offset=max(erasure.offset, reinstatement.offset))
