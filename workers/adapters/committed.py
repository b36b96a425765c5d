"""What a consumer group has committed, and the notes beside it, asked from outside the group.

By a consumer that never joins, not by the admin client: while a group's coordinator is loading or moving, the answer to
the admin's ListConsumerGroupOffsets ends the process in librdkafka 2.16 (a null pointer in rd_kafka_cgrp_op).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from workers.adapters import security
from workers.config import Settings
from workers.wire import records
from workers.wire.records import Unavailable

ANSWER_SECONDS: Final = 15.0
MOVING: Final = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError._WAIT_COORD,
        KafkaError._TRANSPORT,
    }
)
"""The coordinator loads the group, or has moved: the next answer may be its offsets."""


class OffsetsUnavailable(Unavailable):
    """The group's coordinator did not answer."""


def committed_offsets(
    settings: Settings, group: str, places: Iterable[records.TopicPartition], seconds: float = ANSWER_SECONDS
) -> Mapping[records.TopicPartition, tuple[int, str]]:
    """The committed offset and the note of each of ``places`` where there is one. Names are full.

    Waits for a coordinator that is loading. Raises OffsetsUnavailable after ``seconds``.
    """
    wanted = [TopicPartition(*place) for place in places]
    if not wanted:
        return {}
    asking = Consumer({**security.kafka(settings), "group.id": group, "enable.auto.commit": False, "log_level": 0})
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                found = asking.committed(wanted, timeout=max(0.1, deadline - time.monotonic()))
                break
            except KafkaException as error:
                if error.args[0].code() not in MOVING or time.monotonic() > deadline:
                    raise OffsetsUnavailable(f"the offsets of group {group}: {error.args[0].str()}") from error
                asking.poll(0.1)  # never subscribed, so that nothing comes: the coordinator is looked for meanwhile
    finally:
        asking.close()
    return {
        (place.topic, place.partition): (place.offset, place.metadata or "")
        for place in found
        if place.error is None and place.offset >= 0
    }
