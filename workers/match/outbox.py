"""Events onto Kafka, each acknowledged before anyone is told that it was taken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime

from workers.domain.events import Event
from workers.metrics import OUTPUTS
from workers.wire.cloudevents import Wire
from workers.wire.erasing import Erasing
from workers.wire.ingest import IngestReport, ingest
from workers.wire.records import ProduceFailed, Producer, Unavailable

ACKNOWLEDGED_SECONDS = 10.0


class KafkaOutbox:
    """Encodes off the event loop: a codec may ask the registry for a schema, and producing may wait for room."""

    def __init__(
        self, wire: Wire, producer: Producer, erasing: Erasing | None = None, seconds: float = ACKNOWLEDGED_SECONDS
    ) -> None:
        self._wire, self._producer, self._erasing, self._seconds = wire, producer, erasing, seconds

    async def publish(self, topic: str, event: Event, *, id: str, time: datetime) -> None:  # noqa: A002 - CloudEvents
        """Write one event and wait for its acknowledgement; raises Unavailable where it does not come in time."""

        def send() -> Future[None]:
            return self._producer.send(self._wire.record(topic, event, id=id, time=time))

        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.wrap_future(await asyncio.to_thread(send))
        except TimeoutError as error:
            raise Unavailable(f"Kafka did not acknowledge within {self._seconds:g} s") from error
        except ProduceFailed as error:
            raise Unavailable(f"Kafka: {error}") from error
        OUTPUTS.labels("match", topic).inc()

    async def ingest(
        self, topic: str, raws: Sequence[object], time: datetime, asked_by: str | None = None
    ) -> IngestReport:
        """Validate JSON objects and write them, all or, where any is wrong, none."""
        report = await asyncio.to_thread(
            ingest,
            topic,
            raws,
            self._wire,
            self._producer,
            strict=True,
            time=time,
            seconds=self._seconds,
            erasing=self._erasing,
            asked_by=asked_by,
        )
        OUTPUTS.labels("match", topic).inc(len(report.accepted))
        return report
