"""The stage of a storm: servers of its own, supervised workers, events sent, and the word that all is quiet."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from rich.console import Console

from tests.storm.comparing import DeadLetter, Encoded, differences
from tests.storm.events import NOW, READER, Sent
from tests.waiting import eventually
from workers.adapters.committed import committed_offsets
from workers.adapters.kafka import KafkaProducer
from workers.adapters.kafka_offsets import ends
from workers.adapters.registry import build_codec
from workers.adapters.whole_topic import WholeTopics
from workers.config import REPOSITORY, Settings, child_environment
from workers.containment.quarantine import stored_by
from workers.domain.events import Event
from workers.domain.ids import dead_letter_id
from workers.domain.model_card import load_model_card
from workers.domain.topics import load_topics, topic_name
from workers.stack.launcher import RECIPES, Launcher
from workers.stack.processes import Process
from workers.stack.progress import Board
from workers.stack.record import StackFiles
from workers.stack.status import running_workers, worker_status
from workers.verify.main import dump_state
from workers.wire.cloudevents import Wire
from workers.wire.records import OutRecord, ProduceFailed, Unavailable

WORKERS = ("embedder", "creators", "indexer", "outcomes")
QUIET_SECONDS = 150.0
_NUMBER = "storm"
MESSAGE = "__connect.errors.exception.message"


@dataclass
class Supervised:
    """A supervisor with its worker. ``command`` is what it runs, after the interpreter."""

    worker: str
    process: subprocess.Popen[bytes]

    def child(self) -> int | None:
        """The worker's pid, while one lives."""
        try:
            text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except OSError:
            return None
        return int(text.split()[0]) if text.split() else None


class Stage:
    """One world on the servers of ``servers`` (whose data directory is theirs). Not safe for threads."""

    def __init__(self, servers: Settings, settings: Settings, logs: Path) -> None:
        self.servers, self.settings, self.logs = servers, settings, logs
        self.card = load_model_card(settings.model_repository)
        self._wire = Wire(build_codec(settings), "storm", settings.namespace)
        self._producer = KafkaProducer(settings, delivery_ms=240_000)
        self._admin = self._new_admin()
        self._encoded = Encoded(settings, self.card)
        self._running: dict[str, list[Supervised]] = defaultdict(list)
        self._pause = threading.Event()
        self.sent: list[Sent] = []
        self._lost_positions: set[DeadLetter] = set()
        self._handed: list[tuple[OutRecord, Future[None]]] = []
        self.kills = 0

    def _new_admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": str(self.settings.kafka_bootstrap), "log_level": 0})

    # Workers.

    def start(self, worker: str, *command: str, **changed: object) -> Supervised:
        """One more process of a worker, under the supervisor. ``command``: a module and arguments, not its own.

        ``changed``: settings of this process that are not the stage's.
        """
        arguments = ["-m", *command, worker] if command else ["-m", "workers", "run", worker]
        with (self.logs / f"{worker}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.storm.supervising", str(os.getpid()), *arguments],
                env=child_environment(self.settings.model_copy(update=changed)),
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[worker].append(Supervised(worker, process))
        return self._running[worker][-1]

    def stop(self, worker: str) -> list[int]:
        """SIGTERM to every process of a worker; the exit codes."""
        stopping, self._running[worker] = self._running[worker], []
        for one in stopping:
            one.process.send_signal(signal.SIGTERM)
        return [self._ended(one) for one in stopping]

    def stop_one(self, one: Supervised) -> int:
        """SIGTERM to one process; its exit code."""
        self._running[one.worker].remove(one)
        one.process.send_signal(signal.SIGTERM)
        return self._ended(one)

    def _ended(self, one: Supervised) -> int:
        try:
            return one.process.wait(self.settings.shutdown_seconds + 40)
        finally:
            if one.process.poll() is None:
                os.killpg(one.process.pid, signal.SIGKILL)
                one.process.wait()

    def replace(self, worker: str, *command: str, **changed: object) -> Supervised:
        """Stop a worker and start it with another command, or with other settings."""
        self.stop(worker)
        return self.start(worker, *command, **changed)

    def kill_supervisor(self, worker: str) -> int:
        """kill -9 of the supervisor of the worker's first process; the pid of the worker that it leaves behind."""
        child, one = self.child(worker), self._running[worker].pop(0)
        one.process.kill()
        one.process.wait()
        self.kills += 1
        return child

    def ready(self) -> None:
        """Wait until every process that was started says that it is ready."""
        folder = StackFiles(self.settings.data_dir).workers

        def all_ready() -> bool:
            notes = [note for note in running_workers(folder) if worker_status(note).ready]
            pids = {note.pid for note in notes}
            return all(one.child() in pids for ones in self._running.values() for one in ones)

        eventually(all_ready, 120, "every worker ready")

    def one(self, worker: str) -> Supervised:
        """The worker's first process."""
        return self._running[worker][0]

    def child(self, worker: str) -> int:
        """The pid of the worker's living child."""
        return eventually(lambda: self.one(worker).child(), 60, f"a living {worker}") or 0

    def kill(self, worker: str) -> None:
        """kill -9 of the worker; its supervisor starts it again."""
        os.kill(self.child(worker), signal.SIGKILL)
        self.kills += 1

    def deaths(self, worker: str) -> int:
        """How often a supervisor of the worker said that it starts it again."""
        path = self.logs / f"{worker}.log"
        return path.read_text(errors="replace").count("ended, starting it again") if path.exists() else 0

    def metric(self, worker: str, name: str) -> float:
        """A number that the worker's processes tell, all together; ``name`` with its labels."""
        notes = running_workers(StackFiles(self.settings.data_dir).workers)
        urls = [note.health_url.rstrip("/") for note in notes if note.name == worker]
        lines = [line for url in urls for line in httpx.get(f"{url}/metrics", timeout=10).text.splitlines()]
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))

    # Servers.

    def server(self, name: str) -> Process:
        """A server's living process."""
        return eventually(lambda: StackFiles(self.servers.data_dir).process(name), 60, f"a living {name}")

    def kill_server(self, name: str) -> None:
        """kill -9 of a server and whatever it has started."""
        process = self.server(name)
        os.killpg(process.pid, signal.SIGKILL)
        eventually(lambda: not process.alive(), 30, f"the end of {name}")
        self.kills += 1

    def start_server(self, name: str) -> None:
        """The server again, on its disk and where it was."""
        recipe = next(recipe for recipe in RECIPES if recipe.name == name)
        with Board(Console(file=StringIO())) as board:
            Launcher(self.servers, board).up([recipe])

    def lose_disk(self, name: str) -> None:
        """What a server that does not run has stored is gone."""
        shutil.rmtree(StackFiles(self.servers.data_dir).data(name))

    def freeze(self, pid: int, group: bool = False) -> None:
        """SIGSTOP."""
        (os.killpg if group else os.kill)(pid, signal.SIGSTOP)

    def thaw(self, pid: int, group: bool = False) -> None:
        """SIGCONT."""
        (os.killpg if group else os.kill)(pid, signal.SIGCONT)

    def pause(self, seconds: float) -> None:
        """How long a disturbance lasts."""
        self._pause.wait(seconds)

    # Events.

    def send(self, records: Sequence[Sent]) -> None:
        """Hand records over to Kafka; ``delivered`` waits for all."""
        for sent in records:
            event = sent.event
            out = self._wire.record(
                sent.topic,
                event,
                id=f"storm-{len(self.sent)}",
                time=NOW,
                extensions={} if sent.type_name is None else {"type": sent.type_name},
            )
            headers = (*out.headers, (_NUMBER, b"%d" % len(self.sent)))
            value = out.value if sent.value is None else sent.value
            key = out.key if sent.key is None else sent.key
            self.sent.append(sent)
            record = OutRecord(out.topic, key, value, headers, sent.partition)
            self._handed.append((record, self._producer.send(record)))

    def delivered(self) -> None:
        """Wait until the broker has all that was sent; what a producer could not deliver is sent again."""
        while self._handed:
            waiting, self._handed = self._handed, []
            for record, future in waiting:
                try:
                    future.result(300)
                except ProduceFailed:
                    self._handed.append((record, self._producer.send(record)))

    def good(self) -> list[Event]:
        """The events that count."""
        return [sent.event for sent in self.sent if sent.bad is None]

    def remember_dead_letters(self) -> None:
        """Call it before a source topic is deleted: where its bad records lay is known no more afterwards."""
        self._lost_positions |= self.dead()

    def dead(self) -> set[DeadLetter]:
        """The dead letters that the bad records must have become: told by where each of them lies."""
        names = {topic_name(self.settings.namespace, topic): worker for topic, worker in READER.items()}
        found = set(self._lost_positions)
        with closing(WholeTopics(self.settings, list(names))) as reader:
            for record in reader.to_the_end():
                number = dict(record.headers).get(_NUMBER)
                sent = None if number is None else self.sent[int(number)]
                if sent is not None and sent.bad is not None:
                    at = record.position
                    letter = dead_letter_id(at.topic_id, at.partition, at.offset)
                    found.add((str(letter), names[at.topic], str(sent.bad)))
        return found

    # The end.

    def behind(self, settled: bool = True) -> dict[str, int]:
        """Records that are not committed yet, by worker; else, that are not even stored."""
        topics: dict[str, list[tuple[str, int]]] = {worker: [] for worker in WORKERS}
        for topic in load_topics(self.settings.schemas_dir / "topics.yaml"):
            name = topic_name(self.settings.namespace, topic.name)
            for worker in topic.readers:
                if worker in topics and topic.name != "erasures" and not topic.name.endswith(".changelog"):
                    topics[worker] += [(name, number) for number in range(topic.partitions)]
        lag: Counter[str] = Counter()
        for worker, places in topics.items():
            group = topic_name(self.settings.namespace, worker)
            committed = committed_offsets(self.settings, group, places, 30)
            for place, end in ends(self._admin, places, 30).items():
                known, note = committed.get(place, (0, ""))
                lag[worker] += max(0, end - (known if settled else max(known, stored_by(note))))
        return dict(lag)

    def quiet(self, settled: bool = True) -> None:
        """Wait until every group has committed all there is, or at least stored it, twice running."""
        calm, behind = 0, {}

        def is_quiet() -> bool:
            nonlocal calm, behind
            try:
                behind = self.behind(settled)
                calm = 0 if any(behind.values()) else calm + 1
            except (KafkaException, TimeoutError, Unavailable):
                # Kafka comes back, and what this client knows of its leaders is of before.
                self._admin, calm = self._new_admin(), 0
            return calm >= 2

        try:
            eventually(is_quiet, QUIET_SECONDS, "all lags at zero")
        except AssertionError as error:
            raise AssertionError(f"{error}; records behind: {behind}") from error

    def dump(self, settled: bool = True) -> bytes:
        """``streamscout state dump``, taken until it is twice the same; once, while exact values may be written."""
        last: list[bytes] = []

        def stable() -> bool:
            lines: list[bytes] = []
            asyncio.run(dump_state(self.settings, lines.append, lambda *_: None))
            last.append(b"".join(lines))
            return not settled or (len(last) > 1 and last[-1] == last[-2])

        eventually(stable, 60, "a stable dump")
        return last[-1]

    def differences(self, at_once: bytes | None = None) -> list[str]:
        """What is stored that should not be, what is not, and what is not as it should be; of a dump ``at_once``, what
        is farther off than it may be before creators are settled."""
        dump, known = at_once or self.dump(), (self._encoded, self.settings, self.card)
        found = differences(dump, self.good(), self.dead(), *known, settled=at_once is None)
        return found + (self._last_words() if any(one.startswith("extra: dead") for one in found) else [])

    def _last_words(self) -> list[str]:
        """What the newest dead letters say: why one is there that should not be."""
        names = [topic_name(self.settings.namespace, f"{worker}.dead") for worker in WORKERS]
        with closing(WholeTopics(self.settings, names)) as reader:
            letters = sorted(reader.to_the_end(), key=lambda record: record.timestamp_ms)
        return [
            f"a letter says: {dict(each.headers).get(MESSAGE, b'').decode(errors='replace')}" for each in letters[-5:]
        ]

    def close(self) -> None:
        """Stop every worker; one that does not end keeps no other alive."""
        with ExitStack() as ending:
            ending.callback(self._producer.close)
            for worker in WORKERS:
                for one in self._running[worker]:
                    one.process.send_signal(signal.SIGTERM)
                    ending.callback(self._ended, one)


def elapsed(since: float) -> float:
    return time.monotonic() - since
