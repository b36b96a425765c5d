"""The thread that keeps views of compacted topics: it reads them whole, and goes on reading.

A record that is no valid event goes to ``<worker>.dead`` with its reason and leaves the view as it was. Whatever else
goes wrong ends the thread, and with it the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Event, Thread
from time import monotonic
from typing import Protocol, runtime_checkable

from workers.containment.dead_letters import dead_letter
from workers.core.clock import Clock
from workers.domain.events import Event as AnyEvent
from workers.metrics import DEAD_LETTERS, EVENTS
from workers.wire.cloudevents import Wire
from workers.wire.records import Dead, InRecord, InvalidEvent, Producer, Unavailable

_POLL_SECONDS = 0.1
_ACKNOWLEDGED_SECONDS = 30.0


class TopicReader(Protocol):
    """Topics read from their beginning, without a group."""

    def poll(self, seconds: float) -> InRecord | None:
        """The next record, waiting ``seconds`` at most. Raises where reading has ended for good."""

    def caught_up(self) -> bool:
        """Whether the end of every partition was reached once."""

    def close(self) -> None: ...


class View(Protocol):
    """What a follower fills. ``key``: the key of a record without a value, as text."""

    accepted: type[AnyEvent]

    def put(self, event: AnyEvent) -> None: ...

    def drop(self, key: str) -> None: ...


@runtime_checkable
class RecordView(Protocol):
    """What takes records as they are, because they are no events of their topic: dead letters."""

    def take(self, record: InRecord, wire: Wire) -> None: ...


class Follower:
    """``worker`` is whose views they are; ``views`` by full topic name.

    ``ended`` ends when the thread does, with what it died of.
    """

    def __init__(
        self,
        worker: str,
        reader: TopicReader,
        wire: Wire,
        views: Mapping[str, View | RecordView],
        producer: Producer,
        dead_topic: str,
        clock: Clock,
        retry_seconds: float = 1.0,
    ) -> None:
        self._worker, self._reader, self._wire, self._views = worker, reader, wire, views
        self._producer, self._dead_topic, self._clock = producer, dead_topic, clock
        self._retry_seconds = retry_seconds
        self._stop = Event()
        self._thread = Thread(target=self._run, name="views", daemon=True)
        self.ready = Event()
        self.ended: Future[None] = Future()

    def start(self, on_end: Callable[[], None] = lambda: None) -> None:
        """Begin to read; ``on_end`` is called on the thread when it ends, for whatever reason."""
        self.ended.add_done_callback(lambda _: on_end())
        self._thread.start()

    def read_whole(self, seconds: float) -> bool:
        """Wait, ``seconds`` at most, until every topic was read to its end once; False where it ended or is late."""
        deadline = monotonic() + seconds
        while not self.ready.wait(_POLL_SECONDS):
            if self.ended.done() or monotonic() > deadline:
                return False
        return True

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                record = self._reader.poll(_POLL_SECONDS)
                if record is not None:
                    self._apply_when_possible(record)
                if not self.ready.is_set() and self._reader.caught_up():
                    self.ready.set()
        except BaseException as error:  # noqa: BLE001 - handed to whoever watches ``ended``
            self.ended.set_exception(error)
        else:
            self.ended.set_result(None)
        finally:
            self._reader.close()

    def _apply_when_possible(self, record: InRecord) -> None:
        """A schema that cannot be looked up now is waited for: every later record of the topic needs it too."""
        while not self._stop.is_set():
            try:
                self._apply(record)
            except Unavailable:
                self._stop.wait(self._retry_seconds)
            else:
                return

    def _apply(self, record: InRecord) -> None:
        view = self._views[record.position.topic]
        if isinstance(view, RecordView):
            view.take(record, self._wire)
            return
        if record.value is None and record.key is not None:
            view.drop(record.key.decode("utf-8", "replace"))
            return
        try:
            event = self._wire.read(record, (view.accepted,))
        except InvalidEvent as error:
            self._set_aside(record, Dead(error.reason, error.detail))
            return
        view.put(event)
        EVENTS.labels(self._worker, "done").inc()

    def _set_aside(self, record: InRecord, dead: Dead) -> None:
        letter = dead_letter(record, dead, self._dead_topic, self._worker, 0, self._clock.now())
        self._producer.send(letter).result(_ACKNOWLEDGED_SECONDS)
        EVENTS.labels(self._worker, "dead").inc()
        DEAD_LETTERS.labels(self._worker, dead.reason).inc()
