"""What a keyed worker reads and commits: from what is committed or the beginning, and never past what it dropped."""

from __future__ import annotations

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
        self.app = SimpleNamespace(tables=SimpleNamespace(changelog_topics={CHANGELOG.topic}))
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
