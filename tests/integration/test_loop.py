"""The loop as a process on the real Kafka: killed, frozen, stopped, joined by a second one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from tests.groups import shorten_session
from tests.topics import limit_messages, read_topic
from tests.waiting import eventually
from workers.adapters.committed import committed_offsets
from workers.adapters.kafka import KafkaProducer
from workers.adapters.kafka_offsets import ends
from workers.config import Settings, child_environment
from workers.domain.events import PostRemoved
from workers.domain.topics import topic_name
from workers.stack.resume import resume_workers
from workers.stack.status import collect_status
from workers.stack.topics import create_topics
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import OutRecord

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


class Worker:
    """An echo worker's process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._notes = settings.data_dir / "workers"
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._log = (settings.data_dir / "echo.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.echo_worker"],
            env=child_environment(settings),
            stdout=self._log,
            stderr=self._log,
        )

    def get(self, path: str) -> str:
        """What its health server answers."""
        note = json.loads((self._notes / f"embedder-{self.process.pid}.json").read_text())
        with urlopen(note["health_url"] + path, timeout=5) as answer:
            return str(answer.read().decode())

    def ready(self) -> bool:
        """Whether it is there and has partitions."""
        if not (self._notes / f"embedder-{self.process.pid}.json").exists():
            return False
        try:
            return bool(json.loads(self.get("/readyz"))["ready"])
        except HTTPError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ended(self, timeout: float = 60) -> int:
        """Its exit code."""
        return self.process.wait(timeout)

    def close(self) -> None:
        """End it, whatever state it is in."""
        self.process.kill()
        self.process.wait(60)
        self._log.close()


class Posts:
    """The world around the worker: what is published, stored, written and committed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._wire = Wire(JsonCodec(), "/test", settings.namespace)
        self._producer = KafkaProducer(settings)
        self._admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
        self.published: list[str] = []

    def publish(self, count: int, creators: int = 40) -> None:
        """Publish removals of new posts, spread over creators."""
        futures = []
        for number in range(len(self.published), len(self.published) + count):
            event = PostRemoved(post_id=f"p{number}", creator_id=f"c{number % creators}", revision=1)
            self.published.append(event.post_id)
            futures.append(self._producer.send(self._wire.record("posts", event, id=event.post_id, time=WHEN)))
        for future in futures:
            future.result(60)

    def name(self, *names: str, creator: str = "c1", topic: str = "posts") -> None:
        """Publish removals of posts called so, of one creator: see ``Echo`` for what becomes of them."""
        futures = []
        for name in names:
            self.published.append(name)
            event = PostRemoved(post_id=name, creator_id=creator, revision=1)
            futures.append(self._producer.send(self._wire.record(topic, event, id=name, time=WHEN)))
        for future in futures:
            future.result(60)

    def send(self, key: bytes, value: bytes, partition: int | None = None) -> None:
        """Write a raw record to ``posts``."""
        headers = (("ce_type", PostRemoved.type_name().encode()),)
        topic = topic_name(self.settings.namespace, "posts")
        self._producer.send(OutRecord(topic, key, value, headers, partition)).result(60)

    def stored(self) -> Counter[str]:
        """How often each post was stored."""
        path = self.settings.data_dir / "stored"
        return Counter(path.read_text().split()) if path.exists() else Counter()

    def log(self) -> str:
        """What the workers said."""
        return (self.settings.data_dir / "echo.log").read_text()

    def read(self, topic: str) -> list[tuple[bytes | None, bytes | None]]:
        """Keys and values in a topic."""
        return [(record.key, record.value) for record in read_topic(self.settings, topic)]

    def written(self) -> Counter[str]:
        """How often each post's output is in ``embeddings``."""
        return Counter((value or b"").decode() for _, value in self.read("embeddings"))

    def notes(self) -> dict[tuple[str, int], str]:
        """What stands beside the group's offsets."""
        group = topic_name(self.settings.namespace, "embedder")
        listed = self._admin.list_topics().topics
        ours = {
            name: len(found.partitions)
            for name, found in listed.items()
            if name.startswith(f"{self.settings.namespace}.")
        }
        places = [(name, number) for name, count in ours.items() for number in range(count)]
        return {place: note for place, (_, note) in committed_offsets(self.settings, group, places).items()}

    def limit(self, topic: str, size: int) -> None:
        """The largest message that a topic takes."""
        limit_messages(self.settings, size, topic)

    def uncommitted(self, topic: str = "posts") -> int:
        """Records of a topic behind the group's offsets."""
        group = topic_name(self.settings.namespace, "embedder")
        posts = topic_name(self.settings.namespace, topic)
        count = len(self._admin.list_topics(posts).topics[posts].partitions)
        places = [(posts, number) for number in range(count)]
        done = sum(offset for offset, _ in committed_offsets(self.settings, group, places).values())
        return sum(ends(self._admin, places, 60).values()) - done

    def close(self) -> None:
        """End the producer."""
        self._producer.close()


BOTH_PROTOCOLS = pytest.mark.parametrize(
    "settings",
    [{"session_timeout_ms": 6000}, {"session_timeout_ms": 6000, "group_protocol": "consumer"}],
    ids=["classic", "consumer"],
    indirect=True,
)


@pytest.fixture
def settings(request: pytest.FixtureRequest, stack: Settings, tmp_path: Path) -> Settings:
    """Topics of an own namespace and nothing else: these tests need Kafka alone."""
    given = getattr(request, "param", {"session_timeout_ms": 6000})
    own = {"namespace": f"l{uuid4().hex[:10]}", "data_dir": tmp_path / "data", "erasure_key": SecretStr("k" * 32)}
    fresh = stack.model_copy(update={**own, **given})
    create_topics(fresh)
    shorten_session(fresh, "embedder")
    return fresh


@pytest.fixture
def posts(settings: Settings) -> Iterator[Posts]:
    """What is published and what came of it."""
    found = Posts(settings)
    yield found
    found.close()


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[], Worker]]:
    """Starts workers; none outlives the test."""
    workers: list[Worker] = []

    def make() -> Worker:
        workers.append(Worker(settings))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()


def test_a_worker_does_its_work_shows_its_metrics_and_stops_cleanly(posts: Posts, start: Callable[[], Worker]) -> None:
    """Everything published is stored, written and committed; SIGTERM ends it with 0, and nothing is done twice."""
    posts.publish(500)
    posts.send(b"c1", b"{no json")
    posts.send(b"somebody", PostRemoved(post_id="rekeyed", creator_id="c1", revision=1).model_dump_json().encode())
    worker = start()
    eventually(lambda: posts.uncommitted() == 0, 60)
    eventually(lambda: posts.written()["rekeyed"], 20)
    assert json.loads(worker.get("/readyz"))["ready"] is True
    assert json.loads(worker.get("/livez"))["live"] is True
    metrics = worker.get("/metrics")
    assert 'streamscout_events_total{verdict="done",worker="embedder"} 501.0' in metrics
    assert 'streamscout_dead_letters_total{reason="malformed_json",worker="embedder"} 1.0' in metrics
    worker.signal(signal.SIGTERM)
    assert worker.ended() == 0
    assert posts.written() == posts.stored() == Counter([*posts.published, "rekeyed"])
    assert [value for _, value in posts.read("embedder.dead")] == [b"{no json"]


@BOTH_PROTOCOLS
def test_kill_9_loses_nothing(posts: Posts, start: Callable[[], Worker]) -> None:
    """Killed in the middle of a load, again and again: every post is written, and the offsets end where they should."""
    posts.publish(1500)
    for share in (0.2, 0.4, 0.6):
        worker = start()
        eventually(lambda share=share: len(posts.stored()) > share * 1500, 60)  # type: ignore[misc]
        worker.signal(signal.SIGKILL)
        worker.ended()
    start()
    eventually(lambda: posts.uncommitted() == 0, 60)
    assert posts.stored().keys() == posts.written().keys() == set(posts.published)


@BOTH_PROTOCOLS
def test_a_second_worker_joins_and_leaves_under_load(posts: Posts, start: Callable[[], Worker]) -> None:
    """Nobody dies, so nothing is done twice: what is in flight is committed before a partition changes hands.

    Each post has a creator of its own: behind an event of one creator that waits for an earlier one of it, others are
    done and not committed, so that whoever is next does them again.
    """
    posts.publish(2000, creators=10_000)
    first = start()
    eventually(lambda: len(posts.stored()) > 200, 60)
    second = start()
    eventually(second.ready, 60)
    posts.publish(500, creators=10_000)
    second.signal(signal.SIGTERM)
    assert second.ended() == 0
    eventually(lambda: posts.uncommitted() == 0, 60)
    assert first.process.poll() is None
    assert posts.written() == posts.stored() == Counter(posts.published)


@BOTH_PROTOCOLS
def test_a_worker_frozen_past_its_lease_writes_nothing_when_it_wakes(posts: Posts, start: Callable[[], Worker]) -> None:
    """While it is frozen another one takes over; woken, it stores nothing of what it had, and joins anew."""
    posts.publish(1000)
    frozen = start()
    eventually(lambda: len(posts.stored()) > 100, 60)
    frozen.signal(signal.SIGSTOP)
    before = posts.stored().total()
    start()
    eventually(lambda: posts.uncommitted() == 0, 60)
    assert posts.stored().total() > before
    after = posts.stored()
    frozen.signal(signal.SIGCONT)
    eventually(lambda: "batch dropped" in posts.log() or "lost" in posts.log(), 30)
    posts.publish(100)
    eventually(lambda: posts.uncommitted() == 0, 60)
    twice = {post for post, times in posts.stored().items() if times > 1}
    assert not twice - {post for post, times in after.items() if times > 1}
    assert posts.stored().keys() == posts.written().keys() == set(posts.published)
    frozen.signal(signal.SIGTERM)
    assert frozen.ended() == 0


def test_a_worker_without_kafka_says_so_at_start(settings: Settings, start: Callable[[], Worker]) -> None:
    """Nothing listens at the address: exit code 3."""
    nowhere = Worker(settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:9"}))
    try:
        assert nowhere.ended(60) == 3
    finally:
        nowhere.close()


def test_a_backlog_of_backfill_holds_no_live_post(posts: Posts, start: Callable[[], Worker]) -> None:
    """Far more than fits into memory, and none of it comes forward: what is published now is done all the same."""
    old = [f"old{number}" for number in range(5000)]
    posts.name(*old, creator="another", topic="posts.backfill")
    start()
    posts.publish(200)
    eventually(lambda: posts.uncommitted() == 0, 60)
    assert posts.stored() == Counter(posts.published[len(old) :])
    assert posts.uncommitted("posts.backfill") == len(old)
    (posts.settings.data_dir / "go").touch()
    eventually(lambda: posts.uncommitted("posts.backfill") == 0, 60)
    assert posts.stored() == posts.written() == Counter(posts.published)


def test_a_slow_host_of_one_post_holds_nobody(posts: Posts, start: Callable[[], Worker]) -> None:
    """Its partition is done and committed while it waits on the retry topic; when it is due it is done as well."""
    posts.name("p1", "slow1", "p2", "p3")
    start()
    eventually(lambda: posts.uncommitted() == 0, 30)
    assert posts.stored() == posts.written() == Counter(["p1", "p2", "p3"])
    ((key, _),) = posts.read("embedder.retry")
    assert key == b"c1"
    eventually(lambda: posts.written()["slow1"] == 1, 30)
    assert posts.stored() == posts.written() == Counter(posts.published)


@BOTH_PROTOCOLS
def test_an_event_that_kills_the_process_is_set_aside_and_no_innocent(
    posts: Posts, start: Callable[[], Worker]
) -> None:
    """Started again after each death: all good ones are done, and exactly the one that killed it is dead."""
    posts.publish(60)
    good = list(posts.published)
    posts.name("before", "poison", "after", creator="c7")
    good += ["before", "after"]
    worker, deaths = start(), 0
    while posts.uncommitted():
        with suppress(subprocess.TimeoutExpired):
            assert worker.ended(0.2) == -signal.SIGKILL
            worker, deaths = start(), deaths + 1
        assert deaths <= 6
    assert deaths >= 3
    assert posts.stored().keys() == posts.written().keys() == set(good)
    (dead,) = read_topic(posts.settings, "embedder.dead")
    headers = dict(dead.headers)
    assert b'"poison"' in (dead.value or b"")
    assert headers["streamscout.dead.reason"] == b"kills_the_process"
    assert headers["streamscout.dead.attempts"] == b"3"
    worker.signal(signal.SIGTERM)
    assert worker.ended() == 0
    assert posts.notes()[dead.position.topic.replace("embedder.dead", "posts"), dead.position.partition] == "clean"


def test_a_dead_letter_that_kafka_does_not_take_ends_the_worker_uncommitted(
    posts: Posts, start: Callable[[], Worker]
) -> None:
    """Law 4, with a topic that takes no message of that size; once it does, the letter is written and all goes on."""
    posts.limit("embedder.dead", 100)
    posts.publish(20)
    posts.name("dead" + "x" * 200)
    worker = start()
    assert worker.ended(60) == 4
    assert posts.uncommitted() >= 1
    assert posts.read("embedder.dead") == []
    posts.limit("embedder.dead", 2_097_152)
    start()
    eventually(lambda: posts.uncommitted() == 0, 60)
    assert len(posts.read("embedder.dead")) == 1
    assert posts.stored().keys() == set(posts.published[:20])


def test_an_output_that_its_topic_never_takes_is_a_dead_letter_and_its_neighbours_are_written(
    posts: Posts, start: Callable[[], Worker]
) -> None:
    """Kafka refuses a batch of records whole; who was in it with the large one is not the worse for it."""
    posts.limit("embeddings", 2_000)
    posts.name("p1", "p2", "large", "p3", "p4")
    posts.publish(20)
    worker = start()
    eventually(lambda: posts.uncommitted() == 0, 60)
    (letter,) = read_topic(posts.settings, "embedder.dead")
    assert dict(letter.headers)["streamscout.dead.reason"] == b"output_refused"
    assert b"large" in (letter.value or b"")
    assert posts.written() == Counter(post for post in posts.published if post != "large")
    worker.signal(signal.SIGTERM)
    assert worker.ended() == 0


def test_a_session_timeout_other_than_the_brokers_stops_the_start(settings: Settings) -> None:
    """Under KIP-848 the broker's counts, and the lease is half of it: exit code 2, with the setting and both values."""
    wrong = settings.model_copy(update={"group_protocol": "consumer", "session_timeout_ms": 9000})
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv[1:] = ['run', 'indexer']; from workers.__main__ import main; main()",
        ],
        env=child_environment(wrong),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "STREAMSCOUT_SESSION_TIMEOUT_MS: 9000" in done.stderr
    assert "10000" in done.stderr


def test_too_many_dead_letters_pause_the_worker_until_it_is_told(posts: Posts) -> None:
    """Status, readiness and a metric say so; polling goes on and nothing is lost: told to go on, it does the rest."""
    settings = posts.settings.model_copy(update={"breaker_least": 20, "breaker_seconds": 600.0})
    posts.name(*(f"dead{number}" for number in range(300)), "p1", "p2")
    worker = Worker(settings)
    try:
        eventually(lambda: "breaker" in _status(settings), 60)
        (line,) = [line for line in collect_status(settings) if line.kind == "worker"]
        assert not line.ready
        assert 'streamscout_breaker_open{worker="embedder"} 1.0' in worker.get("/metrics")
        assert json.loads(worker.get("/livez"))["live"] is True
        assert posts.written() == Counter()
        assert len(posts.read("embedder.dead")) < 200
        while posts.written() != Counter(["p1", "p2"]):
            resume_workers(settings, "embedder")
        assert len(posts.read("embedder.dead")) == 300
        worker.signal(signal.SIGTERM)
        assert worker.ended() == 0
    finally:
        worker.close()


def _status(settings: Settings) -> str:
    return " ".join(text for line in collect_status(settings) for text in (*line.detail, *line.detail.values()))
