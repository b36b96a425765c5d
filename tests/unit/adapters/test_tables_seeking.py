"""Where a keyed worker reads on after partitions moved: at what is committed, or at the beginning."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver

from workers.adapters.tables.app import HandAcknowledged


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
