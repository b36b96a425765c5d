"""A world for the bench: servers of its own on two cores, one embedder's process, pictures from a host beside them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import httpx
from rich.console import Console

from tests.bench.encoders import RowFailed
from tests.bench.machine import on, pin
from tests.bench.models import Models
from tests.bench.report import numbers
from tests.waiting import eventually
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.whole_topic import WholeTopics
from workers.config import REPOSITORY, Settings, child_environment, load_settings
from workers.domain.events import Media, PostPublished
from workers.domain.model_card import ModelCard
from workers.domain.topics import topic_name
from workers.stack.fleet import Fleet
from workers.stack.launcher import RECIPES, Launcher
from workers.stack.progress import Board
from workers.stack.record import StackFiles
from workers.stack.setup import prepare_world, set_up
from workers.stack.status import running_workers, worker_status
from workers.stack.triton import Triton
from workers.wire.cloudevents import Wire

SERVERS = ("kafka", "schema-registry", "weaviate", "triton")
PUBLISHED = datetime(2026, 6, 1, tzinfo=UTC)
_SILENT_SECONDS = 120.0
_REMEMBERED = "streamscout_vectors_remembered_total{"


def quiet() -> Board:
    """What a server is doing is of no interest while it works; a failure says so itself."""
    return Board(Console(file=StringIO()))


@dataclass(frozen=True)
class Done:
    """A post whose vectors can be found: its number, and when its announcement was written, seconds since 1970.

    The embedder announces what it has stored and found again.
    """

    number: int
    at: float


def all_encoded(metrics: str) -> None:
    """Given what an embedder says of itself. Raises RowFailed where it remembered a vector in place of encoding."""
    said = [value for name, value in numbers(metrics).items() if name.startswith(_REMEMBERED)]
    if not said:
        raise RowFailed("the embedder does not say how many vectors it remembered: nothing was encoded")
    if remembered := round(sum(said)):
        raise RowFailed(
            f"{remembered} vectors were remembered and not encoded, since pictures had equal pixels: "
            "the encoder is not what was measured"
        )


class World:
    """Servers in ``folder``, started with ``start``; the encoder on ``encoder``, all else on ``rest``."""

    def __init__(self, folder: Path, models: Models, pictures: Path, encoder: int, rest: int) -> None:
        self._files, self._models, self._pictures = StackFiles(folder), models, pictures
        self.encoder, self.rest = {encoder}, {rest}
        self.settings = load_settings(
            data_dir=folder,
            model_repository=models.one_core,
            namespace="bench",
            media_private_hosts=True,
            # One host has all pictures here, where there are as many as scrapers found: no mercy for it.
            media_host_rate=100_000.0,
            media_host_concurrency=16,
            log_level="WARNING",
        )
        self._numbers = 0
        self._media: subprocess.Popen[str] | None = None

    # Servers.

    def start(self) -> None:
        """Every server ready, with topics and collections, and the host of pictures. Raises StackError."""
        with quiet() as board:
            self.settings = Launcher(self.settings, board).up(RECIPES)
            set_up(self.settings, board)
        with on(self.rest):
            self._media = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.media", str(self._pictures)],
                cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert self._media.stdout is not None
        self._host = f"http://127.0.0.1:{self._media.stdout.readline().strip()}"

    def triton(self, repository: Path, cores: Collection[int]) -> None:
        """Triton anew on another repository, from its first thread on these cores."""
        self.settings = self.settings.model_copy(update={"model_repository": repository, "triton_url": None})
        with quiet() as board, on(cores):
            self.settings = Launcher(self.settings, board).up([*(r for r in RECIPES if r.name != "triton"), Triton()])

    def place(self, triton: Collection[int], others: Collection[int], embedder: Collection[int]) -> None:
        """Which cores each process may use from now on."""
        for name, pid in self.pids().items():
            pin(pid, triton if name == "triton" else embedder if name == "embedder" else others)

    def alone(self, server: str) -> None:
        """A server on the encoder's core, everything else on the other."""
        for name, pid in self.pids().items():
            pin(pid, self.encoder if name == server else self.rest)

    def pids(self) -> dict[str, int]:
        """Every process of the world by name."""
        found = {name: process.pid for name in SERVERS if (process := self._files.process(name)) is not None}
        if self._media is not None:
            found["pictures"] = self._media.pid
        if (embedder := self._files.process("embedder")) is not None:
            found["embedder"] = embedder.pid
        return found

    def stop(self) -> None:
        """Nothing is left running."""
        with quiet() as board:
            Fleet(self.settings, board).stop(self.settings.shutdown_seconds)
            Launcher(self.settings, board).down(RECIPES, wipe=True)
        if self._media is not None:
            with self._media:
                self._media.terminate()

    # The embedder.

    @contextmanager
    def embedder(self, namespace: str, cores: Collection[int]) -> Iterator[None]:
        """One embedder's process in a namespace of its own, ready. Raises RowFailed as ``all_encoded`` does."""
        self.settings = self.settings.model_copy(update={"namespace": namespace})
        prepare_world(self.settings)
        with quiet() as board:
            fleet = Fleet(self.settings, board)
            with on(cores):
                fleet.start(["embedder"])
            try:
                yield
                fleet.check(["embedder"])
                all_encoded(self.metrics())
            finally:
                fleet.stop(self.settings.shutdown_seconds)

    @contextmanager
    def profiled(self, namespace: str, cores: Collection[int], out: Path) -> Iterator[Callable[[], None]]:
        """The same, and when the block has ended ``out`` says on what its processor time went since it was asked to."""
        self.settings = self.settings.model_copy(update={"namespace": namespace})
        prepare_world(self.settings)
        with on(cores):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.profiled", str(out), "embedder"],
                cwd=REPOSITORY, env=child_environment(self.settings), stderr=subprocess.DEVNULL,
            )  # fmt: skip
        with process:
            try:
                eventually(lambda: self._ready(process), _SILENT_SECONDS, "an embedder that is ready")
                if process.poll() is not None:
                    raise RowFailed(f"the embedder ended with {process.returncode}")
                yield lambda: process.send_signal(signal.SIGUSR2)
                all_encoded(self.metrics())
            finally:
                process.terminate()

    def _ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether it says that it is ready, or has ended."""
        notes = [note for note in running_workers(self._files.workers) if note.pid == process.pid]
        return process.poll() is not None or any(worker_status(note).ready for note in notes)

    @property
    def card(self) -> ModelCard:
        """Of the model in all repositories."""
        return self._models.card

    def metrics(self) -> str:
        """What the embedder says of itself; empty where it does not answer."""
        for note in running_workers(self._files.workers):
            if note.name == "embedder":
                return httpx.get(f"{note.health_url.rstrip('/')}/metrics", timeout=10).text
        return ""

    def triton_metrics(self) -> str:
        """What Triton says of itself."""
        port = self._files.load().servers["triton"].ports["metrics"]
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text

    # Posts.

    def posts(self, count: int) -> range:
        """The numbers of so many posts that were not published yet."""
        self._numbers += count
        return range(self._numbers - count, self._numbers)

    def publisher(self) -> Publisher:
        """Who publishes posts of one picture each."""
        return Publisher(self.settings, self._host)

    def announced(self, numbers: Sequence[int]) -> Iterator[Done]:
        """Posts as they can be found, until all of these are. Raises RowFailed where nothing comes for long."""
        waiting = set(numbers)
        topic = topic_name(self.settings.namespace, "embeddings")
        with closing(WholeTopics(self.settings, [topic])) as reader:
            heard = time.monotonic()
            while waiting:
                record = reader.poll(0.2)
                if record is None or record.key is None:
                    if time.monotonic() - heard > _SILENT_SECONDS:
                        raise RowFailed(f"{len(waiting)} of {len(numbers)} posts are not stored: {self._last_words()}")
                    continue
                number = int(record.key.decode().rpartition("-")[2])
                if number in waiting:
                    heard = time.monotonic()
                    waiting.discard(number)
                    yield Done(number, record.timestamp_ms / 1000)

    def _last_words(self) -> str:
        log = self._files.log("embedder")
        return " | ".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else "no log"


class Publisher:
    """Posts on Kafka; each of a creator of its own, so that its key tells its number."""

    def __init__(self, settings: Settings, host: str) -> None:
        self._host = host
        self._wire = Wire(build_codec(settings), "bench", settings.namespace)
        self._producer = KafkaProducer(settings)

    def publish(self, number: int, topic: str = "posts") -> None:
        """Hands a post over; ``flush`` waits."""
        event = PostPublished(
            post_id=f"post-{number}",
            creator_id=f"creator-{number}",
            revision=1,
            platform="instagram",
            url=f"https://example.org/p/{number}",
            language="en",
            published_at=PUBLISHED,
            media=(Media(url=f"{self._host}/{number}.jpg", kind="image"),),
        )
        self._producer.send(self._wire.record(topic, event, id=f"bench-{number}", time=PUBLISHED))

    def flush(self) -> None:
        """Waits until Kafka has them all."""
        self._producer.flush(60)

    def close(self) -> None:
        self._producer.close()
