"""What a keyed worker reads, and how far it has come: nothing is committed that was not dealt with."""

from __future__ import annotations

import asyncio
from collections import UserDict, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from mode.utils.queues import FlowControlEvent

from workers.adapters.tables.line import Line

FULL_SECONDS = 0.005
"""How often a full queue is looked at: in that time a handler takes a few events, and the queue holds many."""


class _ReadOffsets(UserDict[TP, int | None]):
    """How far each changelog was read. Of other topics Faust is told nothing: it would drop what lies below."""

    def __init__(self, changelogs: Callable[[], Container[str]]) -> None:
        super().__init__()
        self._changelogs = changelogs

    def __getitem__(self, tp: TP) -> int | None:
        return self.data.get(tp)

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        if tp.topic in self._changelogs():
            self.data[tp] = offset

    def __delitem__(self, tp: TP) -> None:
        # `pop` looks it up first, and finds None of every topic; Faust does it to each partition that is revoked.
        self.data.pop(tp, None)


class Flow(FlowControlEvent):  # type: ignore[misc]
    """Whether events flow, and what is held while they do not is dropped: it will be read again.

    Recovery lets them flow, seeks to what is committed, and lets them flow once more, at which Faust drops what is in
    the queues: by then the first records after the seek, which nobody would read again.
    """

    def resume(self) -> None:
        """Let events flow; where they do already, nothing."""
        if not self.is_active():
            super().resume()


class HandAcknowledged(driver.Consumer):  # type: ignore[misc]
    """A consumer on which only ``settle`` counts, and no offset is committed that is not settled.

    Faust acknowledges by itself what it skips while partitions move, and what it cannot decode. And where the offsets
    that it is handed have a gap it takes for granted that nothing was there: but a fetch that overlaps with a seek
    leaves such a gap too, of records which still wait to be handled, or were dropped.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lines: defaultdict[TP, Line] = defaultdict(Line)
        self._read_offset = _ReadOffsets(lambda: self.app.tables.changelog_topics)

    def ack(self, message: Message) -> bool:  # noqa: ARG002 - Faust calls it
        """Nothing: see the class."""
        return False

    def take(self, message: Message) -> bool:
        """Whether a message is to be handled; false for one that already was. Raises Skipped: see ``Line``."""
        return self._lines[message.tp].take(message.offset)

    def settle(self, message: Message) -> None:
        """The event is dealt with. Call it in the order in which they were taken."""
        self._unacked_messages.discard(message)
        self._lines[message.tp].settle(message.offset)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """What is fetched of these; of changelogs in a recovery alone.

        Where there is nothing to recover, Faust goes on to read the changelog that the process itself writes, and puts
        its rows on disk once more, a thousand at a time: older ones over newer ones.
        """
        changelogs = self.app.tables.changelog_topics
        if active_partitions and not self.app.in_recovery:
            active_partitions = {tp for tp in active_partitions if tp.topic not in changelogs}
            if not active_partitions:  # which aiokafka would take for all of them
                await asyncio.sleep(FULL_SECONDS)
                return {}
        records = await super()._getmany(active_partitions, timeout)
        # A changelog is recovery's to read: nobody takes its records, and a line of it would only grow.
        for tp, fetched in records.items():
            if tp.topic not in changelogs:
                self._lines[tp].fetch(record.offset for record in fetched)
        return records

    async def wait_first(self, *awaited: Any, timeout: Any = None) -> Any:
        """Faust's own, by which it hands on each message: unless the flow is held up, it is handed on at once.

        Faust makes six tasks for each message, to wait for room or for a rebalance. A look at the queues tells of room.
        """
        while self.flow_active and not self.should_stop and self._full():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(FULL_SECONDS)
        if not self.flow_active or self.should_stop or self.app.topics._tp_to_callback_lock.locked():
            return await super().wait_first(*awaited, timeout=timeout)
        handing_on, *others = awaited
        for other in others:
            other.close()
        return await handing_on

    def _full(self) -> bool:
        return any(channel.queue.full() for channel in self.app.topics)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: who hands on waits for room, and fetches nothing meanwhile. Faust would wait a second for more."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing: see above."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """What is settled from now on begins a new line."""
        self._lines.clear()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """All is read anew from what is committed, by Faust's recovery: a new line for each partition."""
        self._lines.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self._lines if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._lines[tp].committable()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Back to what is committed, and to the beginning of a partition where nothing is yet.

        aiokafka leaves those where they are: what Faust had fetched of them and dropped, as it does while partitions
        move, would be lost with the first commit behind it.
        """
        committed: Mapping[TP, int] = await super().seek_to_committed()
        changelogs = self.app.tables.changelog_topics
        new = [tp for tp, offset in committed.items() if not offset and tp.topic not in changelogs]
        if new:
            for tp, offset in (await self.earliest_offsets(*new)).items():
                await self._seek(tp, offset)
        return committed
