"""What becomes of a record: what the handler makes of it, round to its own partition, or to the dead letters."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from workers import metrics
from workers.adapters.tables.limits import Limits
from workers.adapters.tables.state import TableView
from workers.config import Settings
from workers.containment.breaker import Breaker
from workers.containment.dead_letters import dead_letter, rekeyed
from workers.core.clock import Clock, SystemClock
from workers.domain.events import Event
from workers.domain.partitioning import partition_of
from workers.domain.reasons import Reason
from workers.domain.topics import topic_name
from workers.wire.cloudevents import Wire
from workers.wire.records import Dead, InRecord, InvalidEvent, Item, OutputRefused, OutRecord


class KeyedHandler(Protocol):
    """A worker's part. Both methods run on the event loop and never wait."""

    def handle(self, item: Item[Any], table: TableView) -> list[OutRecord] | Dead:
        """Write the event's rows and answer with what it leads to, or say that it never can be used.

        ``table`` holds the rows of the event's partition. An event comes again after a crash, a rebalance, or when
        ``Unavailable`` was raised: a row that is there already is written again and its result returned again (law 8).
        """
        ...

    def forget(self) -> None:
        """Partitions moved: drop whatever was computed from rows."""
        ...


class Routing:
    """Decides about one record at a time for worker ``name``, whose topics have ``partitions`` partitions each."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        accepted: Collection[type[Event]],
        partitions: int,
        handler: KeyedHandler,
        wire: Wire,
        clock: Clock | None = None,
        everywhere: tuple[type[Event], ...] = (),
        limits: Limits | None = None,
    ) -> None:
        self._everywhere, self._limits = everywhere, limits or Limits({})
        self._name, self._accepted, self._partitions = name, accepted, partitions
        self._handler, self._wire, self._clock = handler, wire, clock or SystemClock()
        self.breaker = Breaker(settings)
        # Looked up once: by name each takes as long as a tenth of a fold.
        self._done = metrics.EVENTS.labels(name, "done")
        self._handling = metrics.STAGE_SECONDS.labels(name, "handle")
        self._dead, self._rekeyed = (topic_name(settings.namespace, f"{name}.{of}") for of in ("dead", "rekeyed"))

    def decide(self, record: InRecord, table: TableView) -> list[OutRecord]:
        """The outputs of a record; its rows are written. Raises Unavailable, and whatever the handler raises."""
        try:
            event = self._wire.event(record, self._accepted)
            key = event.key().encode()
            belongs = partition_of(key, self._partitions)
            # A copy for every partition belongs where it lies.
            if not isinstance(event, self._everywhere) and (record.key != key or belongs != record.position.partition):
                return self._misplaced(record, key, belongs)
            answer = self._ask(Item(event, record), table)
        except InvalidEvent as error:
            answer = Dead(error.reason, error.detail)
        except OutputRefused as refused:
            # What the handler keeps in memory may be of a row that is not there.
            self._handler.forget()
            answer = Dead(Reason.OUTPUT_REFUSED, str(refused))
        if isinstance(answer, Dead):
            return [self._dead_letter(record, answer)]
        self._done.inc()
        self.breaker.count(None, self._clock.monotonic())
        return answer

    def _ask(self, item: Item[Event], table: TableView) -> list[OutRecord] | Dead:
        """The handler's answer. Raises OutputRefused where it holds what its topic never takes."""
        with self._handling.time():
            answer = self._handler.handle(item, table)
        for output in () if isinstance(answer, Dead) else answer:
            self._limits.check(output)
        return answer

    def set_aside(self, record: InRecord, deaths: int) -> list[OutRecord]:
        """The dead letter of an event that has killed the process so often."""
        detail = f"the process died {deaths} times while it was alone in flight"
        return [self._dead_letter(record, Dead(Reason.KILLS_THE_PROCESS, detail), deaths - 1)]

    def _misplaced(self, record: InRecord, key: bytes, belongs: int) -> list[OutRecord]:
        """What belongs elsewhere goes round once, and is dead if it is wrong there too."""
        if record.position.topic != self._rekeyed:
            forwarded = rekeyed(record, self._rekeyed, key)
            self._limits.check(forwarded)
            metrics.EVENTS.labels(self._name, "misplaced").inc()
            return [forwarded]
        detail = f"{key.decode('utf-8', 'replace')!r} belongs on partition {belongs} under its own key"
        return [self._dead_letter(record, Dead(Reason.KEY_MISMATCH, detail))]

    def _dead_letter(self, record: InRecord, dead: Dead, attempts: int = 0) -> OutRecord:
        metrics.EVENTS.labels(self._name, "dead").inc()
        self.breaker.count(dead.reason, self._clock.monotonic())
        metrics.DEAD_LETTERS.labels(self._name, dead.reason).inc()
        return dead_letter(record, dead, self._dead, self._name, attempts, self._clock.now())
