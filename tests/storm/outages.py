"""What is done to servers while events come in. Each ends with every server running again, as it was."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import httpx
import numpy as np
import orjson
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.storm.disturbances import CRASHING, Disturbance
from tests.storm.stage import WORKERS, Stage
from tests.waiting import eventually
from workers.adapters.kafka import TOPIC_SECONDS
from workers.adapters.triton import IMAGE_MODEL, MAX_BATCH, TEXT_MODEL
from workers.domain.topics import topic_name
from workers.stack.setup import prepare_world
from workers.stack.topics import create_topics
from workers.verify.main import verify_state

MODELS: Final = (IMAGE_MODEL, TEXT_MODEL)
CROWD: Final = 4
"""Strangers who ask one model at a time: one is served, one waits, the others are refused."""


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


def model_unloaded(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """Triton answers, but not for the models."""
    with _loaded_afterwards(stage):
        for model in MODELS:
            httpx.post(f"{_models(stage)}/{model}/unload", timeout=30).raise_for_status()
        more()
        stage.pause(5.0)


def queue_full(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """Triton's queues hold one request each and others fill them: it refuses the embedder's, and loses none."""
    with _loaded_afterwards(stage):
        for model in MODELS:
            config = httpx.get(f"{_url(stage)}/v2/models/{model}/config", timeout=30).raise_for_status().json()
            for policy in config["dynamic_batching"]["priority_queue_policy"].values():
                policy["max_queue_size"] = 1
            told = {"parameters": {"config": orjson.dumps(config).decode()}}
            httpx.post(f"{_models(stage)}/{model}/load", json=told, timeout=60).raise_for_status()
        before = _put_off(stage)
        with _crowd(stage) as refused:
            more()
            eventually(
                lambda: refused() > CROWD and _put_off(stage) > before, 60, "refusals of the embedder's requests"
            )
            stage.pause(5.0)


@contextmanager
def _loaded_afterwards(stage: Stage) -> Iterator[None]:
    """Both models, as they lie in the repository, whatever happens inside: later scenarios need them."""
    try:
        yield
    finally:
        for model in reversed(MODELS):
            # Unloaded first: what it was told of its configuration is forgotten.
            httpx.post(f"{_models(stage)}/{model}/unload", timeout=30).raise_for_status()
        for model in reversed(MODELS):
            eventually(partial(_load, stage, model), 60, f"{model} loaded")


def _load(stage: Stage, model: str) -> bool:
    """A model that is still being unloaded refuses at first."""
    return httpx.post(f"{_models(stage)}/{model}/load", timeout=60).is_success


def _url(stage: Stage) -> str:
    return str(stage.settings.triton_url).rstrip("/")


def _models(stage: Stage) -> str:
    return f"{_url(stage)}/v2/repository/models"


def _put_off(stage: Stage) -> float:
    """How many events the embedder has put off."""
    return stage.metric("embedder", 'streamscout_events_total{verdict="later",worker="embedder"}')


@contextmanager
def _crowd(stage: Stage) -> Iterator[Callable[[], int]]:
    """Others ask Triton without a pause, more than its queues hold; how many of theirs it has refused."""
    ended, refused = threading.Event(), Counter[str]()
    size = stage.card.image.size
    pixels = np.zeros((MAX_BATCH, size, size, 3), dtype=np.uint8).tolist()
    asking = {
        "clip_image": {"name": "pixels", "datatype": "UINT8", "shape": [MAX_BATCH, size, size, 3], "data": pixels},
        "clip_text": {"name": "text", "datatype": "BYTES", "shape": [MAX_BATCH, 1], "data": [["coffee"]] * MAX_BATCH},
    }

    def ask(model: str, body: bytes) -> None:
        with httpx.Client(timeout=60) as client:
            while not ended.is_set():
                answer = client.post(f"{_url(stage)}/v2/models/{model}/infer", content=body)
                refused[model] += "Exceeds maximum queue size" in answer.text

    bodies = {model: orjson.dumps({"inputs": [one]}) for model, one in asking.items()}
    threads = [threading.Thread(target=ask, args=each) for each in bodies.items() for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    try:
        yield refused.total
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def disk_lost(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """kill -9 of Weaviate, back on its disk; again, and the disk is lost: ``verify --repair`` fills a new one."""
    stage.kill_server("weaviate")
    stage.start_server("weaviate")
    stage.delivered()
    stage.quiet()
    stage.kill_server("weaviate")
    stage.lose_disk("weaviate")
    stage.start_server("weaviate")
    prepare_world(stage.settings)
    more()
    stage.delivered()
    stage.quiet()
    report = asyncio.run(verify_state(stage.settings, True, 60.0, lambda *_: None))
    assert report.found, "nothing was lost"
    assert not report.differences, f"verify could not mend {report.differences[:5]}"


def dead_letters_refused(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """The dead-letter topics take nothing: workers stop uncommitted, again and again, until they do."""
    names = [topic_name(stage.settings.namespace, f"{worker}.dead") for worker in ("embedder", "creators", "outcomes")]
    before = sum(stage.deaths(worker) for worker in WORKERS)
    _limit(stage, names, 1)
    more()
    try:
        eventually(lambda: sum(stage.deaths(worker) for worker in WORKERS) > before + 1, 60, "an end by law 4")
    finally:
        _limit(stage, names, 2 * 1024 * 1024)


def _limit(stage: Stage, names: list[str], size: int) -> None:
    admin = AdminClient({"bootstrap.servers": str(stage.settings.kafka_bootstrap), "log_level": 0})
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    wanted = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry]) for name in names]
    for future in admin.incremental_alter_configs(wanted).values():
        future.result(30)


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
    # Bad records follow: what lies at an offset is told by the new topic's id once a worker has asked for it.
    stage.pause(TOPIC_SECONDS + 2.0)


def some_objects_refused(stage: Stage, more: Callable[[], None], _rng: random.Random) -> None:
    """Weaviate takes a part of each of the indexer's batches and refuses the rest, the first time."""
    stage.replace("indexer", CRASHING, "refuses_some", "0", "none")
    more()
    stage.delivered()
    stage.quiet()
    # With an outage on top, what is refused for a test would be refused too often.
    stage.replace("indexer")
