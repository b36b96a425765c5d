"""What a record is, before it joins a batch (law 1): an item, or a verdict at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from workers.containment.dead_letters import rekeyed
from workers.containment.quarantine import Quarantine
from workers.containment.retry import Retry
from workers.domain.events import Event
from workers.domain.partitioning import partition_of
from workers.domain.reasons import Reason
from workers.wire.cloudevents import Wire
from workers.wire.records import Dead, Done, InRecord, InvalidEvent, Item

log = structlog.get_logger()


class Misplaced(Done):
    """Forwarded to where it belongs; not handled here."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An item to be taken after ``wait`` seconds. ``verdict`` is known where the handler has nothing to say."""

    item: Item[Any]
    key: Hashable
    verdict: Done | Dead | None
    wait: float


class Admission:
    """``partitions`` tells how many a topic has; ``again`` is the topic that misplaced events go round through."""

    def __init__(
        self,
        wire: Wire,
        accepted: Collection[type[Event]],
        partitions: Callable[[str], int],
        again: str,
        retry: Retry,
        serial_key: Callable[[Item[Any]], Hashable] | None,
        tombstones: bool,
    ) -> None:
        self._wire, self._accepted, self._partitions, self._again = wire, accepted, partitions, again
        self._retry, self._serial_key, self._tombstones = retry, serial_key, tombstones

    def admit(self, record: InRecord, quarantine: Quarantine, now: datetime) -> Admitted:
        """Dead if it is no event, forwarded if it lies where it does not belong. May raise Unavailable."""
        refusals, wait = self._retry.carried(record, now)
        item: Item[Any] = Item(None, record, refusals, refusals)
        verdict: Done | Dead | None
        key: Hashable = record.key or (record.position.topic, record.position.partition)
        if quarantine.is_condemned(record.position.offset):
            detail = f"the process died {quarantine.deaths} times while it was alone in flight"
            log.error("set aside: it kills the process", deaths=quarantine.deaths, position=str(record.position))
            return Admitted(
                replace(item, attempts=quarantine.deaths - 1), key, Dead(Reason.KILLS_THE_PROCESS, detail), 0
            )
        try:
            if record.key is not None and self._tombstones and self._wire.is_tombstone(record):
                verdict = self._misplaced(record.key, record)
            else:
                item = replace(item, event=self._wire.event(record, self._accepted))
                verdict = self._misplaced(item.event.key().encode(), record)
        except InvalidEvent as error:
            verdict = Dead(error.reason, error.detail)
        if verdict is None and self._serial_key is not None:
            key = self._serial_key(item)
        return Admitted(item, key, verdict, wait)

    def _misplaced(self, key: bytes, record: InRecord) -> Done | Dead | None:
        """What belongs under another key or on another partition goes round once, and is dead if wrong there too."""
        position = record.position
        belongs = partition_of(key, self._partitions(position.topic))
        if record.key == key and belongs == position.partition:
            return None
        if position.topic != self._again:
            return Misplaced((rekeyed(record, self._again, key),))
        name = key.decode("utf-8", "replace")
        return Dead(Reason.KEY_MISMATCH, f"{name!r} belongs on partition {belongs} under its own key")
