"""The consumer loop and its laws.

A batch goes through three steps in this order: the handler stores; outputs and dead letters are written and
acknowledged; its offsets are settled. The polling thread commits the contiguous prefix of what is settled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Generic

import structlog

from workers import metrics
from workers.config import Settings
from workers.containment.admission import Admission
from workers.containment.breaker import Alarm, Breaker
from workers.containment.counting import Counting
from workers.containment.opened import Opened
from workers.containment.quarantine import in_flight
from workers.containment.retry import Retry
from workers.containment.writing import Writing
from workers.core.batch import Partition, Queue, Waiting
from workers.core.clock import Clock, SystemClock
from workers.core.fetch import Fetcher
from workers.core.lease import Lease, LeaseExpired
from workers.domain.events import Event
from workers.domain.topics import topic_name
from workers.wire.cloudevents import Wire
from workers.wire.letters import ORIGIN, origin_headers
from workers.wire.records import (
    Consumer,
    EventT,
    Handler,
    Health,
    InRecord,
    Item,
    Later,
    Open,
    ProduceFailed,
    Producer,
    TopicPartition,
    Unavailable,
    Verdict,
)

log = structlog.get_logger()
TICK_SECONDS = 0.1
STALLED_SECONDS = 120.0
LEAVE_SECONDS = 5.0


class DeadlinePassed(Exception):
    """A batch, or Kafka, did not let go in time. What is not committed is done again."""


class Loop(Generic[EventT]):
    """Reads ``topics``, ``<worker>.rekeyed`` and ``<worker>.retry`` (names without namespace) as group ``worker``.

    ``serial_key``: items for which it is equal never share a batch, nor are two of them in flight; without it items
    of one Kafka key share a batch in order, but are never in flight in two. With ``tombstones`` a record without
    a value goes to the handler, as an item whose event is None; else it is dead. Batches of ``backfill``, topics too,
    are counted apart from the others, with one fewer in flight, and none begins while a live event has waited
    ``live_lag_seconds`` for its turn. ``released`` is told of partitions that are not ours any more, when nothing of
    them is in flight: what the handler remembers of them is of no use.
    """

    def __init__(
        self,
        worker: str,
        topics: Sequence[str],
        *,
        consumer: Consumer,
        producer: Producer,
        wire: Wire,
        accepted: Collection[type[Event]],
        handler: Handler[EventT],
        settings: Settings,
        lease: Lease,
        clock: Clock | None = None,
        serial_key: Callable[[Item[EventT]], Hashable] | None = None,
        tombstones: bool = False,
        backfill: Collection[str] = (),
        released: Callable[[Collection[TopicPartition]], None] = lambda _: None,
    ) -> None:
        self._released = released
        self._worker, self._settings, self._clock = worker, settings, clock or SystemClock()
        self._consumer, self._handler, self._lease = consumer, handler, lease
        own = (topic_name(settings.namespace, f"{worker}.{kind}") for kind in ("dead", "rekeyed", "retry"))
        dead, again, retry = own
        self._topics = [*(topic_name(settings.namespace, topic) for topic in topics), again, retry]
        self._backfill = frozenset(topic_name(settings.namespace, topic) for topic in backfill)
        self._retry, self._breaker = Retry(settings, retry), Breaker(settings)
        self._writing = Writing(worker, producer, dead, self._clock.now)
        self._alarm, self._counting = Alarm(worker, self._breaker), Counting(worker, self._breaker)
        self._admission = Admission(wire, accepted, consumer.partitions, again, self._retry, serial_key, tombstones)
        self._queue = Queue(settings.batch_size, settings.batch_seconds, exclusive=serial_key is not None)
        self._room = max(settings.batch_size, settings.queue_size // 2)
        self._opened: Opened[Waiting] = Opened(settings.open_items)
        self._in_flight: dict[asyncio.Task[None], list[Waiting]] = {}
        self._sequence = 0
        self._decode_after = self._observe_after = 0.0
        self._moved_at = self._clock.monotonic()
        self._stopping, self._wake = asyncio.Event(), asyncio.Event()
        patience, release = settings.shutdown_seconds, self._release_from_thread
        self._fetcher = Fetcher(
            consumer, lease, self._clock, self._room, patience, self._wake_up, release, self._backfill
        )

    # The story.

    async def run(self) -> None:
        """Until ``stop``: fetch, batch, handle, settle; then drain, close, commit and leave. Raises what ended it."""
        self._asyncio = asyncio.get_running_loop()
        self._fetcher.start(self._topics)
        try:
            while not self._stopping.is_set():
                self._reap()
                self._take_in()
                self._launch()
                await self._news()
            self._fetcher.draining = True
            until = self._clock.monotonic() + self._settings.shutdown_seconds
            await self._finish(list(self._in_flight), self._settings.shutdown_seconds)
            await self._close(lambda _: True, until)
        finally:
            self._fetcher.stop()
            await self._finish(list(self._in_flight), 0.0)
            await asyncio.wait([asyncio.wrap_future(self._fetcher.ended)], timeout=LEAVE_SECONDS)
        self._reap()
        if not self._fetcher.ended.done():
            raise DeadlinePassed(f"Kafka did not take the last commit within {LEAVE_SECONDS:g} s")

    def stop(self) -> None:
        """End ``run`` in good order. On the loop's own thread, as a signal handler is."""
        self._stopping.set()
        self._wake.set()

    def resume(self) -> None:
        """Go on although many events were dead letters. On the loop's own thread, as a signal handler is."""
        self._breaker.resume()
        self._wake.set()

    def _take_in(self) -> None:
        """Decode what was fetched, each record alone (law 1), as far as there is room."""
        now = self._clock.monotonic()
        for line, backfill in ((self._fetcher.records, False), (self._fetcher.backfill, True)):
            arrived: list[Waiting] = []
            room = 0 if self._alone() else self._room - self._queue.ready(now, backfill)
            while line and len(arrived) < room and now >= self._decode_after:
                partition, record = line[0]
                try:
                    if partition.ours:
                        arrived.append(self._admit(partition, record, now))
                except Unavailable as error:
                    log.warning("cannot decode yet", reason=str(error))
                    self._decode_after = now + self._settings.retry_seconds
                else:
                    line.popleft()
            self._queue.put(arrived)
        self._fetcher.room.set()
        if due := self._opened.due(now):
            for waiting in due:
                waiting.arrived = now
            self._queue.put(due)

    def _admit(self, partition: Partition, record: InRecord, now: float) -> Waiting:
        found = self._admission.admit(record, partition.quarantine, self._clock.now())
        partition.offsets.read(record.position.offset)
        self._sequence += 1
        past = bool(self._backfill) and origin_headers(record)[ORIGIN + "topic"].decode() in self._backfill
        return Waiting(found.item, partition, self._sequence, now, found.key, found.verdict, now + found.wait, past)

    def _launch(self) -> None:
        """Start batches, so that fetching and decoding overlap with what the handler waits for."""
        now = self._clock.monotonic()
        while self._free() and (batch := self._next(now)):
            self._in_flight[asyncio.create_task(self._run_batch(batch))] = batch
        early = {w.partition.name for w in self._queue.held(now) if w.partition.name[0] == self._retry.topic}
        late = () if self._live_lag(now) is None else self._fetcher.partitions.keys()
        self._fetcher.blocked = (
            {p.name for p in self._blocked(now)} | early | {n for n in late if n[0] in self._backfill}
        )
        if self._breaker.state(now) == "open":
            self._fetcher.blocked = self._fetcher.partitions.keys()
        self._alarm.tell(now)
        if now >= self._observe_after:
            self._observe_after = now + 1.0
            self._observe()

    def _next(self, now: float) -> list[Waiting]:
        """Live items before those of backfill, and never both: the vectors of a batch come together."""
        most = self._most(now)
        batch = self._queue.take(now, most) if self._open_to_live() else []
        return batch or (self._queue.take(now, most, backfill=True) if self._open_to_backfill(now) else [])

    def _open_to_live(self) -> bool:
        return self._begun(backfill=False) < self._settings.batches_in_flight

    def _open_to_backfill(self, now: float) -> bool:
        few = max(1, self._settings.batches_in_flight - 1)
        return self._live_lag(now) is None and self._begun(backfill=True) < few

    def _begun(self, backfill: bool) -> int:
        """Batches in flight of one line: neither waits for the other's."""
        return sum(batch[0].backfill == backfill for batch in self._in_flight.values())

    def _live_lag(self, now: float) -> float | None:
        """Seconds since Kafka has the oldest live event that waits for its turn, where that is too long."""
        oldest = self._queue.oldest(now) if self._backfill else None
        lag = 0.0 if oldest is None else self._clock.now().timestamp() - oldest / 1000
        return lag if lag > self._settings.live_lag_seconds else None

    def _free(self) -> bool:
        most = self._most(self._clock.monotonic())
        return not self._alone() and most != 0 and not self._fetcher.leaving and self._lease.valid()

    def _most(self, now: float) -> int | None:
        return self._breaker.room(now, sum(len(batch) for batch in self._in_flight.values()))

    async def _news(self) -> None:
        """Wait until something arrived, ended or fell due."""
        now = self._clock.monotonic()
        due = self._queue.due(now, self._open_to_live(), self._open_to_backfill(now)) if self._free() else None
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK_SECONDS if due is None else min(TICK_SECONDS, max(due, 0.001))):
                await self._wake.wait()
        self._wake.clear()

    # A batch: store, outputs, offsets (law 3).

    async def _run_batch(self, batch: list[Waiting]) -> None:
        places = [(waiting.partition.quarantine, waiting.offset, waiting.item.open) for waiting in batch]
        try:
            with in_flight(places, blameless=(LeaseExpired, ProduceFailed)):
                await self._noted()
                verdicts = await self._handle(batch)
                self._lease.check()
                with metrics.stage(self._worker, "outputs"):
                    await self._writing.write([waiting.item for waiting in batch], verdicts)
                self._settle(batch, verdicts)
        except LeaseExpired as error:
            log.warning("batch dropped", worker=self._worker, items=len(batch), reason=str(error))
            self._queue.put(batch)
        except asyncio.CancelledError:
            self._queue.put(batch)
            raise
        finally:
            self._queue.landed(batch)
            self._wake.set()

    async def _noted(self) -> None:
        """Whoever comes after a death of this process will know what may have killed it."""
        if any(partition.quarantine.wants_note() for partition in self._fetcher.partitions.values()):
            await asyncio.wrap_future(self._fetcher.note())

    def _alone(self) -> bool:
        return any(batch[0].alone() for batch in self._in_flight.values())

    async def _handle(self, batch: list[Waiting]) -> list[Verdict]:
        """The handler stores and answers. What follows a ``Later`` of its own key comes later too."""
        items = [waiting.item for waiting in batch if waiting.verdict is None]
        answers = iter(await self._ask(items) if items else ())
        verdicts: list[Verdict] = []
        held: dict[Hashable, Later] = {}
        for waiting in batch:
            verdict = held.get(waiting.key, waiting.verdict or next(answers))
            if isinstance(verdict, Later):
                verdict = self._retry.moved(waiting.item, verdict, self._crowded(), self._clock.now()) or verdict
            if isinstance(verdict, Later):
                held[waiting.key] = verdict
            verdicts.append(verdict)
        return verdicts

    def _crowded(self) -> bool:
        """Whether half of what fits into memory waits for hosts of its own; what is due later is not of that."""
        held = self._queue.held(self._clock.monotonic())
        return sum(w.partition.name[0] != self._retry.topic for w in held) >= self._room // 2

    async def _ask(self, items: list[Item[EventT]]) -> Sequence[Verdict]:
        self._lease.check()
        metrics.BATCH_ITEMS.labels(self._worker).observe(len(items))
        with metrics.stage(self._worker, "handle"):
            try:
                answers = await self._handler.handle(items)
            except Unavailable as error:
                return [Later(0.0, f"{type(error).__name__}: {error}")] * len(items)
        if len(answers) != len(items):
            raise RuntimeError(f"{len(answers)} verdicts for {len(items)} items: the handler must give one each")
        return answers

    def _settle(self, batch: list[Waiting], verdicts: list[Verdict]) -> None:
        """Dealt with, or again after a pause: of its partition only, and in the order it had."""
        now = self._clock.monotonic()
        for waiting, verdict in zip(batch, verdicts, strict=True):
            self._counting.verdict(waiting.item, verdict, self._clock.now(), now)
            if isinstance(verdict, Later):
                self._postpone(waiting, verdict, now)
            elif isinstance(verdict, Open):
                self._hold(waiting, now + verdict.seconds)
            else:
                waiting.partition.offsets.settle(waiting.offset)
                self._opened.close(waiting.key, waiting)
        self._queue.put(w for w, verdict in zip(batch, verdicts, strict=True) if isinstance(verdict, Later))

    def _postpone(self, waiting: Waiting, verdict: Later, now: float) -> None:
        """The item alone, or its whole partition, waits in memory."""
        item, partition = waiting.item, waiting.partition
        until = now + self._retry.seconds(item, verdict)
        refusals = item.refusals + (verdict.elsewhere and verdict.counted)
        waiting.item = replace(item, attempts=item.attempts + 1, refusals=refusals)
        if verdict.elsewhere:
            waiting.after = until
        elif until > partition.blocked_until:
            partition.blocked_until, partition.reason = until, verdict.reason

    def _hold(self, waiting: Waiting, until: float) -> None:
        """It can be searched, and comes again to be made final, unless a newer one of its key takes its place."""
        waiting.partition.offsets.hold(waiting.offset)
        waiting.item = replace(waiting.item, open=True, attempts=0)
        if (older := self._opened.open(waiting.key, waiting, until)) is not None:
            older.partition.offsets.settle(older.offset)

    # Ending and losing partitions.

    def _reap(self) -> None:
        """Forget batches that ended; raise what one of them, or the polling thread, died of (law 7)."""
        ended = [task for task in self._in_flight if task.done()]
        if ended or not self._in_flight:
            self._moved_at = self._clock.monotonic()
        for task in ended:
            del self._in_flight[task]
            if not task.cancelled():
                task.result()
        if self._fetcher.ended.done():
            self._fetcher.ended.result()

    async def _finish(self, tasks: list[asyncio.Task[None]], seconds: float) -> None:
        """Batches end within ``seconds``, or are cancelled. Raises DeadlinePassed for a handler that goes on."""
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            if late and (await asyncio.wait(late, timeout=LEAVE_SECONDS))[1]:
                raise DeadlinePassed("the handler goes on after it was cancelled")

    async def _close(self, which: Callable[[Waiting], bool], until: float) -> None:
        """What is open, and no suspect, is made final before it is let go, if there is time; the rest is done again."""
        opened = [waiting for waiting in self._opened.take(which) if not waiting.alone()]
        size, seconds = self._settings.batch_size, until - self._clock.monotonic()
        if seconds <= 0:
            return
        batches = [opened[start : start + size] for start in range(0, len(opened), size)]
        for batch in batches:
            self._queue.taken(batch)
        tasks = {asyncio.create_task(self._run_batch(batch)): batch for batch in batches}
        self._in_flight |= tasks
        await self._finish(list(tasks), seconds)

    async def _release(self, seconds: float) -> None:
        """Let what is in flight of partitions that are not ours any more end within ``seconds``; forget the rest."""
        until = self._clock.monotonic() + seconds
        self._queue.forget()
        await self._finish([t for t, b in self._in_flight.items() if any(not w.partition.ours for w in b)], seconds)
        await self._close(lambda waiting: not waiting.partition.ours, until)
        self._released([name for name, partition in self._fetcher.partitions.items() if not partition.ours])

    def _release_from_thread(self, seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(self._release(seconds), self._asyncio).result()

    def _wake_up(self) -> None:
        """From any thread; one signal is enough until the loop looks."""
        if not self._wake.is_set():
            self._asyncio.call_soon_threadsafe(self._wake.set)

    # What others see.

    def health(self) -> Health:
        """Live while both threads move; ready from the first assignment until the end, but not while it is paused."""
        now = self._clock.monotonic()
        still = now - min(self._fetcher.polled_at, self._moved_at)
        ended = self._stopping.is_set() or self._fetcher.ended.done()
        detail = {f"{topic}/{number} waits": p.reason for p in self._blocked(now) for topic, number in [p.name]}
        if (lag := self._live_lag(now)) is not None:
            detail["backfill waits"] = f"a live event has waited {lag:.0f} s for its turn"
        ready = self._fetcher.joined and not ended and self._breaker.state(now) == "closed"
        return Health(still < STALLED_SECONDS, ready, self._breaker.described(now) | detail)

    def _blocked(self, now: float) -> list[Partition]:
        return [partition for partition in self._fetcher.partitions.values() if partition.blocked_until > now]

    def _observe(self) -> None:
        lags = {n: self._consumer.lag(n, p.offsets.stored) for n, p in self._fetcher.partitions.items()}
        blocked = len(self._blocked(self._clock.monotonic()))
        fetched = len(self._fetcher.records) + len(self._fetcher.backfill)
        self._counting.observe(len(self._queue) + fetched, blocked, lags)
