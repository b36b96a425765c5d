"""Kafka's producer by confluent-kafka, with futures. Not its asyncio variant, which cannot send headers."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from threading import Event, Lock, Thread
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from workers.adapters import security
from workers.config import Settings
from workers.wire.records import OutputRefused, OutRecord, ProduceFailed

MAX_MESSAGE_BYTES: Final = 2 * 1024 * 1024
DELIVERY_MS: Final = 60_000
NEVER: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError._INVALID_DIFFERENT_RECORD,
    }
)
"""What no waiting mends: the topic does not take such a record, or does not take it in the company it was sent in."""

# librdkafka's own log, through the standard library's: `process.logs` sets its form and level.
_LOGGER: Final = logging.getLogger("librdkafka")


class KafkaProducer:
    """Thread-safe. Java's partitioner, idempotent, acknowledged by all replicas; a thread of its own polls.

    Kafka refuses batches, not records: what is refused is sent once more in a batch of its own, so that a record is
    ``OutputRefused`` for what it is and never for its neighbours.
    """

    def __init__(self, settings: Settings, *, delivery_ms: int = DELIVERY_MS) -> None:
        self._configuration: dict[str, Any] = {
            **security.kafka(settings),
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "acks": "all",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "delivery.timeout.ms": delivery_ms,
            "linger.ms": 5,
            "compression.type": "lz4",
        }
        self._together = Producer(self._configuration, logger=_LOGGER)
        self._one_by_one: Producer | None = None
        self._making = Lock()
        self._closed = Event()
        self._thread = Thread(target=self._poll, name="producer", daemon=True)
        self._thread.start()

    def send(self, record: OutRecord) -> Future[None]:
        """Hand a record over. Waits while the local queue is full; nothing is ever dropped."""
        future: Future[None] = Future()
        # Running: whoever waits for it cannot cancel a record that is on its way.
        future.set_running_or_notify_cancel()
        self._produce(self._together, record, future)
        return future

    def flush(self, seconds: float) -> None:
        """Wait until everything is acknowledged or failed, ``seconds`` at most."""
        deadline = time.monotonic() + seconds
        self._together.flush(seconds)
        if self._one_by_one is not None:
            self._one_by_one.flush(max(0.0, deadline - time.monotonic()))

    def close(self, seconds: float = 5.0) -> None:
        """Flush and end the thread."""
        self.flush(seconds)
        self._closed.set()
        self._thread.join(1.0)

    def _produce(self, producer: Producer, record: OutRecord, future: Future[None]) -> None:
        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                future.set_result(None)
            elif error.code() in NEVER and producer is self._together:
                self._produce(self._alone(), record, future)
            else:
                future.set_exception(_failure(record, error))

        where = {} if record.partition is None else {"partition": record.partition}
        while True:
            try:
                producer.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    on_delivery=delivered,
                    **where,
                )
            except BufferError:
                producer.poll(0.05)
            except KafkaException as error:
                future.set_exception(_failure(record, error.args[0]))
                return
            else:
                return

    def _alone(self) -> Producer:
        """The same, with one record a batch: made when it is first wanted, which is hardly ever."""
        with self._making:
            if self._one_by_one is None:
                self._one_by_one = Producer({**self._configuration, "batch.num.messages": 1}, logger=_LOGGER)
            return self._one_by_one

    def _poll(self) -> None:
        while not self._closed.is_set():
            self._together.poll(0.1)
            if self._one_by_one is not None:
                self._one_by_one.poll(0)


def _failure(record: OutRecord, error: KafkaError) -> ProduceFailed:
    if error.code() in NEVER:
        size = len(record.key or b"") + len(record.value or b"")
        return OutputRefused(f"{record.topic}: {error.str()} ({size} bytes of key and value)")
    return ProduceFailed(f"{record.topic}: {error.str()}")
