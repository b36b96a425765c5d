"""What a keyed worker reads and commits: from what is committed or the beginning, and never past what it dropped."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver
from mode.utils.queues import FlowControlQueue

from workers.adapters.tables.consumer import Flow, HandAcknowledged, _ReadOffsets
from workers.adapters.tables.line import Line, Skipped

OUTCOMES, CHANGELOG = TopicPartition("outcomes", 1), TopicPartition("outcomes.changelog", 1)


async def test_a_partition_of_which_nothing_is_committed_is_read_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """aiokafka would go on behind what Faust had fetched and dropped; changelogs are recovery's to seek."""
    known, new, changelog = (TopicPartition(topic, 1) for topic in ("decisions", "outcomes", "outcomes.changelog"))
    sought = []

    async def seek_to_committed(_consumer: Any) -> dict[TopicPartition, int | None]:
        return {known: 7, new: None, changelog: None}

    class Consumer(HandAcknowledged):
        def __init__(self) -> None:
            self.app = SimpleNamespace(tables=SimpleNamespace(changelog_topics={"outcomes.changelog"}))

        async def earliest_offsets(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
            return dict.fromkeys(partitions, 3)

        async def _seek(self, partition: TopicPartition, offset: int) -> None:
            sought.append((partition, offset))

    monkeypatch.setattr(driver.Consumer, "seek_to_committed", seek_to_committed)
    assert await Consumer().seek_to_committed() == {known: 7, new: None, changelog: None}
    assert sought == [(new, 3)]


class Reading(HandAcknowledged):
    """A consumer that is handed what a test says."""

    def __init__(self) -> None:
        self.app = SimpleNamespace(tables=SimpleNamespace(changelog_topics={CHANGELOG.topic}), in_recovery=False)
        self._lines = defaultdict(Line)
        self._unacked_messages = set()


@dataclass(frozen=True)
class Read:
    """A message, as Faust makes it of a record."""

    offset: int
    tp: TopicPartition = OUTCOMES


def message(offset: int) -> Any:
    """Of ``outcomes``."""
    return Read(offset)


async def test_an_offset_that_was_fetched_and_not_handed_over_is_not_committed_past(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Faust takes the gap in what it was handed for what compaction had removed."""

    async def getmany(_consumer: Any, _active: Any, _timeout: float) -> dict[TopicPartition, list[Any]]:
        return {
            OUTCOMES: [message(offset) for offset in (3, 4, 5)],
            CHANGELOG: [message(offset) for offset in range(9)],
        }

    monkeypatch.setattr(driver.Consumer, "_getmany", getmany)
    consumer = Reading()
    await consumer._getmany({OUTCOMES}, 1.0)
    assert consumer.take(message(3))
    consumer.settle(message(3))
    with pytest.raises(Skipped, match="record 4"):
        consumer.take(message(5))
    assert list(consumer._filter_tps_with_pending_acks()) == [OUTCOMES]
    assert consumer._new_offset(OUTCOMES) == 4


@pytest.mark.parametrize(("recovering", "asked"), [(True, {OUTCOMES, CHANGELOG}), (False, {OUTCOMES})])
async def test_a_changelog_is_read_in_a_recovery_alone(
    monkeypatch: pytest.MonkeyPatch, recovering: bool, asked: set[TopicPartition]
) -> None:
    """Faust reads on where there was nothing to recover, and puts rows on disk over those that were written since."""
    seen = []

    async def getmany(_consumer: Any, active: set[TopicPartition], _timeout: float) -> dict[TopicPartition, list[Any]]:
        seen.append(active)
        return {}

    monkeypatch.setattr(driver.Consumer, "_getmany", getmany)
    consumer = Reading()
    consumer.app.in_recovery = recovering
    await consumer._getmany({OUTCOMES, CHANGELOG}, 1.0)
    assert seen == [asked]


async def test_of_changelogs_alone_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No partitions would mean all of them."""

    async def getmany(*_: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(driver.Consumer, "_getmany", getmany)
    assert await Reading()._getmany({CHANGELOG}, 1.0) == {}


class Handing(Reading):
    """A consumer that hands messages on to one queue of two places."""

    should_stop = False
    flow_active = True

    def __init__(self) -> None:
        super().__init__()
        self.queue = asyncio.Queue[int](2)

        class Topics(list[Any]):
            _tp_to_callback_lock = asyncio.Lock()

        self.app.topics = Topics([SimpleNamespace(queue=self.queue)])

    async def hand_on(self, number: int) -> None:
        """As Faust does it: a message, or else that the flow is held up."""
        await self.wait_first(self.queue.put(number), asyncio.Event().wait())


async def test_a_message_is_handed_on_at_once_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a task, and in order; where there is none, once there is."""
    consumer, tasks = Handing(), len(asyncio.all_tasks())
    for number in (1, 2):
        await consumer.hand_on(number)
        assert len(asyncio.all_tasks()) == tasks
    third = asyncio.create_task(consumer.hand_on(3))
    await asyncio.sleep(0)
    assert not third.done()
    assert [await consumer.queue.get() for _ in range(3)] == [1, 2, 3]
    await third


async def test_while_the_flow_is_held_up_faust_hands_on_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """It drops a message that waits then: it will be read again."""
    seen = []

    async def wait_first(_consumer: Any, *awaited: Any, timeout: Any = None) -> None:
        for each in awaited:
            each.close()
        seen.append(len(awaited))

    monkeypatch.setattr(driver.Consumer, "wait_first", wait_first)
    consumer = Handing()
    consumer.flow_active = False
    await consumer.hand_on(1)
    assert (seen, consumer.queue.qsize()) == ([2], 0)
    consumer.flow_active = True
    async with consumer.app.topics._tp_to_callback_lock:
        await consumer.hand_on(2)
    assert (seen, consumer.queue.qsize()) == ([2, 2], 0)


async def test_every_assignment_begins_a_new_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process has committed meanwhile is not taken back."""

    async def told(_consumer: Any, _partitions: Any, _generation: int = 0) -> None:
        return None

    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", told)
    monkeypatch.setattr(driver.Consumer, "on_partitions_assigned", told)
    consumer = Reading()
    for moved in (consumer.on_partitions_revoked, consumer.on_partitions_assigned):
        consumer._lines[OUTCOMES].fetch([3])
        assert consumer.take(message(3))
        consumer.settle(message(3))
        await moved({OUTCOMES})
        assert consumer._new_offset(OUTCOMES) is None


def test_a_flow_that_goes_on_already_keeps_what_is_in_its_queues() -> None:
    """After the seek to what is committed Faust resumes once more; by then records of it have come."""
    control = Flow()
    queue = FlowControlQueue[int](flow_control=control, clear_on_resume=True)
    queue.put_nowait(1)
    control.resume()
    assert queue.empty()
    queue.put_nowait(2)
    control.resume()
    assert queue.get_nowait() == 2


def test_faust_drops_nothing_of_a_source_topic_as_read_already() -> None:
    """Only of changelogs it knows how far they were read: those it recovers by itself."""
    offsets = _ReadOffsets(lambda: {"outcomes.changelog"})
    offsets.update({OUTCOMES: 5, CHANGELOG: 7})
    assert offsets[OUTCOMES] is None
    assert offsets[CHANGELOG] == 7
    offsets.pop(CHANGELOG, None)
    assert offsets[CHANGELOG] is None
