"""What is done to workers while events come in. Each ends with every worker running again.

A disturbance gets the stage and ``more``, which sends the middle part of the events; the last part follows it.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path

from tests.storm.stage import WORKERS, Stage
from tests.waiting import eventually

Disturbance = Callable[[Stage, Callable[[], None], random.Random], None]
CRASHING = "tests.storm.crashing"
KEYED = ("creators", "outcomes")
CONFLUENT = ("embedder", "indexer")
DEATHS = 2
BROKER_SESSION_MS = 10_000
"""What the stack's broker says under KIP-848: ``workers/stack/kafka.py``."""
_lives = count(1)


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
    stage.delivered()
    stage.quiet()
    for worker in WORKERS:
        stage.replace(worker)


def newer_protocol(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """KIP-848: embedder and indexer in its groups; a second process of each joins under load, the first leaves.

    A group changes its protocol when it is empty. The session timeout is the broker's.
    """
    told = {"group_protocol": "consumer", "session_timeout_ms": BROKER_SESSION_MS}
    first = [stage.replace(worker, **told) for worker in CONFLUENT]
    stage.ready()
    for worker in CONFLUENT:
        stage.start(worker, **told)
    more()
    stage.ready()
    for one in first:
        assert stage.stop_one(one) == 0, f"{one.worker} did not leave cleanly"
    for worker in CONFLUENT:
        stage.kill(worker)
    stage.delivered()
    stage.quiet()
    for worker in CONFLUENT:
        stage.replace(worker)


def supervisors_killed(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """kill -9 of every supervisor: its worker ends too, and another takes over."""
    more()
    left = [stage.kill_supervisor(worker) for worker in WORKERS]
    eventually(lambda: not any(map(alive, left)), stage.settings.shutdown_seconds + 40, "the end of each worker")
    for worker in WORKERS:
        stage.start(worker)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def reinstated(stage: Stage, more: Callable[[], None], rng: random.Random) -> None:
    """Erased, reinstated and in business again, all of it in flight while every worker is killed.

    Between topics there is no order: what came before was taken before, and what comes on others comes after.
    """
    stage.delivered()
    kills_at_random(stage, more, rng)
    stage.delivered()
    stage.quiet()
