"""A world is made, a scenario is played in it, and what is stored is compared."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.storm.events import World, gallery
from tests.storm.scenarios import Scenario
from tests.storm.stage import WORKERS, Stage
from workers.config import Settings
from workers.process.erasures import erasure_key
from workers.stack.setup import prepare_world

COLLECTIONS = "collections.yaml"


@dataclass(frozen=True)
class Result:
    """What a scenario came to. ``recovery`` is from the end of the disturbance until all is quiet, in seconds.

    ``before``: what it came to in the run before, where that was not as it should be.
    """

    name: str
    events: int
    kills: int
    dead_letters: int
    recovery: float
    seconds: float
    differences: list[str] = field(default_factory=list)
    failure: str = ""
    traceback: str = ""
    seed: int = 0
    commit: str = ""
    before: str = ""

    def unexplained(self) -> int:
        """Dead letters that no bad record explains."""
        return sum(one.startswith("extra: dead") for one in self.differences)


@contextmanager
def play_house(servers: Settings, namespace: str, seed: int, quantizer: str = "rq8") -> Iterator[tuple[Stage, World]]:
    """A fresh world on running servers, its workers started. Small windows, sessions and pauses: everything moves.

    ``quantizer``: as in ``schemas/collections.yaml``; with ``none`` a fault of Weaviate's packing is told from ours.
    """
    with tempfile.TemporaryDirectory(prefix="streamscout-storm-") as folder:
        root = Path(folder)
        settings = servers.model_copy(
            update={
                "namespace": namespace,
                "data_dir": root / "data",
                "media_root": root / "media",
                "session_timeout_ms": 6000,
                "fold_window": 8,
                "batch_size": 8,
                "indexer_batch_size": 8,
                "retry_seconds": 0.3,
                "retry_max_seconds": 3.0,
                "shutdown_seconds": 10.0,
                "indexer_settle_seconds": 1.0,
                "schemas_dir": schemas(servers.schemas_dir, root / "schemas", quantizer),
            }
        )
        (root / "data").mkdir()
        pictures = gallery(settings.model_repository / "sample_artwork", root / "media")
        prepare_world(settings)
        stage = Stage(servers, settings, root)
        try:
            for worker in WORKERS:
                stage.start(worker)
            stage.ready()
            yield stage, World(random.Random(seed), pictures, erasure_key=erasure_key(settings))
        finally:
            stage.close()


def schemas(source: Path, target: Path, quantizer: str) -> Path:
    """A copy in which the vectors of all collections are packed as told."""
    shutil.copytree(source, target)
    text, changed = re.subn(r"(?m)^  quantizer: \w+$", f"  quantizer: {quantizer}", (target / COLLECTIONS).read_text())
    assert changed == 1
    (target / COLLECTIONS).write_text(text)
    return target


def play(stage: Stage, world: World, scenario: Scenario) -> Result:
    """One scenario: a third of its events before, a third while, a third after the disturbance; then the comparison."""
    begun, kills, sent = time.monotonic(), stage.kills, len(stage.sent)
    first, second, third = scenario.parts(world)
    stage.ready()
    stage.send(first)
    scenario.disturb(stage, lambda: stage.send(second), world.rng)
    stage.send(third)
    mended = time.monotonic()
    stage.delivered()
    stage.quiet(settled=False)
    at_once = stage.dump(settled=False)
    stage.quiet()
    recovery = time.monotonic() - mended
    found = [f"at once: {each}" for each in stage.differences(at_once)] + stage.differences()
    dead = sum(one.bad is not None for one in stage.sent[sent:])
    events = len(stage.sent) - sent
    return Result(scenario.name, events, stage.kills - kills, dead, recovery, time.monotonic() - begun, found)
