"""Kafka's producer by confluent-kafka, with futures. Not its asyncio variant, which cannot send headers."""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import Future
from threading import Event, Lock, Thread
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from workers.adapters import security
from workers.adapters.kafka_reach import KafkaLost, Reach, asking
from workers.config import Settings
from workers.wire.records import OutputRefused, OutRecord, ProduceFailed

MAX_MESSAGE_BYTES: Final = 2 * 1024 * 1024
DELIVERY_MS: Final = 60_000
LINGER_MS: Final = 5.0
STATISTICS_MS: Final = 1000
_PURGE_SECONDS: Final = 5.0
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
    ``OutputRefused`` for what it is and never for its neighbours. A client that has forgotten its brokers is replaced:
    what it held fails, and whoever sends next is not refused for ever.
    """

    def __init__(self, settings: Settings, *, delivery_ms: int = DELIVERY_MS, linger_ms: float = LINGER_MS) -> None:
        """``linger_ms``: how long a record waits for company; 0 for those who answer only once it is acknowledged."""
        self._asking = asking(settings)
        self._reach = Reach(self._asking)
        self._configuration: dict[str, Any] = {
            **security.kafka(settings),
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "acks": "all",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "delivery.timeout.ms": delivery_ms,
            "linger.ms": linger_ms,
            "compression.type": "lz4",
            "statistics.interval.ms": STATISTICS_MS,
            "stats_cb": lambda text: self._reach.told(json.loads(text)),
        }
        if not _LOGGER.handlers:
            # Where nobody keeps a log, as in a command, Python would print every line of librdkafka's.
            _LOGGER.addHandler(logging.NullHandler())
        self._where, self._seconds = settings.kafka_bootstrap, delivery_ms / 1000
        self._together = Producer(self._configuration, logger=_LOGGER)
        self._one_by_one: Producer | None = None
        self._choosing = Lock()
        self._closed = Event()
        self._thread = Thread(target=self._poll, name="producer", daemon=True)
        self._thread.start()

    def send(self, record: OutRecord) -> Future[None]:
        """Hand a record over. Waits while the local queue is full; nothing is ever dropped."""
        future: Future[None] = Future()
        # Running: whoever waits for it cannot cancel a record that is on its way.
        future.set_running_or_notify_cancel()
        self._produce(record, future, alone=False)
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

    def _produce(self, record: OutRecord, future: Future[None], *, alone: bool) -> None:
        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                future.set_result(None)
            elif error.code() in NEVER and not alone:
                self._produce(record, future, alone=True)
            else:
                future.set_exception(self._failure(record, error))

        where = {} if record.partition is None else {"partition": record.partition}
        while True:
            producer = None
            try:
                with self._choosing:
                    producer = self._alone() if alone else self._together
                    producer.produce(
                        record.topic,
                        value=record.value,
                        key=record.key,
                        headers=list(record.headers),
                        on_delivery=delivered,
                        **where,
                    )
            except BufferError:
                assert producer is not None
                producer.poll(0.05)
            except KafkaException as error:
                future.set_exception(self._failure(record, error.args[0]))
                return
            else:
                return

    def _alone(self) -> Producer:
        """The same, with one record a batch: made when it is first wanted, which is hardly ever."""
        if self._one_by_one is None:
            bare = {**self._configuration, "batch.num.messages": 1, "statistics.interval.ms": 0}
            self._one_by_one = Producer(bare, logger=_LOGGER)
        return self._one_by_one

    def _poll(self) -> None:
        while not self._closed.is_set():
            self._together.poll(0.1)
            if self._one_by_one is not None:
                self._one_by_one.poll(0)
            try:
                self._reach.check()
            except KafkaLost:
                self._replace()

    def _replace(self) -> None:
        """Under the lock, so that nothing is given to a client that nobody polls any more."""
        with self._choosing:
            lost = [one for one in (self._together, self._one_by_one) if one is not None]
            self._reach = Reach(self._asking)
            self._together, self._one_by_one = Producer(self._configuration, logger=_LOGGER), None
        for producer in lost:
            producer.purge()
            producer.flush(_PURGE_SECONDS)

    def _failure(self, record: OutRecord, error: KafkaError) -> ProduceFailed:
        if error.code() in NEVER:
            size = len(record.key or b"") + len(record.value or b"")
            return OutputRefused(f"{record.topic}: {error.str()} ({size} bytes of key and value)")
        if error.code() == KafkaError._MSG_TIMED_OUT:
            return ProduceFailed(f"{record.topic}: Kafka at {self._where} did not take it within {self._seconds:g} s")
        return ProduceFailed(f"{record.topic}: {error.str()}")
