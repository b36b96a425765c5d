"""Dead letters over a broker in memory: events die, operators act, events die again."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import dropwhile

from tests.fakes.kafka import FakeBroker, FakeProducer
from workers.config import REPOSITORY
from workers.containment.dead_letters import dead_letter
from workers.dead_letters.box import Known
from workers.dead_letters.choosing import Choice
from workers.dead_letters.pace import Pace
from workers.dead_letters.replaying import Rules
from workers.dead_letters.worker import DeadLetters, Outcome
from workers.domain.topics import load_topics, topic_name
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import Dead, Headers, InRecord

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPICS = load_topics(REPOSITORY / "schemas" / "topics.yaml")
NAMESPACE = "n"


class Clock:
    """Moves only when told, and by what is waited."""

    def __init__(self) -> None:
        self.time = NOW
        self.waited: list[float] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.time += timedelta(seconds=seconds)


class World:
    """Topics of ``schemas/topics.yaml``, and the tool over them."""

    def __init__(self) -> None:
        self.broker = FakeBroker({topic_name(NAMESPACE, topic.name): topic.partitions for topic in TOPICS})
        self.broker.now_ms = int(NOW.timestamp() * 1000)
        self.producer = FakeProducer(self.broker)
        self.clock = Clock()
        self.wire = Wire(JsonCodec(), "test", NAMESPACE)
        self.passes: list[tuple[str, ...]] = []
        self.tool = DeadLetters(self.whole, self.wire, self.producer, TOPICS, NAMESPACE, self.clock, lambda *_: None)

    def whole(self, topics: Sequence[str], since: Mapping[str, datetime]) -> Generator[InRecord, None, None]:
        """Every record, as the tool reads them: of each partition, from the first one that is no older."""
        self.passes.append(tuple(topics))
        for topic in topics:
            first_ms = since[topic].timestamp() * 1000 if topic in since else 0
            for number in range(self.broker.partitions(topic)):
                log = self.broker.logs[topic, number]
                yield from dropwhile(lambda record, first=first_ms: record.timestamp_ms < first, log)  # type: ignore[misc]

    def published(
        self, topic: str = "posts", key: bytes | None = b"ana", value: bytes | None = b"{}", headers: Headers = ()
    ) -> InRecord:
        """An event as it lies on its topic."""
        position = self.broker.append(topic_name(NAMESPACE, topic), key, value, headers)
        return self.broker.logs[position.topic, position.partition][position.offset]

    def dies(self, record: InRecord, worker: str = "embedder", reason: str = "media_corrupt") -> None:
        """The worker sets an event aside."""
        topic = topic_name(NAMESPACE, f"{worker}.dead")
        letter = dead_letter(record, Dead(reason, "media[0]: cut off"), topic, worker, 0, self.clock.now())
        self.broker.append(letter.topic, letter.key, letter.value, letter.headers)

    def last(self, topic: str = "posts", key: bytes = b"ana") -> InRecord:
        """The newest record of a key."""
        return [record for record in self.broker.read(topic_name(NAMESPACE, topic)) if record.key == key][-1]

    def dead(self, resolved: bool = False, **choice: object) -> list[Known]:
        """What is listed."""
        chosen = Choice(**choice)  # type: ignore[arg-type]
        return self.tool.listed(chosen, resolved=True).shown if resolved else self.tool.choose(chosen)

    def replay(self, force: bool = False, dry_run: bool = False, most: int = 3, **choice: object) -> list[Outcome]:
        """As the command does it."""
        pace = Pace(None, self.clock, self.clock.wait)
        return self.tool.replay(self.dead(**choice), Rules(self.tool.topics, most, force), pace, dry_run)

    def drop(self, dry_run: bool = False, **choice: object) -> list[Outcome]:
        """As the command does it."""
        return self.tool.drop(self.dead(**choice), "gone for good", dry_run)


def results(outcomes: Sequence[Outcome]) -> list[str]:
    """One word each."""
    return [outcome.result for outcome in outcomes]
