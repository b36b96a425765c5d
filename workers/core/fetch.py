"""The one thread that polls. It fetches, pauses, commits and answers rebalances; it never sleeps and never decodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Event, Thread

import structlog

from workers.containment.quarantine import arrested
from workers.core.batch import Partition
from workers.core.clock import Clock
from workers.core.lease import Lease, LeaseExpired
from workers.wire.records import Consumer, InRecord, TopicPartition

log = structlog.get_logger()
POLL_SECONDS = 0.05
COMMIT_SECONDS = 0.5
NOTE_SECONDS = 0.005


class Fetcher:
    """Owns the assignment. Hands over in ``records``, in order, twice ``capacity`` at most; those of ``backfill``'s
    topics in a line of their own, which is full by itself: it holds nobody else.

    ``wake`` tells the loop that some came. The loop sets ``room`` when it took some, and ``blocked``: partitions that
    wait for a server. ``release(seconds)`` makes it finish, or else drop, what is in flight of partitions that are no
    longer ``ours``. ``ended`` ends when the thread does, with what it died of.
    """

    def __init__(
        self,
        consumer: Consumer,
        lease: Lease,
        clock: Clock,
        capacity: int,
        seconds: float,
        wake: Callable[[], None],
        release: Callable[[float], None],
        backfill: Collection[str] = (),
    ) -> None:
        self._consumer, self._lease, self._clock, self._capacity = consumer, lease, clock, capacity
        self._seconds, self._wake, self._release = seconds, wake, release
        self._stop = Event()
        self._paused: frozenset[TopicPartition] = frozenset()
        self._asked = False
        self._backfill = frozenset(backfill)
        self.records: deque[tuple[Partition, InRecord]] = deque()
        self.backfill: deque[tuple[Partition, InRecord]] = deque()
        self.partitions: Mapping[TopicPartition, Partition] = {}
        self.blocked: Collection[TopicPartition] = ()
        self._notes: deque[Future[None]] = deque()
        self.room = Event()
        self.draining = False
        self.leaving = False
        self.joined = False
        self.polled_at = clock.monotonic()
        self.ended: Future[None] = Future()

    def start(self, topics: Sequence[str]) -> None:
        """Join the group on a thread of its own."""
        Thread(target=self._run, args=(topics,), name="poll", daemon=True).start()

    def stop(self) -> None:
        """Commit and leave the group; ``ended`` says when."""
        self._stop.set()

    def _run(self, topics: Sequence[str]) -> None:
        try:
            try:
                self._consumer.subscribe(topics, self)
                self._poll_until_stopped()
            finally:
                self._consumer.close()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the loop looks at ``ended``
            self.ended.set_exception(error)
        else:
            self.ended.set_result(None)

    def _poll_until_stopped(self) -> None:
        commit_at = self._clock.monotonic() + COMMIT_SECONDS
        while not self._stop.is_set():
            self._pause()
            if len(self.records) >= self._capacity:
                self.room.clear()
                self.room.wait(POLL_SECONDS if len(self.records) >= self._capacity else 0)
            record = self._consumer.poll(NOTE_SECONDS if self._notes else POLL_SECONDS)
            self._lease.renew(self._consumer.silence())
            self.polled_at = self._clock.monotonic()
            if record is not None:
                topic, number = record.position.topic, record.position.partition
                line = self.backfill if topic in self._backfill else self.records
                line.append((self.partitions[topic, number], record))
                self._wake()
            if self.polled_at >= commit_at or self._asked:
                self._asked = False
                commit_at = self.polled_at + COMMIT_SECONDS
                self._commit(self.partitions.values(), wait=False)
            if self._notes:
                self._answer()

    def _pause(self) -> None:
        """The loop pauses what waits for a server. Back-pressure pauses a line, until half of its capacity is free.

        That is the last means, for a loop that takes little for long: a pause costs what was fetched ahead, and half a
        second. Before it, a full hand-over slows the thread to one record each POLL_SECONDS.
        """
        assigned = frozenset(self.partitions)
        wanted = assigned if self.draining else assigned.intersection(self.blocked)
        past = frozenset(name for name in assigned if name[0] in self._backfill)
        for line, partitions in ((self.records, assigned - past), (self.backfill, past)):
            if len(line) >= ((self._capacity + 1) // 2 if partitions <= self._paused else 2 * self._capacity):
                wanted |= partitions
        if more := wanted - self._paused:
            self._consumer.pause(more)
        if fewer := (self._paused & assigned) - wanted:
            self._consumer.resume(fewer)
        self._paused = wanted

    def note(self) -> Future[None]:
        """Commit with notes at once. Ends when no partition wants one; LeaseExpired if partitions are on the move."""
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()
        self._notes.append(future)
        self._asked = True
        if self.leaving:
            self._deny()
        return future

    def _answer(self) -> None:
        """Those who wait for a note hear of it."""
        for name, partition in self.partitions.items():
            partition.quarantine.acknowledged(self._consumer.acknowledged(name))
        if not self._lease.valid():
            self._deny()
        elif not any(partition.quarantine.wants_note() for partition in self.partitions.values()):
            while self._notes:
                self._notes.popleft().set_result(None)

    def _deny(self) -> None:
        with suppress(IndexError):
            while True:
                self._notes.popleft().set_exception(LeaseExpired("partitions are on the move"))

    def _commit(self, partitions: Iterable[Partition], wait: bool) -> None:
        known = {p.name: (p.offsets.next, p) for p in partitions if p.quarantine.begun}
        offsets = {name: offset for name, (offset, _) in known.items() if offset is not None}
        if offsets and self._lease.valid():
            parts = {name: known[name][1] for name in offsets}
            notes = {n: p.quarantine.note(offsets[n], wait, p.offsets.stored) for n, p in parts.items()}
            self._consumer.commit(offsets, wait, notes)

    # The assignment, told by the consumer inside poll and close.

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """A pause ends with the assignment it was for."""
        log.info("partitions assigned", count=len(partitions))
        self._paused -= frozenset(partitions)
        former = self._consumer.former(partitions)
        fresh = {name: Partition(name, quarantine=arrested(*former[name])) for name in partitions}
        self.partitions = {**self.partitions, **fresh}
        self.joined = True

    def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Finish what is in flight, commit the prefix, forget the rest. Nothing renews the lease meanwhile."""
        self._leave(partitions, min(self._seconds, 0.8 * self._lease.remaining()), commit=True)

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """They may have another owner already: what is in flight is dropped, nothing is committed."""
        self._leave(partitions, 0.0, commit=False)

    def _leave(self, partitions: Collection[TopicPartition], seconds: float, commit: bool) -> None:
        log.info("partitions revoked" if commit else "partitions lost", count=len(partitions))
        gone = [self.partitions[name] for name in partitions if name in self.partitions]
        for partition in gone:
            partition.ours = False
        self.leaving = True
        self._deny()
        self._release(seconds)
        self.leaving = False
        if commit:
            self._commit(gone, wait=True)
        self.partitions = {name: partition for name, partition in self.partitions.items() if partition.ours}
