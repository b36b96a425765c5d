"""A worker with keyed state as a process: what kills it is set aside, and too many dead letters pause it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen
from uuid import uuid4

import pytest

from tests.topics import limit_messages, read_topic
from tests.waiting import eventually
from workers.adapters.kafka import KafkaProducer
from workers.config import Settings, child_environment
from workers.domain.events import PostRetracted
from workers.stack.resume import resume_workers
from workers.stack.topics import create_topics
from workers.wire.cloudevents import JsonCodec, Wire

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def settings(stack: Settings, tmp_path: Path) -> Settings:
    """Topics of an own namespace; a breaker that opens soon, and stays open."""
    fresh = stack.model_copy(
        update={
            "namespace": f"k{uuid4().hex[:10]}",
            "data_dir": tmp_path / "data",
            "session_timeout_ms": 6000,
            "breaker_least": 20,
            "breaker_seconds": 600.0,
        }
    )
    fresh.data_dir.mkdir()
    create_topics(fresh)
    return fresh


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Starts workers; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []
    with (settings.data_dir / "echo.log").open("ab") as log:

        def make() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "tests.integration.echo_tables"]
            environment = child_environment(settings)
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            return started[-1]

        yield make
        for process in started:
            process.kill()
            process.wait(60)


def publish(settings: Settings, *posts: str) -> None:
    """Events of one creator, in order."""
    wire, producer = Wire(JsonCodec(), "/test", settings.namespace), KafkaProducer(settings)
    for post in posts:
        event = PostRetracted(post_id=post, creator_id="mira", revision=1, model_version="m")
        record = wire.record("embeddings", event, id=post, time=datetime(2026, 1, 1, tzinfo=UTC))
        producer.send(record).result(60)
    producer.close()


def written(settings: Settings) -> list[str]:
    """Posts in ``creators``, in order."""
    return [(record.value or b"").decode() for record in read_topic(settings, "creators")]


def readiness(settings: Settings, process: subprocess.Popen[bytes]) -> dict[str, object]:
    """What its /readyz says; nothing while it is not there."""
    note = settings.data_dir / "workers" / f"creators-{process.pid}.json"
    if not note.exists():
        return {}
    try:
        with urlopen(json.loads(note.read_text())["health_url"] + "/readyz", timeout=5) as answer:
            said = answer.read()
    except HTTPError as error:
        said = error.read()
    except URLError:
        return {}
    return dict(json.loads(said))


def test_an_event_that_kills_a_keyed_worker_is_set_aside_and_no_innocent(settings: Settings, start: Start) -> None:
    """Started again after each death on the same disk: all good ones are done, exactly the poison is dead."""
    good = [f"p{number}" for number in range(40)]
    publish(settings, *good[:20], "poison", *good[20:])
    worker, deaths = start(), 0
    while set(written(settings)) != set(good):
        with suppress(subprocess.TimeoutExpired):
            assert worker.wait(0.5) == -signal.SIGKILL
            worker, deaths = start(), deaths + 1
        assert deaths <= 5
    assert deaths in (3, 4)
    (dead,) = read_topic(settings, "creators.dead")
    headers = dict(dead.headers)
    assert b'"poison"' in (dead.value or b"")
    assert headers["streamscout.dead.reason"] == b"kills_the_process"
    assert headers["streamscout.dead.attempts"] == b"3"


def test_rows_and_outputs_that_their_topics_never_take_are_dead_letters(settings: Settings, start: Start) -> None:
    """The worker goes on, and takes them once the limit is raised while it runs."""
    limit_messages(settings, 5000, "creators", "creators.changelog")
    publish(settings, "p1", "large", "p2", "broad", "p3")
    worker = start()
    eventually(lambda: written(settings) == ["p1", "p2", "p3"], 60)
    letters = read_topic(settings, "creators.dead")
    assert [json.loads(letter.value or b"")["post_id"] for letter in letters] == ["large", "broad"]
    headers = [dict(letter.headers) for letter in letters]
    assert {one["streamscout.dead.reason"] for one in headers} == {b"output_refused"}
    assert b"changelog" in headers[1]["__connect.errors.exception.message"]
    limit_messages(settings, 2_097_152, "creators", "creators.changelog")
    for more in range(1, 15):
        publish(settings, "large")
        eventually(lambda more=more: len(written(settings) + read_topic(settings, "creators.dead")) == 5 + more, 30)  # type: ignore[misc]
        if len(written(settings)) > 3:
            break
    else:
        pytest.fail("the raised limit was never seen")
    assert worker.poll() is None


def test_too_many_dead_letters_pause_a_keyed_worker_until_it_is_told(settings: Settings, start: Start) -> None:
    """It is not ready, and says why; nothing is lost: told to go on, it does the rest."""
    publish(settings, *(f"dead{number}" for number in range(25)), "p1", "p2")
    worker = start()
    eventually(lambda: "breaker" in readiness(settings, worker), 60)
    said = readiness(settings, worker)
    assert said["live"] is True
    assert said["ready"] is False
    assert len(read_topic(settings, "creators.dead")) == 20
    assert written(settings) == []
    assert resume_workers(settings, "creators") == ([worker.pid], [])
    eventually(lambda: written(settings) == ["p1", "p2"], 30)
    assert len(read_topic(settings, "creators.dead")) == 25
    eventually(lambda: readiness(settings, worker).get("ready"), 30)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
