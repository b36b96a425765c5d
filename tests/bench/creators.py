"""The creators worker as a process on the real Kafka: events a second, and what one costs as creators become more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tests.bench.creator_events import Embedding, Stream
from tests.bench.encoders import RowFailed
from tests.bench.machine import cpu_seconds, on, resident_mb
from tests.bench.world import quiet
from workers.adapters import security
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.config import REPOSITORY, Settings
from workers.creators.main import NAME, READS
from workers.domain.model_card import load_model_card
from workers.domain.topics import load_topics, topic_name
from workers.stack.fleet import Fleet
from workers.stack.setup import erasure_key
from workers.stack.topics import create_topics
from workers.wire.cloudevents import Wire
from workers.wire.records import OutRecord

ROUNDS = 3
CREATORS, WARM_UP, BACKLOG = 300, 9000, 9000
FEW, SOME, MANY, OF_A_ROUND = 1000, 10_000, 100_000, 3000
_AT_ONCE, _SILENT_SECONDS, _LOOK_SECONDS = 5000, 120.0, 0.02
Say = Callable[[str], None]


@dataclass(frozen=True)
class Moment:
    """How many events were committed, seen from outside; and the process's seconds of processor time by then."""

    done: int
    at: float
    cpu: float


@dataclass(frozen=True)
class Passed:
    """Events between two moments: their number, seconds by the clock, seconds of the process's processor time."""

    events: int
    seconds: float
    cpu: float

    @classmethod
    def between(cls, begun: Moment, ended: Moment) -> Passed:
        return cls(ended.done - begun.done, ended.at - begun.at, ended.cpu - begun.cpu)

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cost(self) -> float:
        """Milliseconds of processor time for an event."""
        return 1000 * self.cpu / self.events


class Process:
    """A creators process in a namespace of its own, on new topics and an empty disk; and who writes ``embeddings``."""

    def __init__(self, settings: Settings, name: str, cores: set[int]) -> None:
        own = {
            "namespace": f"creators{name}",
            "data_dir": settings.data_dir / f"creators-{name}",
            "model_repository": REPOSITORY / "triton_models",
        }
        self._settings, self._cores = settings.model_copy(update=own), cores
        erasure_key(self._settings)
        create_topics(self._settings)
        self._fleet = Fleet(self._settings, quiet())
        self._wire = Wire(build_codec(self._settings), "bench", self._settings.namespace)
        topics = load_topics(settings.schemas_dir / "topics.yaml")
        partitions = next(topic.partitions for topic in topics if topic.name == READS)
        self._places = [TopicPartition(topic_name(self._settings.namespace, READS), n) for n in range(partitions)]
        self._group = topic_name(self._settings.namespace, NAME)
        self._sent, self.pid = 0, 0

    def stream(self, creators: int, most: int = 6) -> Stream:
        """Events of so many creators, of at most so many topics each, under the bundled model."""
        card = load_model_card(self._settings.model_repository)
        return Stream(card.model_version, card.dimensions, creators, most=most)

    @contextmanager
    def running(self) -> Iterator[None]:
        """It runs and is ready."""
        with on(self._cores):
            self._fleet.start([NAME])
        try:
            process = self._fleet.process(NAME)
            if process is None:
                raise RowFailed(f"{NAME} ended as it began")
            self.pid = process.pid
            yield
            self._fleet.check([NAME])
        finally:
            self._fleet.stop(self._settings.shutdown_seconds)

    def written(self, events: Sequence[Embedding]) -> list[OutRecord]:
        """Events as records: to be made before anything is measured."""
        now, extensions = datetime.now(UTC), {"sourcetime": str(round(time.time() * 1000))}
        return [
            self._wire.record(READS, event, id=f"bench-{number}", time=now, extensions=extensions)
            for number, event in enumerate(events, self._sent)
        ]

    def publish(self, records: Sequence[OutRecord]) -> None:
        """All of them are on Kafka afterwards."""
        with closing(KafkaProducer(self._settings)) as producer:
            sent = [producer.send(record) for record in records]
            producer.flush(60)
            for future in sent:
                future.result(60)
        self._sent += len(records)

    def work_off(self, records: Sequence[OutRecord]) -> tuple[Passed, Passed]:
        """Publishes a backlog and waits until it is committed: from before to the end, from its first commit to it."""
        begun = self._now()
        self.publish(records)
        moments = [begun, *self._commits(begun.done)]
        return Passed.between(begun, moments[-1]), Passed.between(moments[1], moments[-1])

    def work_off_events(self, events: Sequence[Embedding]) -> Passed:
        """The same of very many: they are written a part at a time, while the process works on what there is."""
        begun = self._now()
        for start in range(0, len(events), _AT_ONCE):
            self.publish(self.written(events[start : start + _AT_ONCE]))
        return Passed.between(begun, list(self._commits(begun.done))[-1])

    def _now(self) -> Moment:
        """When all that was published is committed."""
        return Moment(self._sent, time.monotonic(), cpu_seconds(self.pid))

    def _commits(self, before: int) -> Iterator[Moment]:
        """Each commit of more than ``before`` events, until all that was published is committed.

        Raises RowFailed where nothing comes for long.
        """
        asking = Consumer({**security.kafka(self._settings), "group.id": self._group, "enable.auto.commit": False})
        pause, last, heard = threading.Event(), before, time.monotonic()
        with closing(asking):
            while last < self._sent:
                found = sum(max(0, place.offset) for place in asking.committed(self._places, timeout=30))
                now = time.monotonic()
                if found > last:
                    last, heard = found, now
                    yield Moment(found, now, cpu_seconds(self.pid))
                elif now - heard > _SILENT_SECONDS:
                    raise RowFailed(f"{NAME} has committed {found} of {self._sent} events")
                pause.wait(_LOOK_SECONDS)


@dataclass(frozen=True)
class Rate:
    """``first``: the first event of each creator there is; ``rounds``: backlogs, of which the best counts."""

    first: Passed
    rounds: list[Passed]
    memory_mb: float

    @property
    def best(self) -> float:
        """Events a second."""
        return max(each.rate for each in self.rounds)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        rounds = [{"per_s": round(each.rate, 1), "ms_each": round(each.cost, 3)} for each in self.rounds]
        first = {"per_s": round(self.first.rate, 1), "ms_each": round(self.first.cost, 3)}
        return {"first_touch": first, "rounds": rounds, "memory_mb": round(self.memory_mb, 1)}


def rate(settings: Settings, cores: set[int], say: Say, share: float = 1.0) -> Rate:
    """Of one process, from ``embeddings`` to acknowledged ``creators`` and commit, with backlogs that lie on Kafka."""
    process = Process(settings, "rate", cores)
    stream = process.stream(CREATORS)
    first = process.written(stream.of_each())
    warm_up = process.written(stream.take(round(share * WARM_UP)))
    backlogs = [process.written(stream.take(round(share * BACKLOG))) for _ in range(ROUNDS)]
    with process.running():
        touched, _ = process.work_off(first)
        process.work_off(warm_up)
        rounds = []
        for backlog in backlogs:
            _, found = process.work_off(backlog)
            rounds.append(found)
            say(f"creators: {found.rate:.0f} events/s, {found.cost:.2f} ms of processor time for each")
        return Rate(touched, rounds, resident_mb(process.pid))


@dataclass
class Known:
    """A process that knows so many creators, and what an event costs it (ms of processor time).

    ``first``: a creator's first event ever; ``again``: the first touch after a start, for which rows are read;
    ``rounds``: later events, of creators drawn from all.
    """

    creators: int
    first: float
    rounds: list[float]
    again: float
    memory_mb: float


def costs(settings: Settings, cores: set[int], say: Say, share: float = 1.0) -> list[Known]:
    """With few, some and many creators known; the rounds turn about, so that what else the machine does befalls all."""
    counts = [round(share * count) for count in (FEW, SOME, MANY)]
    each, found = round(share * OF_A_ROUND), []
    with ExitStack() as stack:
        processes = []
        for count in counts:
            process = Process(settings, str(count), cores)
            stream = process.stream(count, most=1)
            stack.enter_context(process.running())
            first = process.work_off_events(stream.of_each())
            found.append(Known(count, first.cost, [], 0.0, resident_mb(process.pid)))
            say(f"creators: {count} known, the first event of each {first.cost:.2f} ms, {found[-1].memory_mb:.0f} MB")
            processes.append((process, stream))
        for _ in range(ROUNDS):
            backlogs = [process.written(stream.spread(each)) for process, stream in processes]
            for (process, _), backlog, known in zip(processes, backlogs, found, strict=True):
                known.rounds.append(process.work_off(backlog)[0].cost)
            said = ", ".join(f"{known.creators}: {known.rounds[-1]:.3f} ms" for known in found)
            say(f"creators: later events by how many are known: {said}")
    for (process, stream), known in zip(processes, found, strict=True):
        with process.running():
            known.again = process.work_off(process.written(stream.spread(min(each, known.creators))))[0].cost
        say(f"creators: {known.creators} known, the first touch after a start {known.again:.2f} ms")
    return found


def ratio(found: Sequence[Known]) -> float:
    """What an event costs with the most creators over what it costs with the fewest, of the best round."""
    return min(most / fewest for most, fewest in zip(found[-1].rounds, found[0].rounds, strict=True))


def plain(found: Sequence[Known]) -> dict[str, Any]:
    """For JSON, by how many creators are known."""
    return {
        str(known.creators): {
            "first_event_ms": round(known.first, 3),
            "later_events_ms": [round(each, 3) for each in known.rounds],
            "first_touch_after_a_start_ms": round(known.again, 3),
            "memory_mb": round(known.memory_mb, 1),
        }
        for known in found
    }
