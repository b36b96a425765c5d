"""Which items go to the handler next, and in what order. Pure: time comes as an argument."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from workers.containment.offsets import Offsets
from workers.containment.quarantine import Quarantine
from workers.wire.records import Dead, Done, Item, TopicPartition


@dataclass(slots=True)
class Partition:
    """An assigned partition, ``ours`` until revoked. A new assignment is a new object: what is late cannot touch it."""

    name: TopicPartition
    ours: bool = True
    offsets: Offsets = field(default_factory=Offsets)
    quarantine: Quarantine = field(default_factory=Quarantine)
    blocked_until: float = 0.0
    reason: str = ""


@dataclass(slots=True)
class Waiting:
    """An item in memory. ``verdict`` is known where the handler has nothing to say: undecodable, or on a wrong key.

    Until ``after`` it waits by itself: not yet due, or for a resource of its own. ``backfill``: it goes after all that
    is not, wherever it has lain since.
    """

    item: Item[Any]
    partition: Partition
    sequence: int
    arrived: float
    key: Hashable
    verdict: Done | Dead | None = None
    after: float = 0.0
    backfill: bool = False

    @property
    def offset(self) -> int:
        """Where its record lies in its partition."""
        return self.item.record.position.offset

    def alone(self) -> bool:
        """Whether nothing else may be in flight with it."""
        return self.partition.quarantine.is_suspect(self.offset)

    def opens(self) -> float:
        """When it may be taken: once its partition and itself have waited."""
        return max(self.partition.blocked_until, self.after)


class Queue:
    """Items in the order of arrival. Of one ``key``, none is taken while an earlier one waits or is in flight.

    With ``exclusive``, items of one key never share a batch either. Items that wait, or whose partition does, count for
    nothing, so that one slow partition, or one slow host, holds no other. Backfill is a line of its own, whose keys
    hold nothing in the other: it may wait for live items as long as there are any.
    """

    def __init__(self, size: int, seconds: float, exclusive: bool) -> None:
        self._size, self._seconds, self._exclusive = size, seconds, exclusive
        self._waiting: list[Waiting] = []
        self._in_flight: dict[Hashable, int] = {}

    def put(self, items: Iterable[Waiting]) -> None:
        """Add what arrived, or comes again: it goes back to where it stood."""
        self._waiting = sorted([*self._waiting, *(w for w in items if w.partition.ours)], key=lambda w: w.sequence)

    def ready(self, now: float, backfill: bool = False) -> int:
        """How many items of a line wait for nothing but their turn."""
        return sum(waiting.backfill == backfill and waiting.opens() <= now for waiting in self._waiting)

    def oldest(self, now: float) -> int | None:
        """When the oldest live item that waits for nothing but its turn came to Kafka: milliseconds of the epoch."""
        free = (w for w in self._waiting if not w.backfill and w.opens() <= now)
        return min((waiting.item.record.timestamp_ms for waiting in free), default=None)

    def held(self, now: float) -> list[Waiting]:
        """The items that wait by themselves."""
        return [waiting for waiting in self._waiting if waiting.after > now]

    def take(self, now: float, most: int | None = None, backfill: bool = False) -> list[Waiting]:
        """The next batch, of ``most`` items at most: full, or its first item has waited long enough; else nothing.

        What must run alone is a batch of its own, once nothing is in flight, and nothing overtakes it, of either line.
        """
        size = self._size if most is None else min(self._size, most)
        batch: list[Waiting] = []
        keys = set(self._in_flight)
        for waiting in self._waiting:
            free = waiting.opens() <= now and waiting.key not in keys
            if len(batch) == size or (free and batch and waiting.alone()):
                break
            if free and waiting.alone():
                if self._in_flight:
                    return []
                batch.append(waiting)
                break
            if waiting.backfill != backfill:
                continue
            if free:
                batch.append(waiting)
            if self._exclusive or not batch or batch[-1] is not waiting:
                keys.add(waiting.key)
        if not batch or (len(batch) < size and now < batch[0].arrived + self._seconds):
            return []
        gone = {waiting.sequence for waiting in batch}
        self._waiting = [waiting for waiting in self._waiting if waiting.sequence not in gone]
        self.taken(batch)
        return batch

    def taken(self, batch: Iterable[Waiting]) -> None:
        """A batch is in flight, whoever put it together."""
        for waiting in batch:
            self._in_flight[waiting.key] = self._in_flight.get(waiting.key, 0) + 1

    def landed(self, batch: Iterable[Waiting]) -> None:
        """A batch that was taken is no longer in flight."""
        for waiting in batch:
            self._in_flight[waiting.key] -= 1
            if not self._in_flight[waiting.key]:
                del self._in_flight[waiting.key]

    def forget(self) -> None:
        """Drop the items of partitions that are no longer ours."""
        self._waiting = [waiting for waiting in self._waiting if waiting.partition.ours]

    def due(self, now: float, live: bool = True, backfill: bool = True) -> float | None:
        """Seconds until the next item of these lines is due, if any waits: its batch closes or its partition opens."""
        wanted = (w for w in self._waiting if (backfill if w.backfill else live))
        free = [w for w in wanted if w.key not in self._in_flight]
        first = next((w for w in free if w.opens() <= now), None)
        if first is not None and first.alone() and self._in_flight:
            return None
        return min((max(w.arrived + self._seconds, w.opens()) - now for w in free), default=None)

    def __len__(self) -> int:
        return len(self._waiting)
