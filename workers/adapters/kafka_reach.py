"""Whether a client of librdkafka still finds its cluster, or has forgotten every broker of it.

librdkafka (2.13 to 2.16 at least; its issue 5301) drops the brokers that an answer does not name. One that names none,
as a broker gives for a moment when it wakes or was cut off, leaves it with nobody to ask, for ever. Nothing is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka.admin import AdminClient

from workers.adapters import security
from workers.config import Settings
from workers.wire.records import Unavailable

UNHEARD_SECONDS: Final = 10.0
"""Without a connection for so long, somebody else is asked, and again each so many seconds."""
LOST_SECONDS: Final = 30.0
"""From another's first answer; a client that is not lost connects again within ten seconds, or twenty if one fails."""
_ANSWER_SECONDS: Final = 5.0
_CONNECTED: Final = frozenset({"UP", "REAUTH"})


class KafkaLost(Unavailable):
    """The cluster answers others and not this client: a new one is needed. For a consumer that is a new process."""


class Reach:
    """``ask`` asks the cluster anything by a client of its own. One thread uses it."""

    def __init__(self, ask: Callable[[], Future[Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._heard = self._asked_at = clock()
        self._asked: Future[Any] | None = None
        self._answered: float | None = None

    def told(self, statistics: Mapping[str, Any]) -> None:
        """What librdkafka says of itself."""
        brokers = [broker for broker in statistics["brokers"].values() if broker["source"] != "internal"]
        if any(broker["state"] in _CONNECTED for broker in brokers):
            self._heard, self._asked, self._answered = self._clock(), None, None

    def check(self) -> None:
        """Raises KafkaLost. Costs nothing while there is a connection, and never waits."""
        now = self._clock()
        if now - self._heard < UNHEARD_SECONDS:
            return
        if self._asked is not None and self._asked.done():
            if self._asked.exception() is not None:
                self._answered = None
            elif self._answered is None:
                self._answered = now
            self._asked = None
        if self._answered is not None and now - self._answered > LOST_SECONDS:
            raise KafkaLost(f"Kafka answers others, and for {now - self._heard:.0f} s this client found no broker")
        if self._asked is None and now - self._asked_at >= UNHEARD_SECONDS:
            self._asked_at, self._asked = now, self._ask()


def asking(settings: Settings) -> Callable[[], Future[Any]]:
    """For ``Reach``: a fresh client each time, as the last one may be lost itself."""
    last: list[AdminClient] = []

    def ask() -> Future[Any]:
        last[:] = [AdminClient({**security.kafka(settings), "log_level": 0})]
        future: Future[Any] = last[0].describe_cluster(request_timeout=_ANSWER_SECONDS)
        return future

    return ask
