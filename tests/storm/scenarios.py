"""What is done to workers and servers while events come in. Each ends with everything running again.

A disturbance gets the stage and ``more``, which sends the middle part of the events; the last part follows it.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import httpx
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.storm.events import Sent, World, erasing, in_every_position, storm
from tests.storm.stage import WORKERS, Stage
from tests.waiting import eventually
from workers.domain.topics import topic_name
from workers.stack.topics import create_topics

Disturbance = Callable[[Stage, Callable[[], None], random.Random], None]
CRASHING = "tests.storm.crashing"
KEYED = ("creators", "outcomes")
DEATHS = 2
_lives = count(1)


@dataclass(frozen=True)
class Scenario:
    """``short`` ones are acceptance tests; ``seconds`` is about how long it takes on two cores."""

    name: str
    disturb: Disturbance
    seconds: int = 25
    short: bool = False
    posts: int = 50
    outcomes: int = 50
    poison: int = 8

    def records(self, world: World) -> list[Sent]:
        """The records of its storm."""
        return storm(world, self.posts, self.outcomes, self.poison)


@dataclass(frozen=True)
class PoisonScenario(Scenario):
    """A bad record in every position of a batch."""

    def records(self, world: World) -> list[Sent]:
        return in_every_position(world, 8)


@dataclass(frozen=True)
class ErasureScenario(Scenario):
    """A creator is erased in the middle, and everything of it comes again."""

    def records(self, world: World) -> list[Sent]:
        """The records of its storm."""
        assert world.erasure_key is not None
        return erasing(world, world.erasure_key, self.posts, self.outcomes)


def nothing(_stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """A run without a disturbance: repeats, lateness, rivals and poison alone."""
    more()


def kills_at_random(stage: Stage, more: Callable[[], None], rng: random.Random) -> None:
    """kill -9 of every worker, one after another, at moments of chance."""
    more()
    for worker in rng.sample(WORKERS, k=len(WORKERS)):
        stage.pause(rng.uniform(0.05, 1.5))
        stage.kill(worker)


def kills_together(stage: Stage, more: Callable[[], None], rng: random.Random) -> None:
    """kill -9 of all workers in one moment, twice."""
    more()
    for _ in range(2):
        stage.pause(rng.uniform(0.2, 2.0))
        for worker in WORKERS:
            stage.kill(worker)


def dies_at(steps: dict[str, str]) -> Disturbance:
    """Each worker kills itself at a step of its own, twice."""

    def disturb(stage: Stage, more: Callable[[], None], rng: random.Random) -> None:
        lives = {}
        for worker, step in steps.items():
            lives[worker] = stage.settings.data_dir / f"lives-{next(_lives)}"
            stage.stop(worker)
            stage.start(worker, CRASHING, step, str(rng.choice((1, 2, 3))), str(lives[worker]))
        more()

        def died() -> bool:
            return all(path.exists() and path.stat().st_size == DEATHS for path in lives.values())

        eventually(died, 90, f"{DEATHS} deaths each at {steps}")
        stage.kills += DEATHS * len(steps)

    return disturb


def two_of_a_kind(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """A second process of each worker joins under load; then the first leaves."""
    first = [stage.one(worker) for worker in WORKERS]
    for worker in WORKERS:
        stage.start(worker)
    more()
    stage.ready()
    for one in first:
        assert stage.stop_one(one) == 0, f"{one.worker} did not leave cleanly"


def told_to_stop(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """SIGTERM under load: every worker drains within its deadline and ends with 0."""
    more()
    for worker in WORKERS:
        assert stage.stop(worker) == [0], f"{worker} did not end cleanly"
    for worker in WORKERS:
        stage.start(worker)


def gone(server: str, seconds: float) -> Disturbance:
    """kill -9 of a server; it comes back on its disk."""

    def disturb(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
        stage.kill_server(server)
        try:
            more()
            stage.pause(seconds)
        finally:
            stage.start_server(server)

    return disturb


def frozen(server: str, seconds: float) -> Disturbance:
    """A server that neither answers nor refuses."""

    def disturb(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
        pid = stage.server(server).pid
        stage.freeze(pid, group=True)
        try:
            more()
            stage.pause(seconds)
        finally:
            stage.thaw(pid, group=True)

    return disturb


def frozen_past_its_lease(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """A process of each worker stands still until another has its partitions, and wakes."""
    pids = [stage.child(worker) for worker in WORKERS]
    second = [stage.start(worker) for worker in WORKERS]
    stage.ready()
    more()
    stage.pause(0.3)
    for pid in pids:
        stage.freeze(pid)
    try:
        stage.pause(stage.settings.session_timeout_ms / 1000 + 5.0)
    finally:
        for pid in pids:
            stage.thaw(pid)
    stage.pause(2.0)
    for one in second:
        stage.stop_one(one)


def model_unloaded(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """Triton answers, but not for the models."""
    url = f"{str(stage.settings.triton_url).rstrip('/')}/v2/repository/models"
    for model in ("clip_image", "clip_text"):
        httpx.post(f"{url}/{model}/unload", timeout=30).raise_for_status()
    more()
    stage.pause(5.0)
    for model in ("clip_text", "clip_image"):
        httpx.post(f"{url}/{model}/load", timeout=60).raise_for_status()


def dead_letters_refused(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """The dead-letter topics take nothing: workers stop uncommitted, again and again, until they do."""
    names = [topic_name(stage.settings.namespace, f"{worker}.dead") for worker in ("embedder", "creators", "outcomes")]
    before = sum(stage.deaths(worker) for worker in WORKERS)
    _limit(stage, names, 1)
    more()
    eventually(lambda: sum(stage.deaths(worker) for worker in WORKERS) > before + 1, 60, "an end by law 4")
    _limit(stage, names, 2 * 1024 * 1024)


def _limit(stage: Stage, names: list[str], size: int) -> None:
    admin = AdminClient({"bootstrap.servers": str(stage.settings.kafka_bootstrap), "log_level": 0})
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    wanted = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry]) for name in names]
    for future in admin.incremental_alter_configs(wanted).values():
        future.result(30)


def state_lost(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """kill -9 of the keyed workers, and their directories are gone: everything is in Kafka."""
    more()
    for worker in KEYED:
        one = stage.one(worker)
        os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()
        stage.stop(worker)
        stage.kills += 1
    shutil.rmtree(stage.settings.data_dir / "faust")
    for worker in KEYED:
        stage.start(worker)


def disk_full(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """No file of the keyed workers may grow: RocksDB cannot write. Started anew, they can."""
    before = {worker: stage.deaths(worker) for worker in KEYED}
    for worker in KEYED:
        resource.prlimit(stage.child(worker), resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    more()
    eventually(lambda: all(stage.deaths(worker) > before[worker] for worker in KEYED), 60, "an end by a full disk")


def clock_jumps(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """The wall clock of every worker leaps an hour ahead and back."""
    for worker in WORKERS:
        stage.replace(worker, CRASHING, "jumps", "0", "none")
    more()


def topics_anew(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """Source topics are deleted and created again while workers read: offsets begin anew, under another id."""
    stage.delivered()
    stage.quiet()
    stage.remember_dead_letters()
    admin = AdminClient({"bootstrap.servers": str(stage.settings.kafka_bootstrap), "log_level": 0})
    names = [topic_name(stage.settings.namespace, topic) for topic in ("posts", "outcomes")]
    for future in admin.delete_topics(names).values():
        future.result(30)
    eventually(lambda: not set(names) & set(admin.list_topics(timeout=10).topics), 60, "topics gone")
    create_topics(stage.settings)
    more()


def some_objects_refused(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """Weaviate takes a part of each of the indexer's batches and refuses the rest, the first time."""
    stage.replace("indexer", CRASHING, "refuses_some", "0", "none")
    more()


OF_STORE = {"embedder": "stored", "creators": "rows", "indexer": "stored", "outcomes": "rows"}
OF_COMMIT = {"embedder": "announced", "creators": "settled", "indexer": "announced", "outcomes": "settled"}
WITHIN = {"embedder": "visuals", "creators": "row", "indexer": "facets", "outcomes": "row"}

SCENARIOS = (
    Scenario("undisturbed", nothing, 10),
    Scenario("kill -9 at random", kills_at_random, short=True),
    Scenario("kill -9 of all at once", kills_together),
    Scenario("death between store and output", dies_at(OF_STORE), 35, short=True),
    Scenario("death between output and commit", dies_at(OF_COMMIT), 35, short=True),
    Scenario("death within a store, between table and Weaviate", dies_at(WITHIN), 35, short=True),
    Scenario("death before what is gone is deleted", dies_at({"indexer": "deletion"})),
    Scenario("one of a kind added, one removed", two_of_a_kind, 30, short=True),
    Scenario("SIGTERM under load", told_to_stop, 30, short=True),
    Scenario("Kafka gone for 5 s", gone("kafka", 5.0), 35, short=True),
    Scenario("Weaviate gone for 5 s", gone("weaviate", 5.0), 30, short=True),
    Scenario("Triton gone for 5 s", gone("triton", 5.0), 30),
    Scenario("registry gone for 5 s", gone("schema-registry", 5.0), 30),
    Scenario("Triton's models unloaded", model_unloaded, 20, short=True),
    PoisonScenario("poison in every position of a batch", nothing, 15, short=True),
    Scenario("the dead-letter topics refuse", dead_letters_refused, 30, short=True),
    Scenario("state directories lost", state_lost, 30, short=True),
    Scenario("frozen past the lease, and woken", frozen_past_its_lease, 40),
    Scenario("the clock jumps", clock_jumps, 25),
    Scenario("disk full for the state store", disk_full, 30),
    Scenario("topics created anew", topics_anew, 40, poison=0),
    Scenario("Weaviate refuses some objects of a batch", some_objects_refused, 30),
    ErasureScenario("a creator is erased", nothing, 15, posts=20, outcomes=20),
    ErasureScenario("a creator is erased, kill -9 at random", kills_at_random, 30, posts=20, outcomes=20),
    *(
        Scenario(f"{name} gone for 40 s", gone(name, 40.0), 70)
        for name in ("kafka", "weaviate", "triton", "schema-registry")
    ),
    *(
        Scenario(f"{name} frozen for 20 s", frozen(name, 20.0), 50)
        for name in ("kafka", "weaviate", "triton", "schema-registry")
    ),
    Scenario("Kafka gone longer than producers wait", gone("kafka", 75.0), 120),
)
