"""A client that has forgotten its brokers: told from one whose cluster is gone, and from one that is connected."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from workers.adapters.kafka_producer import KafkaProducer
from workers.adapters.kafka_reach import LOST_SECONDS, UNHEARD_SECONDS, KafkaLost, Reach
from workers.config import load_settings
from workers.wire.records import OutRecord, ProduceFailed

UP = {"brokers": {"a": {"source": "learned", "state": "UP"}, "i": {"source": "internal", "state": "INIT"}}}
DOWN = {"brokers": {"a": {"source": "learned", "state": "DOWN"}, "i": {"source": "internal", "state": "UP"}}}
GONE: dict[str, Any] = {"brokers": {}}


class Life:
    """A client's life, second by second; ``reachable`` says whether another client is answered."""

    def __init__(self) -> None:
        self.now, self.reachable, self.asked = 0.0, True, 0
        self.reach = Reach(self._ask, lambda: self.now)

    def _ask(self) -> Future[None]:
        self.asked += 1
        future: Future[None] = Future()
        if self.reachable:
            future.set_result(None)
        else:
            future.set_exception(TimeoutError())
        return future

    def live(self, seconds: float, said: dict[str, Any]) -> None:
        """Statistics and a check each second."""
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            self.reach.told(said)
            self.reach.check()


def test_a_client_with_a_connection_asks_nobody() -> None:
    """For an hour."""
    life = Life()
    life.live(3600.0, UP)
    assert life.asked == 0


@pytest.mark.parametrize("said", [GONE, DOWN])
def test_a_client_that_finds_nobody_where_others_are_answered_is_lost(said: dict[str, Any]) -> None:
    """Within a minute. librdkafka's own inner broker is no connection."""
    life = Life()
    life.live(100.0, UP)
    with pytest.raises(KafkaLost, match="Kafka answers others"):
        life.live(1000.0, said)
    assert life.now < 100.0 + 2 * UNHEARD_SECONDS + LOST_SECONDS + 5.0


def test_a_cluster_that_is_gone_is_waited_for() -> None:
    """For a day; and when it is back, the client has its time to find it."""
    life = Life()
    life.reachable = False
    life.live(86400.0, GONE)
    life.reachable = True
    life.live(LOST_SECONDS - 1.0, GONE)
    life.live(3600.0, UP)


def test_a_cluster_that_comes_and_goes_is_waited_for() -> None:
    """What was answered before it went again does not count."""
    life = Life()
    for _ in range(20):
        life.reachable = not life.reachable
        life.live(LOST_SECONDS - 5.0, GONE)


def test_what_a_lost_producer_held_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after its timeout of a minute. Nobody listens there, before and after: what is sent next waits again."""
    producer = KafkaProducer(load_settings(kafka_bootstrap="127.0.0.1:1"))
    try:
        held = producer.send(OutRecord("topic", b"key", b"value"))

        def check() -> None:
            raise KafkaLost("for a test")

        # Its own: other producers of this process ask theirs at the same time.
        monkeypatch.setattr(producer, "_reach", SimpleNamespace(check=check))
        with pytest.raises(ProduceFailed):
            held.result(60)
        assert not producer.send(OutRecord("topic", b"key", b"value")).done()
    finally:
        producer.close(0.1)
