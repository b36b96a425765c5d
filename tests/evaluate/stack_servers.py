"""Servers of its own, filled through the real indexer from the topic ``creators``; and writes that go on meanwhile."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path

from rich.console import Console

from tests.waiting import eventually_async
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.queries import WeaviateIndex
from workers.config import REPOSITORY, Settings, child_environment, load_settings
from workers.domain.events import CreatorUpdated
from workers.stack.fleet import Fleet
from workers.stack.launcher import RECIPES, Launcher
from workers.stack.progress import Board
from workers.stack.setup import set_up
from workers.wire.cloudevents import Wire
from workers.wire.records import OutRecord

Say = Callable[[str], None]
WORKERS = ("indexer", "match")
LOADED_AT_ONCE = 256
_INDEXED_SECONDS = 1800.0


def quiet() -> Board:
    """What a server is doing is of no interest while it works; a failure says so itself."""
    return Board(Console(file=StringIO()))


class Servers:
    """Kafka, Schema Registry, Weaviate, Triton, the indexer's process and the match API's, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.settings = load_settings(
            data_dir=folder,
            namespace="evaluate",
            api_anonymous="everything",
            api_rate_per_second=1e6,
            api_burst=1_000_000,
            batch_size=LOADED_AT_ONCE,
            log_level="WARNING",
        )
        self.addresses: dict[str, str] = {}

    def start(self) -> None:
        """Every server ready, with topics and collections, and both workers. Raises StackError."""
        with quiet() as board:
            self.settings = Launcher(self.settings, board).up(RECIPES)
            set_up(self.settings, board)
            self.addresses = Fleet(self.settings, board).start(WORKERS)

    def stop(self) -> None:
        """Nothing is left running."""
        with quiet() as board:
            Fleet(self.settings, board).stop(self.settings.shutdown_seconds)
            Launcher(self.settings, board).down(RECIPES, wipe=True)

    def check(self) -> None:
        """Raises WorkerEndedError where a worker has ended."""
        Fleet(self.settings, quiet()).check(WORKERS)

    def publisher(self) -> Publisher:
        """Who publishes creators."""
        return Publisher(self.settings)

    async def indexed(self, model_version: str, creators: int, facets: int, say: Say) -> None:
        """Waits until all are in Weaviate. Raises AssertionError where they never are."""
        async with connect(self.settings) as client:
            index = WeaviateIndex(client, self.settings.namespace, model_version)
            told = -1

            async def all_there() -> bool:
                nonlocal told
                there = await index.count("Creator")
                if there // 2000 != told:
                    told = there // 2000
                    say(f"{there} of {creators} creators are in Weaviate")
                    self.check()
                return there >= creators and await index.count("Facet") >= facets

            await eventually_async(all_there, _INDEXED_SECONDS, "all creators in Weaviate")


class Publisher:
    """CreatorUpdated on Kafka, as the creators worker writes it."""

    def __init__(self, settings: Settings) -> None:
        self._wire = Wire(build_codec(settings), "evaluate", settings.namespace)
        self._producer = KafkaProducer(settings)

    def record(self, event: CreatorUpdated) -> OutRecord:
        """The event's record."""
        assert event.last_published_at is not None
        return self._wire.record(
            "creators", event, id=f"{event.creator_id}-{event.revision}", time=event.last_published_at
        )

    def send(self, record: OutRecord) -> None:
        """Hands a record over."""
        self._producer.send(record)

    def close(self) -> None:
        """Waits until Kafka has them all."""
        with closing(self._producer):
            self._producer.flush(120)


@contextmanager
def writes(settings: Settings, records: Sequence[OutRecord], per_second: float, folder: Path) -> Iterator[None]:
    """While the block lasts, another process publishes so many of these updates a second."""
    file = folder / "updates.pickle"
    file.write_bytes(pickle.dumps(list(records)))
    command = [sys.executable, "-m", "tests.evaluate.stack_writing", str(file), str(per_second)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=child_environment(settings), stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "writing"
            yield
            assert process.poll() is None, "the writer has ended before its time"
        finally:
            process.terminate()
