"""The life of a worker with keyed state: take an event, decide, wait for what it wrote, acknowledge it in order."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

import structlog
from aiokafka.errors import KafkaConnectionError
from faust.types import TP, EventT, FutureMessage

from workers import metrics
from workers.adapters.kafka import topic_facts
from workers.adapters.kafka_membership import fenced
from workers.adapters.tables.anew import watch_topics
from workers.adapters.tables.app import TableApp, table_app
from workers.adapters.tables.consumer import HandAcknowledged
from workers.adapters.tables.in_hand import InHand
from workers.adapters.tables.limits import Limits
from workers.adapters.tables.routing import KeyedHandler, Routing
from workers.adapters.tables.state import ChangelogTable, StateDirectory
from workers.config import Settings, SettingsError
from workers.containment.breaker import Alarm
from workers.core.clock import SystemClock
from workers.domain.events import Event
from workers.domain.topics import topic_name
from workers.process.health import HealthServer
from workers.process.logs import configure_logging
from workers.process.presence import presence
from workers.process.running import CLEAN, ENDED_BY_A_LAW, UNREACHABLE
from workers.wire.cloudevents import Wire, source_time
from workers.wire.records import (
    Health,
    InRecord,
    OutRecord,
    Position,
    TopicFacts,
    Unavailable,
)

STALLED_SECONDS = 60.0
TICK_SECONDS = 0.5
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Settling:
    """An event whose outputs and rows are on their way."""

    event: EventT[Any]
    record: InRecord
    outputs: tuple[str, ...]
    futures: list[FutureMessage]


class KeyedWorker:
    """See the package's docstring. ``name`` is the worker's, ``topics`` what it reads, both without the namespace.

    ``facts`` holds, by full name, every topic the worker touches: what it reads, ``<name>.rekeyed``, ``<name>.dead``
    and ``<name>.changelog``. Raises ValueError if those that share its keys have not equal partitions.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        topics: Sequence[str],
        accepted: Collection[type[Event]],
        *,
        handler: KeyedHandler,
        wire: Wire,
        facts: Mapping[str, TopicFacts],
        everywhere: tuple[type[Event], ...] = (),
    ) -> None:
        self._settings, self._name, self._handler = settings, name, handler
        self._facts, self._clock = facts, SystemClock()
        self._changelog = self._full(f"{name}.changelog")
        self._topics = [self._full(topic) for topic in (*topics, f"{name}.rekeyed")]
        counts = {topic: facts[topic].partitions for topic in (*self._topics, self._changelog)}
        if len(set(counts.values())) != 1:
            raise ValueError(f"topics of one table must have equal partitions: {counts}")
        self._limits = Limits(facts)
        partitions = counts[self._changelog]
        self._routing = Routing(settings, name, accepted, partitions, handler, wire, None, everywhere, self._limits)
        self._breaker = self._routing.breaker
        self._alarm = Alarm(name, self._breaker)
        self._forgotten = False
        self._app: TableApp
        self._table: ChangelogTable
        self._senders: dict[str, Any] = {}
        self._freshness = metrics.FRESHNESS_SECONDS.labels(name)
        self._outputs: dict[str, Any] = {}
        self._open = 0
        self._draining = False
        self._moved_at = monotonic()
        self._settled: dict[TP, int] = {}

    # The story.

    def run(self) -> int:
        """Until SIGTERM or SIGINT. Returns 0 after a clean stop, 3 if Kafka is not there, 4 when a law ended it.

        A law ends the process with the events in flight unacknowledged; a supervisor starts it again.
        """
        configure_logging(self._settings)
        log.info("starting", worker=self._name, **self._settings.masked())
        try:
            asyncio.run(self._run())
            log.info("stopped", worker=self._name)
            code = CLEAN
        except Unavailable as error:
            log.error("a server cannot be reached", worker=self._name, reason=str(error))  # noqa: TRY400
            code = UNREACHABLE
        except EndedByALaw as error:
            log.error("ended by a law", worker=self._name, reason=str(error), exc_info=error.__cause__)  # noqa: TRY400
            code = ENDED_BY_A_LAW
        if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
            # Faust's threads would keep the interpreter alive for ever; nothing acknowledged is lost by going now.
            os._exit(code)
        return code

    async def _run(self) -> None:
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue: asyncio.Queue[_Settling] = asyncio.Queue(self._settings.queue_size)
        self._idle, self._stopping = asyncio.Event(), asyncio.Event()
        self._idle.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._breaker.resume)
        group = self._full(self._name)
        with (
            StateDirectory(self._settings.data_dir / "faust" / group) as directory,
            closing(InHand(directory)) as self._in_hand,
            HealthServer(self._settings.health_host, self._settings.health_port, self.health) as server,
            presence(self._settings.data_dir, self._name, server.address),
        ):
            batch, path = self._limits.batch, directory.absolute()
            self._app = table_app(self._settings, group, path, self._fail, self._when_lost, batch)
            self._loop = asyncio.get_running_loop()
            self._app.revoked, self._app.assigned = self._when_revoked, self._when_assigned
            self._table = ChangelogTable(self._app, name="rows", changelog=self._changelog)
            self._app.tables.add(self._table)
            self._read(self._topics)
            await self._serve()

    def _read(self, topics: Sequence[str]) -> None:
        raw: Any = bytes
        source = self._app.topic(
            *topics, key_type=raw, value_type=raw, key_serializer="raw", value_serializer="raw", allow_empty=True
        )

        async def consume(stream: Any) -> None:
            try:
                async for event in stream.noack().events():
                    await self._take(event)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                self._fail(error)
                raise

        self._app.agent(source, name=self._name, concurrency=1)(consume)

    async def _serve(self) -> None:
        """Run Faust until told to stop, or until anything fails; then drain, commit and leave within one deadline."""
        starting = asyncio.create_task(self._app.start())
        anew = watch_topics(self._facts, partial(topic_facts, self._settings), self._limits.learn)
        sides = [asyncio.create_task(part) for part in (self._settle(), self._tick(), self._watch(), anew)]
        told = asyncio.create_task(self._stopping.wait())
        waiting: set[asyncio.Future[Any]] = {starting, told, self._ended, *sides}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if starting in done and not starting.exception():
                done, _ = await asyncio.wait(waiting - {starting}, return_when=asyncio.FIRST_COMPLETED)
            self._raise_what_ended(done - {told}, starting)
            async with asyncio.timeout(self._settings.shutdown_seconds):
                await self._drain()
        except TimeoutError as error:
            raise EndedByALaw("could not drain in time") from error
        finally:
            self._draining = True
            for task in (told, *sides):
                task.cancel()
            await self._leave(starting)

    def _raise_what_ended(self, done: set[asyncio.Future[Any]], starting: asyncio.Future[Any]) -> None:
        for future in done:
            error = future.exception()
            if future is starting and isinstance(error, KafkaConnectionError):
                raise Unavailable(str(error)) from error
            if isinstance(error, SettingsError):
                raise error
            if error is not None:
                raise EndedByALaw(f"{type(error).__name__}: {error}") from error

    async def _drain(self) -> None:
        """Take no more events, wait for what is in flight, commit."""
        self._draining = True
        if self._app.ready():
            await self._idle.wait()
            await self._app.consumer.commit()

    async def _leave(self, starting: asyncio.Task[None]) -> None:
        """Leave the group; if Faust does not end within the deadline, the process does, without it."""
        if self._forgotten:
            log.error("ended by a law", worker=self._name, reason="the group has forgotten this member")
            os._exit(ENDED_BY_A_LAW)
        leaving = asyncio.create_task(self._app.stop())
        _, late = await asyncio.wait([leaving], timeout=self._settings.shutdown_seconds)
        if late:
            log.error("could not leave the group in time", worker=self._name, seconds=self._settings.shutdown_seconds)
            os._exit(ENDED_BY_A_LAW)
        starting.cancel()
        await asyncio.gather(leaving, starting, return_exceptions=True)

    # One event.

    async def _take(self, event: EventT[Any]) -> None:
        """Handle an event and queue it for its acknowledgement; in the order of its partition."""
        record, taken = self._record(event), False
        while True:
            await self._app.membership.until_fresh()
            if self._draining:
                await asyncio.Event().wait()
            if self._app.moving or event.message.generation_id != self._app.consumer_generation_id:
                # Read under an earlier assignment: whoever owns the partition next reads it again.
                return
            if not (taken := taken or self._consumer().take(event.message)):
                return
            if self._breaker.room(monotonic(), 0) == 0:
                await asyncio.sleep(TICK_SECONDS)
                continue
            if self._open and self._in_hand.is_suspect(record):
                await self._idle.wait()
                continue
            try:
                outputs = self._decide(record)
                break
            except Unavailable as error:
                log.warning("cannot handle yet", worker=self._name, reason=str(error))
                await asyncio.sleep(self._settings.retry_seconds)
        self._open += 1
        self._idle.clear()
        futures = [*self._table.taken(), *(self._send(output) for output in outputs)]
        await self._queue.put(_Settling(event, record, tuple(output.topic for output in outputs), futures))

    def _decide(self, record: InRecord) -> list[OutRecord]:
        """With the event in hand: if the process dies of it, or of a fault that it meets, the next one knows."""
        if deaths := self._in_hand.deaths(record):
            log.error(
                "set aside: it kills the process", worker=self._name, deaths=deaths, position=str(record.position)
            )
            return self._routing.set_aside(record, deaths)
        table = self._limits.rows(self._table.view(record.position.partition), self._changelog)
        self._in_hand.take(record, alone=not self._open)
        try:
            outputs = self._routing.decide(record, table)
        except Unavailable:
            self._in_hand.put_down()
            raise
        self._in_hand.put_down(record)
        return outputs

    def _record(self, event: EventT[Any]) -> InRecord:
        message = event.message
        position = Position(message.topic, message.partition, message.offset, self._facts[message.topic].id)
        headers: Any = message.headers or ()
        return InRecord(position, message.key, message.value, tuple(headers), round(message.timestamp * 1000))

    def _send(self, output: OutRecord) -> FutureMessage:
        if (sender := self._senders.get(output.topic)) is None:
            raw: Any = bytes
            sender = self._senders[output.topic] = self._app.topic(output.topic, key_type=raw, value_type=raw)
        future: FutureMessage = sender.send_soon(
            key=output.key,
            value=output.value,
            partition=output.partition,
            headers=list(output.headers),
            key_serializer="raw",
            value_serializer="raw",
        )
        return future

    async def _settle(self) -> None:
        """Acknowledge events in order, each once its outputs and rows are acknowledged by the broker."""
        while True:
            settling = await self._queue.get()
            for future in settling.futures:
                await future
            message = settling.event.message
            self._consumer().settle(message)
            self._settled[TP(message.topic, message.partition)] = message.offset + 1
            self._open -= 1
            if not self._open:
                self._idle.set()
            for topic in settling.outputs:
                if topic not in self._outputs:
                    self._outputs[topic] = metrics.OUTPUTS.labels(self._name, topic)
                self._outputs[topic].inc()
            age = self._clock.now().timestamp() - int(source_time(settling.record)) / 1000
            self._freshness.observe(max(0.0, age))

    def _consumer(self) -> HandAcknowledged:
        consumer = self._app.consumer
        assert isinstance(consumer, HandAcknowledged)
        return consumer

    # Rebalances, failures and what others see.

    async def _when_revoked(self) -> None:
        """Outputs and rows of events in flight are written before a partition can have another owner.

        So are rows of an event that is not in flight: a handler can write some and then find a server unavailable.
        """
        try:
            async with asyncio.timeout(self._settings.shutdown_seconds):
                await self._idle.wait()
                await self._table.landed()
        except TimeoutError as error:
            self._fail(error)

    def _when_assigned(self) -> None:
        self._app.membership.listen(self._app.coordinator())
        self._app.membership.confirmed(monotonic())
        self._settled.clear()
        self._handler.forget()

    def _when_lost(self) -> None:
        """From the consumer's thread. What is in flight may be another's by now, and nothing waits for it any more."""

        def judge() -> None:
            if (self._open or self._table.behind()) and not self._draining:
                self._forgotten = True
                self._fail(RuntimeError("the group has forgotten this member, and events or rows are in flight"))

        self._loop.call_soon_threadsafe(judge)

    def _fail(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    async def _watch(self) -> None:
        """Ends when any part of Faust has crashed."""
        await self._app._crashed.wait()
        raise self._app.crash_reason or RuntimeError("Faust crashed")

    async def _tick(self) -> None:
        while True:
            self._moved_at = monotonic()
            self._alarm.tell(self._moved_at)
            if self._settings.group_instance_id and self._app.membership.rivalled():
                # aiokafka does not know what the group answers to one that is fenced: it joins, and fences the other.
                self._fail(fenced(self._settings, self._full(self._name)))
            if self._app.ready():
                self._observe()
            await asyncio.sleep(TICK_SECONDS)

    def _observe(self) -> None:
        metrics.QUEUE_ITEMS.labels(self._name).set(self._open)
        # While partitions move, the client has let go of some already, and asking it for those ends the process.
        assigned = self._app.consumer.assignment()
        for tp, settled in self._settled.items():
            if tp not in assigned:
                continue
            behind = max(0, (self._app.consumer.highwater(tp) or 0) - settled)
            metrics.LAG.labels(self._name, tp.topic, str(tp.partition)).set(behind)

    def health(self) -> Health:
        """Live while the loop moves; ready while partitions are assigned, tables recovered, and it is not paused."""
        app: TableApp | None = getattr(self, "_app", None)
        ready = app is not None and app.ready() and not self._draining and not self._ended.done()
        now = monotonic()
        detail = {"state": "ready" if ready else "recovering"} | self._breaker.described(now)
        return Health(now - self._moved_at < STALLED_SECONDS, ready and self._breaker.state(now) == "closed", detail)

    def _full(self, name: str) -> str:
        return topic_name(self._settings.namespace, name)


class EndedByALaw(Exception):
    """What was in flight stays unacknowledged, and the process must not go on."""
