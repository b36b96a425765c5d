"""The creators worker as a process on the real Kafka: killed, joined, stopped, robbed of its disk, fed with rubbish."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.topics import newest, read_topic
from tests.waiting import eventually
from workers.adapters.committed import committed_offsets
from workers.adapters.kafka import KafkaProducer
from workers.adapters.kafka_offsets import ends
from workers.adapters.registry import build_codec
from workers.config import Settings, child_environment
from workers.creators.fold import Rows, fold_rows
from workers.creators.main import fold_settings
from workers.creators.rows import PostRow, ProfileRow, newer, post_key, post_row, profile_key, profile_row, standing_key
from workers.creators.updates import creator_updated
from workers.domain.events import (
    CreatorErased,
    CreatorUpdated,
    Event,
    PostEmbedded,
    PostRetracted,
    Profile,
    ProfileEmbedded,
)
from workers.domain.model_card import load_model_card
from workers.domain.topics import topic_name
from workers.domain.vectors import Array, to_bytes, unit
from workers.process.erasures import erasure_key
from workers.stack.setup import erasure_key as set_erasure_key
from workers.stack.topics import create_topics
from workers.wire.cloudevents import Wire, attributes
from workers.wire.records import OutRecord

START = datetime(2026, 1, 1, tzinfo=UTC)
RUN = """
from workers.config import load_settings
from workers.creators.main import run
raise SystemExit(run(load_settings()))
"""
_numbers = itertools.count(1)
Embedding = PostEmbedded | PostRetracted | ProfileEmbedded


class Worker:
    """A creators process."""

    def __init__(self, settings: Settings, run: str = RUN) -> None:
        self._notes = settings.data_dir / "workers"
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._log = (settings.data_dir / "creators.log").open("ab")
        environment = child_environment(settings)
        command = [sys.executable, "-c", run]
        self.process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log)

    def ready(self) -> bool:
        """Whether it is there, has partitions and has recovered its table."""
        assert self.process.poll() is None, f"the worker ended with {self.process.returncode}"
        note = self._notes / f"creators-{self.process.pid}.json"
        if not note.exists():
            return False
        try:
            with urlopen(json.loads(note.read_text())["health_url"] + "/readyz", timeout=5) as answer:
                return bool(json.loads(answer.read())["ready"])
        except URLError:
            return False

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(60)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self) -> None:
        """End it, whatever state it is in."""
        self.kill()
        self._log.close()


class World:
    """What is published, what Kafka holds, and what must come of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        card = load_model_card(settings.model_repository)
        self.model_version, self.dimensions = card.model_version, card.dimensions
        self.fold = fold_settings(settings, card.model_version, card.dimensions)
        self.wire = Wire(build_codec(settings), "tests", settings.namespace)
        self.published: list[Embedding] = []
        self._admin = AdminClient({"bootstrap.servers": str(settings.kafka_bootstrap)})
        self._producer = KafkaProducer(settings)
        self._numbers = iter(range(10**9))

    def publish(self, events: Sequence[Embedding]) -> None:
        """Events on ``embeddings``, as the embedder writes them."""
        self.published += events
        self.send([self.record(event) for event in events])

    def record(self, event: Event) -> OutRecord:
        extensions = {"sourcetime": "1767225600000"}
        return self.wire.record("embeddings", event, id=f"e{next(self._numbers)}", time=START, extensions=extensions)

    def send(self, records: Sequence[OutRecord]) -> None:
        sent = [self._producer.send(record) for record in records]
        self._producer.flush(30)
        for future in sent:
            future.result(60)

    def name(self, topic: str) -> str:
        return topic_name(self.settings.namespace, topic)

    def ends(self, topic: str) -> list[int]:
        """The end of each partition."""
        return list(ends(self._admin, [(self.name(topic), number) for number in range(4)], 60).values())

    def committed(self, topic: str = "embeddings") -> list[int]:
        """The group's offset in each partition; 0 where there is none."""
        places = [(self.name(topic), partition) for partition in range(4)]
        found = committed_offsets(self.settings, self.name("creators"), places, 30)
        return [found.get(place, (0, ""))[0] for place in places]

    def settled(self) -> bool:
        """Whether everything published, forwarded events too, is committed."""
        return all(self.committed(topic) == self.ends(topic) for topic in ("embeddings", "creators.rekeyed"))

    def take_commits_back(self) -> None:
        """As if nothing had been committed; no member may be left in the group."""
        group = self.name("creators")
        ends = [TopicPartition(self.name("embeddings"), partition, 0) for partition in range(4)]
        asked = [ConsumerGroupTopicPartitions(group, ends)]
        eventually(lambda: _done(self._admin.alter_consumer_group_offsets(asked)[group]), 30, "the group is empty")

    def rows(self) -> dict[str, Rows]:
        """The set of rows of each creator, from what was published."""
        posts: dict[str, dict[str, PostRow]] = defaultdict(dict)
        profiles: dict[str, ProfileRow] = {}
        for event in self.published:
            if isinstance(event, ProfileEmbedded):
                row = profile_row(event, self.dimensions)
                profiles[event.creator_id] = newer(profiles.get(event.creator_id), row)
            else:
                known = posts[event.creator_id]
                post = post_row(event, self.fold.caption_weight, self.dimensions)
                known[event.post_id] = newer(known.get(event.post_id), post)
        return {creator: Rows(posts[creator], profiles.get(creator)) for creator in {*posts, *profiles}}

    def holds(self) -> None:
        """Topic and changelog say exactly what the pure fold of everything published says."""
        rows = self.rows()
        expected = {
            creator: creator_updated(fold_rows(creator, rows[creator], self.fold), self.fold) for creator in rows
        }
        assert newest(self.settings, "creators", [CreatorUpdated]) == expected
        kept = {record.key: record.value for record in read_topic(self.settings, "creators.changelog")}
        assert kept == {key: value for creator in rows for key, value in encoded(creator, rows[creator]).items()}


def _done(future: Future[object]) -> bool:
    """Whether Kafka did what was asked; not while a group still has members."""
    try:
        future.result(30)
    except KafkaException:
        return False
    return True


def encoded(creator: str, rows: Rows) -> dict[bytes, bytes]:
    """A creator's rows as the table holds them."""
    profile = {profile_key(creator): rows.profile.encode()} if rows.profile else {}
    return profile | {post_key(creator, post): row.encode() for post, row in rows.posts.items()}


class Stream:
    """A seeded stream of posts, edits, removals, late posts, repeats and profiles, of creators of unequal sizes."""

    def __init__(self, world: World, seed: int, creators: int = 12) -> None:
        self._world, self._random = world, random.Random(seed)
        self._topics = np.random.default_rng(seed).standard_normal((6, world.dimensions))
        self._creators = [f"creator-{number}" for number in range(creators)]
        self._posts = 0

    def take(self, count: int) -> list[Embedding]:
        """The next ``count`` events."""
        return [self._one() for _ in range(count)]

    def _one(self) -> Embedding:
        creator = self._creators[min(int(self._random.expovariate(0.4)), len(self._creators) - 1)]
        kind = self._random.random()
        if kind < 0.05:
            return self._profile(creator)
        self._posts += 1
        number = self._posts if kind < 0.75 else self._random.randrange(1, self._posts + 1)
        creator = self._creators[number * 7 % len(self._creators)] if number % 3 else creator
        post, revision = f"{creator}/post-{number}", self._random.randrange(4)
        if kind > 0.92:
            return PostRetracted(
                post_id=post, creator_id=creator, revision=revision, model_version=self._world.model_version
            )
        return PostEmbedded(
            post_id=post,
            creator_id=creator,
            revision=revision,
            published_at=START + timedelta(hours=number - (200 if kind > 0.85 else 0)),
            model_version=self._world.model_version,
            visual=to_bytes(self._vector()) if kind > 0.1 else None,
            caption=to_bytes(self._vector()) if kind > 0.15 else None,
        )

    def _profile(self, creator: str) -> ProfileEmbedded:
        revision = self._random.randrange(5)
        bio = to_bytes(self._vector()) if revision else None
        profile = Profile(name=f"{creator} {revision}", platforms=("instagram",), followers=revision * 1000)
        return ProfileEmbedded(
            creator_id=creator, revision=revision, model_version=self._world.model_version, profile=profile, bio=bio
        )

    def _vector(self) -> Array:
        noise = np.array([self._random.gauss(0, 0.8) for _ in range(self._world.dimensions)])
        return unit(self._topics[self._random.randrange(6)] + noise)


@pytest.fixture
def world(stack: Settings, tmp_path: Path) -> Iterator[World]:
    """Fresh topics alone (creators touches Kafka only), a small window that moves often, and a short session."""
    own = {"namespace": f"c{os.getpid()}x{next(_numbers)}", "data_dir": tmp_path, "session_timeout_ms": 6000}
    settings = stack.model_copy(update={**own, "fold_window": 8, "fold_facets": 3, "shutdown_seconds": 15.0})
    set_erasure_key(settings)
    create_topics(settings)
    made = World(settings)
    yield made
    admin = AdminClient({"bootstrap.servers": str(settings.kafka_bootstrap)})
    topics = [name for name in admin.list_topics(timeout=30).topics if name.startswith(f"{settings.namespace}.")]
    for future in admin.delete_topics(topics).values():
        future.result(60)


@pytest.fixture
def start(world: World) -> Iterator[Callable[..., Worker]]:
    """Starts a worker, as ``run`` says where it is given, and ends all that were started."""
    workers: list[Worker] = []

    def begin(run: str = RUN) -> Worker:
        workers.append(Worker(world.settings, run))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.close()


def test_killed_again_and_again_it_ends_in_the_pure_fold_of_all_events(
    world: World, start: Callable[[], Worker]
) -> None:
    """kill -9 in the middle of load, on the same disk and with the disk lost: nothing lost, nothing counted twice."""
    stream = Stream(world, seed=1)
    world.publish(stream.take(1200))
    for number in range(3):
        worker = start()
        before = sum(world.ends("creators"))
        eventually(lambda: sum(world.ends("creators")) > before + 40, 60, "updates are published")  # noqa: B023
        worker.kill()
        if number == 1:
            shutil.rmtree(world.settings.data_dir / "faust")
        world.publish(stream.take(100))
    start()
    eventually(world.settled, 90, "everything is committed")
    world.holds()


def test_a_lost_disk_is_recovered_from_the_changelog(world: World, start: Callable[[], Worker]) -> None:
    """After a clean stop the state is in Kafka alone; the next events fold onto it."""
    stream = Stream(world, seed=2)
    world.publish(stream.take(300))
    worker = start()
    eventually(world.settled, 60, "everything is committed")
    assert worker.stop() == 0
    shutil.rmtree(world.settings.data_dir / "faust")
    world.publish(stream.take(60))
    start()
    eventually(world.settled, 60, "everything is committed")
    world.holds()


def test_workers_that_come_and_go_under_load_end_in_the_same_creators(
    world: World, start: Callable[[], Worker]
) -> None:
    """A second one joins, the first leaves in good order, a third joins, the second is killed."""
    stream = Stream(world, seed=3)
    world.publish(stream.take(600))
    first = start()
    eventually(first.ready, 60, "the first is ready")
    second = start()
    eventually(second.ready, 60, "the second is ready")
    world.publish(stream.take(300))
    assert first.stop() == 0
    third = start()
    world.publish(stream.take(300))
    eventually(third.ready, 60, "the third is ready")
    second.kill()
    world.publish(stream.take(100))
    eventually(world.settled, 90, "everything is committed")
    world.holds()


def test_a_worker_frozen_past_its_session_and_woken_harms_nothing(world: World, start: Callable[[], Worker]) -> None:
    """Its partitions went to another; what it still has in hand it drops, or it ends and is not missed."""
    stream = Stream(world, seed=7)
    world.publish(stream.take(500))
    frozen = start()
    eventually(lambda: sum(world.ends("creators")) > 50, 60, "updates are published")
    frozen.process.send_signal(signal.SIGSTOP)
    other = start()
    world.publish(stream.take(200))
    eventually(other.ready, 60, "the other is ready")
    eventually(lambda: sum(world.committed()) > 300, 60, "the other goes on")
    frozen.process.send_signal(signal.SIGCONT)
    world.publish(stream.take(200))
    eventually(world.settled, 90, "everything is committed")
    world.holds()
    assert frozen.process.poll() in (None, 4)


def test_what_cannot_be_used_is_dead_and_harms_no_neighbour(world: World, start: Callable[[], Worker]) -> None:
    """Rubbish, another model's vectors and what lies under a wrong key, between good events."""
    good = Stream(world, seed=4).take(40)
    records = [world.record(event) for event in good]
    foreign = next(event for event in good if isinstance(event, PostEmbedded)).model_copy(
        update={"model_version": "other_v9", "post_id": "foreign"}
    )
    stray = PostRetracted(post_id="stray", creator_id="creator-3", revision=1, model_version=world.model_version)
    lost = world.record(stray)
    bad = [
        OutRecord(records[0].topic, b"creator-1", b"{not json", records[0].headers),
        OutRecord(records[0].topic, b"creator-1", None),
        OutRecord(records[0].topic, b"creator-1", b"{}"),
        world.record(foreign),
        OutRecord(lost.topic, b"someone-else", lost.value, lost.headers),
    ]
    world.published += [*good, stray]
    world.send([record for pair in zip(records, bad * 8, strict=True) for record in pair])
    worker = start()
    eventually(world.settled, 60, "everything is committed")
    reasons = [
        dict(record.headers)["streamscout.dead.reason"] for record in read_topic(world.settings, "creators.dead")
    ]
    assert len(reasons) == 32
    assert {reason.decode() for reason in reasons} == {
        "malformed_json",
        "empty_value",
        "missing_type",
        "wrong_model_version",
    }
    assert len(read_topic(world.settings, "creators.rekeyed")) == 8
    world.holds()
    assert worker.stop() == 0


def test_an_update_carries_the_time_of_its_source_and_an_id_of_its_rows(
    world: World, start: Callable[[], Worker]
) -> None:
    """Freshness is measured from the post; a result published again has the id that it had."""
    event = next(event for event in Stream(world, seed=5).take(20) if isinstance(event, PostEmbedded))
    world.publish([event, event])
    start()
    eventually(world.settled, 60, "everything is committed")
    one, other = (attributes(record.headers) for record in read_topic(world.settings, "creators"))
    assert one["sourcetime"] == "1767225600000"
    assert one["id"] == other["id"]
    assert one["type"] == "io.streamscout.CreatorUpdated"


def test_an_erased_creator_is_a_tombstone_and_one_row(world: World, start: Callable[[], Worker]) -> None:
    """Late events do not bring the creator back."""
    events = [event for event in Stream(world, seed=6, creators=2).take(40) if event.creator_id == "creator-1"]
    erased = CreatorErased(creator_id="creator-1", requested_at=START)
    world.send([world.record(event) for event in (*events, erased, *events)])
    start()
    eventually(world.settled, 60, "everything is committed")
    assert newest(world.settings, "creators", [CreatorUpdated]) == {}
    rows = {record.key: record.value for record in read_topic(world.settings, "creators.changelog")}
    assert [key for key, value in rows.items() if value is not None] == [
        standing_key(erasure_key(world.settings).hash("creator-1"))
    ]


def test_without_its_topics_it_says_what_to_run(stack: Settings) -> None:
    """Exit code 3, and the command that makes them."""
    bare = stack.model_copy(update={"namespace": "nosuchworld"})
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env=child_environment(bare),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "streamscout up" in done.stderr
