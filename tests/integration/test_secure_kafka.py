"""Kafka over SASL and TLS: every kind of client does its work on a broker that lets nobody else in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.authority import Authority
from tests.topics import newest, read_topic
from tests.waiting import eventually
from workers.adapters import security
from workers.adapters.kafka import KafkaProducer, topic_facts
from workers.adapters.kafka_answers import KafkaRefuses
from workers.config import Settings, child_environment, load_settings
from workers.doctor.kafka import examine
from workers.domain.events import CreatorUpdated, PostEmbedded, PostRemoved
from workers.domain.model_card import load_model_card
from workers.domain.topics import topic_name
from workers.domain.vectors import to_bytes, unit
from workers.stack.kafka import Kafka
from workers.stack.ports import LOOPBACK, choose_ports
from workers.stack.processes import tail
from workers.stack.recipe import Place
from workers.stack.setup import erasure_key as set_erasure_key
from workers.stack.topics import create_topics
from workers.wire.cloudevents import JsonCodec, Wire

PLAIN, SCRAM, KEY = "planted-plain-password", "planted-scram-password", "planted-key-password"
WHEN = datetime(2026, 1, 2, tzinfo=UTC)
JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@dataclass(frozen=True)
class Secured:
    """A broker with a listener for SASL over TLS, and one that wants a client's certificate."""

    by_password: Settings
    by_certificate: Settings


@pytest.fixture(scope="module")
def secured(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A throwaway Kafka beside the shared one, whose program it uses; stopped and forgotten at the end."""
    folder = tmp_path_factory.mktemp("secure-kafka")
    authority = Authority(folder)
    certificate, key = authority.issue("broker")
    chain = folder / "broker-chain.pem"
    chain.write_bytes(key.read_bytes() + certificate.read_bytes())
    ports = choose_ports(("broker", "controller", "certificates"), {}, set())
    listeners = (
        f"SASL_SSL://{LOOPBACK}:{ports['broker']},SSL://{LOOPBACK}:{ports['certificates']},"
        f"CONTROLLER://{LOOPBACK}:{ports['controller']}"
    )
    kafka = Kafka(
        extra={
            "listeners": listeners,
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{JAAS} username="broker" password="{PLAIN}" '
            f'user_broker="{PLAIN}" user_streamscout="{PLAIN}";',
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram."
            "ScramLoginModule required;",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram."
            "ScramLoginModule required;",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(chain),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(authority.file),
            "listener.name.ssl.ssl.client.auth": "required",
        }
    )
    bare = load_settings(
        data_dir=folder / "data", cache_dir=stack.cache_dir, kafka_bootstrap=f"{LOOPBACK}:{ports['broker']}"
    )
    home = kafka.install(bare.cache_dir, lambda _: None)
    (folder / "password").write_text(f"{PLAIN}\n")
    by_password = load_settings(
        data_dir=folder / "data",
        cache_dir=stack.cache_dir,
        kafka_bootstrap=f"{LOOPBACK}:{ports['broker']}",
        kafka_security="SASL_SSL",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username="streamscout",
        kafka_sasl_password_file=folder / "password",
        kafka_ca_file=authority.file,
        session_timeout_ms=6000,
    )
    ours, our_key = authority.issue("worker", KEY)
    by_certificate = load_settings(
        data_dir=folder / "data",
        cache_dir=stack.cache_dir,
        kafka_bootstrap=f"{LOOPBACK}:{ports['certificates']}",
        kafka_security="SSL",
        kafka_ca_file=authority.file,
        kafka_certificate_file=ours,
        kafka_key_file=our_key,
        kafka_key_password=KEY,
        session_timeout_ms=6000,
    )
    log = folder / "kafka.log"
    process = kafka.start(Place(home, folder / "kafka", log, folder / "kafka.pid", ports, bare))
    try:
        address = {"kafka_bootstrap": str(by_password.kafka_bootstrap)}
        eventually(lambda: kafka.ready(address, by_password) or not process.alive(), 90, "the secured Kafka")
        assert process.alive(), tail(log)
        yield Secured(by_password, by_certificate)
    finally:
        kafka.stop(process)


Run = Callable[[Settings, str], Path]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts a worker's process and answers with its log; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(settings: Settings, code: str) -> Path:
        path = tmp_path / f"worker-{len(started)}.log"
        with path.open("wb") as log:
            environment = child_environment(settings)
            started.append(subprocess.Popen([sys.executable, *code.split()], env=environment, stdout=log, stderr=log))
        return path

    yield start
    for process in started:
        process.kill()
        process.wait(60)


def world(settings: Settings, tmp_path: Path, **overrides: object) -> Settings:
    """Settings of an own namespace and folder, with its topics made over the secured connection."""
    name = f"s{os.urandom(5).hex()}"
    fresh = settings.model_copy(update={"namespace": name, "data_dir": tmp_path / "data", **overrides})
    assert "topics created" in create_topics(fresh)
    return fresh


def send(settings: Settings, topic: str, events: list[PostRemoved] | list[PostEmbedded]) -> None:
    """Events by our producer, acknowledged."""
    wire = Wire(JsonCodec(), "tests", settings.namespace)
    producer = KafkaProducer(settings)
    for future in [producer.send(wire.record(topic, each, id=each.post_id, time=WHEN)) for each in events]:
        future.result(60)
    producer.close()


def removals(count: int) -> list[PostRemoved]:
    """Events that need no picture."""
    return [PostRemoved(post_id=f"p{number}", creator_id=f"c{number}", revision=1) for number in range(count)]


def test_scram_lets_in_too(secured: Secured, tmp_path: Path) -> None:
    """Both of SCRAM's hashes: topics are made, written and read whole; the password comes from a setting."""
    admin = AdminClient(security.kafka(secured.by_password))
    for mechanism, name in (
        (ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-256"),
        (ScramMechanism.SCRAM_SHA_512, "SCRAM-SHA-512"),
    ):
        made = UserScramCredentialUpsertion("scrammed", ScramCredentialInfo(mechanism, 4096), SCRAM.encode())
        for future in admin.alter_user_scram_credentials([made]).values():
            future.result(60)
        given = load_settings(
            kafka_bootstrap=secured.by_password.kafka_bootstrap,
            kafka_security="SASL_SSL",
            kafka_sasl_mechanism=name,
            kafka_sasl_username="scrammed",
            kafka_sasl_password=SCRAM,
            kafka_ca_file=secured.by_password.kafka_ca_file,
            data_dir=tmp_path,
        )
        settings = world(given, tmp_path)
        send(settings, "posts", removals(3))
        assert len(read_topic(settings, "posts")) == 3


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize("way", ["by_password", "by_certificate"])
def test_a_worker_of_the_loop_does_its_work(
    secured: Secured, way: str, protocol: str, tmp_path: Path, run: Run
) -> None:
    """Consumer, admin and producer: all that is published comes out; no secret is in the log or on disk."""
    given: Settings = getattr(secured, way)
    session = 6000 if protocol == "classic" else 10_000
    settings = world(given, tmp_path, group_protocol=protocol, session_timeout_ms=session)
    send(settings, "posts", removals(20))
    log = run(settings, "-m tests.integration.echo_worker")
    eventually(lambda: len(read_topic(settings, "embeddings")) == 20, 60, log.read_text())
    assert_nothing_planted(log, settings.data_dir)


@pytest.mark.parametrize("way", ["by_password", "by_certificate"])
def test_a_worker_of_faust_does_its_work(secured: Secured, way: str, tmp_path: Path, run: Run) -> None:
    """aiokafka's consumer and producer, the changelog too: an embedded post becomes its creator's update."""
    settings = world(getattr(secured, way), tmp_path, group_instance_id="pod-0")
    set_erasure_key(settings)
    card = load_model_card(settings.model_repository)
    log = run(settings, "-m workers run creators")
    vector = to_bytes(unit(np.ones(card.dimensions, dtype=np.float32)))
    post = PostEmbedded(
        post_id="p", creator_id="lena", revision=1, published_at=WHEN, model_version=card.model_version, visual=vector
    )
    send(settings, "embeddings", [post])

    def updated() -> bool:
        return "lena" in newest(settings, "creators", (CreatorUpdated,))

    eventually(updated, 90, log.read_text())
    assert len(read_topic(settings, "creators.changelog")) > 0
    assert_nothing_planted(log, settings.data_dir)


def test_whoever_has_no_password_or_another_authority_is_kept_out(
    secured: Secured, stack: Settings, tmp_path: Path
) -> None:
    """And is told so at once, without the password that was tried."""
    settings = secured.by_password
    wrong = settings.model_copy(
        update={"kafka_sasl_password": Settings(kafka_sasl_password="planted").kafka_sasl_password}
    )
    other = settings.model_copy(update={"kafka_ca_file": Authority(tmp_path).file})
    for refused, why in ((wrong, "authentication failed: .*'streamscout'"), (other, "no TLS connection")):
        with pytest.raises(KafkaRefuses, match=f"Kafka at {settings.kafka_bootstrap}: {why}") as failed:
            topic_facts(refused, [topic_name("nobody", "posts")])
        assert "planted" not in str(failed.value)
        (finding,) = examine(refused)
        assert finding.what == str(failed.value)


def test_a_worker_that_is_not_let_in_says_so(secured: Secured, tmp_path: Path) -> None:
    """With the exit code of a server that cannot be reached."""
    settings = world(secured.by_password, tmp_path)
    (tmp_path / "wrong").write_text("not-it")
    wrong = settings.model_copy(update={"kafka_sasl_password_file": tmp_path / "wrong"})
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.echo_worker"],
        env=child_environment(wrong),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "authentication failed" in done.stderr


def test_the_command_line_shows_no_secret(secured: Secured, tmp_path: Path) -> None:
    """Status of a secured Kafka: ready, and nothing planted in what is printed."""
    settings = secured.by_certificate.model_copy(update={"data_dir": tmp_path})
    done = subprocess.run(
        [sys.executable, "-m", "workers", "status", "--json"],
        env=child_environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert '"name": "kafka"' in done.stdout
    assert '"ready": true' in done.stdout
    assert "planted" not in done.stdout + done.stderr


def assert_nothing_planted(log: Path, folder: Path) -> None:
    """No secret in what a worker printed, nor in any file it wrote."""
    files = [log, *(path for path in folder.rglob("*") if path.is_file())]
    assert log.read_bytes()
    assert [path for path in files if b"planted" in path.read_bytes()] == []
