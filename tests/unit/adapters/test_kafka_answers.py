"""What is said of a Kafka that is not there, that is silent, or that does not let us in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import KafkaError

from workers.adapters.kafka_answers import KafkaRefuses, KafkaUnavailable, reached, refusal
from workers.adapters.kafka_producer import KafkaProducer
from workers.config import Settings
from workers.wire.records import OutRecord, ProduceFailed

NOBODY = "127.0.0.1:1"


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A socket that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def at(server: socket.socket) -> str:
    """Its address."""
    return f"127.0.0.1:{server.getsockname()[1]}"


def test_where_nobody_listens_the_address_and_the_wait_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    """In one sentence; librdkafka prints nothing of its own."""
    with pytest.raises(KafkaUnavailable) as failed:
        reached(Settings(kafka_bootstrap=NOBODY), 0.3)
    assert not isinstance(failed.value, KafkaRefuses)
    assert str(failed.value).startswith(f"Kafka at {NOBODY} did not answer within 0.3 s (")
    assert "refused" in str(failed.value)
    assert capfd.readouterr() == ("", "")


def test_one_that_accepts_and_says_nothing_did_not_answer() -> None:
    """There is nothing to add."""
    with listening() as server, pytest.raises(KafkaUnavailable, match=rf"^Kafka at {at(server)} did not answer"):
        reached(Settings(kafka_bootstrap=at(server)), 0.3)


def test_one_that_does_not_let_us_in_is_told_by_what_was_tried() -> None:
    """The user's name, never the password; other errors are no refusal. The real one: test_secure_kafka.py."""
    settings = Settings(
        kafka_bootstrap="kafka:1",
        kafka_security="SASL_SSL",
        kafka_sasl_username="lena",
        kafka_sasl_password="planted",  # type: ignore[arg-type]
    )
    gone = KafkaError(KafkaError._TRANSPORT, "kafka:1: Connection refused (after 0ms in state CONNECT)")
    wrong = KafkaError(
        KafkaError._AUTHENTICATION, "kafka:1: Invalid username or password (after 5ms in state AUTH_REQ)"
    )
    assert refusal([gone], settings) is None
    assert refusal([gone, wrong, gone], settings) == (
        "Kafka at kafka:1: authentication failed: it does not let in user 'lena' by SCRAM-SHA-512 "
        "(kafka:1: Invalid username or password)"
    )
    stranger = KafkaError(KafkaError._SSL, "kafka:1: certificate verify failed")
    assert refusal([stranger], settings) == "Kafka at kafka:1: no TLS connection (kafka:1: certificate verify failed)"


def test_a_record_that_was_not_taken_in_time_says_where_and_how_long(capfd: pytest.CaptureFixture[str]) -> None:
    """And librdkafka's many lines are nobody's, where nobody keeps a log."""
    producer = KafkaProducer(Settings(kafka_bootstrap=NOBODY), delivery_ms=500)
    try:
        with pytest.raises(ProduceFailed, match=rf"^posts: Kafka at {NOBODY} did not take it within 0.5 s$"):
            producer.send(OutRecord("posts", b"k", b"v")).result(30)
    finally:
        producer.close(0.1)
    assert capfd.readouterr() == ("", "")
