"""Whether Kafka is there and lets us in. Asked first, so that one sentence says what is wrong, and not librdkafka."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from workers.adapters import security
from workers.config import Settings
from workers.wire.records import Unavailable

START_SECONDS: Final = 15.0
_TURN_SECONDS: Final = 1.0
_REFUSED: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
_PASSING: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_CONTROLLER,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.PREFERRED_LEADER_NOT_AVAILABLE,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
        KafkaError._NOENT,  # librdkafka's own, where it knows of no leader to ask
    }
)


class KafkaUnavailable(Unavailable):
    """No broker answers, or a topic is not there yet."""


class KafkaRefuses(KafkaUnavailable):
    """A broker answers and does not let us in: user, password or certificate are not what it wants."""


def reached(settings: Settings, seconds: float = START_SECONDS) -> AdminClient:
    """An admin client of a broker that has answered. Raises KafkaUnavailable, and KafkaRefuses as soon as it is known.

    Both name the address, and what was said last.
    """
    heard: deque[KafkaError] = deque(maxlen=20)
    admin = AdminClient({**security.kafka(settings), "log_level": 0, "error_cb": heard.append})
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        try:
            admin.list_topics(timeout=max(0.01, min(_TURN_SECONDS, left)))
        except KafkaException as error:
            admin.poll(0)
            if why := refusal(heard, settings):
                raise KafkaRefuses(why) from error
            if left <= 0:
                raise KafkaUnavailable(
                    f"Kafka at {settings.kafka_bootstrap} did not answer within {seconds:g} s{_said(heard)}"
                ) from error
        else:
            return admin


def passes(error: KafkaError) -> bool:
    """Whether an answer is one that Kafka's protocol calls retriable: asked again, it may be another.

    Not ``error.retriable()``: librdkafka sets that for transactions alone, and here it is always false.
    """
    return error.code() in _PASSING


def refusal(heard: Iterable[KafkaError], settings: Settings) -> str | None:
    """Why we are not let in, if that is among what was heard."""
    where = f"Kafka at {settings.kafka_bootstrap}"
    for error in heard:
        if error.code() in _REFUSED:
            name = settings.kafka_sasl_username
            user = (
                f"user {name!r} by {settings.kafka_sasl_mechanism}" if name else f"a {settings.kafka_security} client"
            )
            return f"{where}: authentication failed: it does not let in {user}{_said([error])}"
        if error.code() == KafkaError._SSL:
            return f"{where}: no TLS connection{_said([error])}"
    return None


def _said(heard: Iterable[KafkaError]) -> str:
    """The last thing of note, without where and after how many milliseconds librdkafka heard it."""
    words = [error.str() for error in heard if error.code() != KafkaError._ALL_BROKERS_DOWN]
    return f" ({words[-1].rpartition(' (after')[0] or words[-1]})" if words else ""
