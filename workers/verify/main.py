"""Wires verify to Kafka, the schema registry and Weaviate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime

import weaviate

from workers.adapters.group_lag import GroupLags
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.listing import ObjectListing
from workers.adapters.weaviate.objects import ObjectStore
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings
from workers.creators import main as creators
from workers.domain.erasure import ErasureKey, Erasures, WrongErasureKey
from workers.domain.events import ErasureRecorded
from workers.domain.model_card import load_model_card
from workers.domain.safety.scoring import load_scoring
from workers.domain.topics import load_topics, topic_name
from workers.embedder import main as embedder
from workers.indexer import main as indexer
from workers.outcomes import main as outcomes
from workers.outcomes.attribution import Decay
from workers.process.erasures import erasure_key, key_is_wrong
from workers.verify.dump import KINDS, DeadLetter, State, dead_letter_of
from workers.verify.lines import line
from workers.verify.look import Look, Rules, Topics
from workers.verify.mending import Mender
from workers.verify.progress import Told
from workers.verify.report import Report
from workers.verify.spool import Spool
from workers.verify.stillness import Measure, Progress
from workers.verify.worker import Verify
from workers.wire.cloudevents import Wire
from workers.wire.records import InRecord, InvalidEvent

SOURCE = "streamscout/verify"
_DEAD = ".dead"
_SAID = ("creators", "signals")
_READS = {
    "embedder": embedder.TOPICS,
    "creators": (creators.READS,),
    "indexer": (indexer.TOPIC,),
    "outcomes": outcomes.READS,
}
_ROUND = ("rekeyed", "retry")
"""Topics of a worker's own on which events come back to it."""


async def dump_state(settings: Settings, write: Callable[[bytes], object], told: Told) -> dict[str, int]:
    """Write every line; how many of each kind. Raises Unavailable where a server, a topic or a collection is gone."""
    counts = dict.fromkeys(KINDS, 0)
    async with stored_state(settings, told) as state:
        for kind in KINDS:
            async for values in state.values(kind):
                write(line(values))
                counts[kind] += 1
                told(kind, counts[kind], None)
    return counts


@asynccontextmanager
async def stored_state(settings: Settings, told: Told) -> AsyncIterator[State]:
    """What is stored, for as long as the block lasts; topics are read to their present ends first."""
    settings.required("kafka_bootstrap", "weaviate_url")
    card = load_model_card(settings.model_repository)
    wire = Wire(build_codec(settings), SOURCE, settings.namespace)
    async with connect(settings) as client:
        with Spool() as spool:
            names = {topic: topic_name(settings.namespace, topic) for topic in _SAID}
            read_into(spool, settings, list(names.values()), told)
            dead = read_dead_letters(settings, told)
            yield State(ObjectListing(client, settings.namespace, card.model_version), spool, wire, names, dead)


def read_into(spool: Spool, settings: Settings, topics: Sequence[str], told: Told) -> None:
    """The newest record of every key of some topics (full names)."""
    with closing(WholeTopics(settings, topics)) as reader:
        for number, record in enumerate(reader.to_the_end(), 1):
            spool.put(record)
            told(f"records of {', '.join(topics)}", number, None)


def read_dead_letters(settings: Settings, told: Told) -> set[DeadLetter]:
    """The dead letters of every worker; copies are one."""
    listed = load_topics(settings.schemas_dir / "topics.yaml")
    workers = {
        topic_name(settings.namespace, topic.name): topic.name.removesuffix(_DEAD)
        for topic in listed
        if topic.name.endswith(_DEAD)
    }
    dead: set[DeadLetter] = set()
    with closing(WholeTopics(settings, list(workers))) as reader:
        for number, record in enumerate(reader.to_the_end(), 1):
            dead.add(dead_letter_of(record, workers[record.position.topic]))
            told("dead letters", number, None)
    return dead


def erasures_of(records: Iterable[InRecord], wire: Wire, key: ErasureKey) -> Erasures:
    """Who is erased, as the topic says. Raises SettingsError where that was recorded under another key."""
    erasures = Erasures(key)
    for record in records:
        try:
            erasures.put(wire.read(record, (ErasureRecorded,)))
        except InvalidEvent:
            # A dead letter of those that follow the topic.
            continue
        except WrongErasureKey as error:
            raise key_is_wrong(error) from error
    return erasures


async def verify_state(settings: Settings, repair: bool, wait: float, told: Told) -> Report:
    """Compare all that is stored and, with ``repair``, mend it. Raises Unavailable; SettingsError for a wrong key."""
    settings.required("kafka_bootstrap", "weaviate_url")
    async with connect(settings) as client:
        producer = KafkaProducer(settings)
        try:
            servers = _Servers(settings, client, producer, told)
            return await Verify(servers, wait, time.monotonic, asyncio.sleep).run(repair)
        finally:
            producer.close()


class _Servers:
    """Kafka and Weaviate as ``worker.Verify`` asks them."""

    def __init__(
        self, settings: Settings, client: weaviate.WeaviateAsyncClient, producer: KafkaProducer, told: Told
    ) -> None:
        card = load_model_card(settings.model_repository)
        self._settings, self._producer, self._told = settings, producer, told
        self._wire = Wire(build_codec(settings), SOURCE, settings.namespace)
        self._listing = ObjectListing(client, settings.namespace, card.model_version)
        self._store = ObjectStore(client, settings.namespace, card.model_version, card.dimensions, surely=True)
        self._lags = GroupLags(settings, _read_by_workers(settings))
        fold = creators.fold_settings(settings, card.model_version, card.dimensions)
        decay = Decay(settings.landmark, settings.signal_half_life_days)
        scoring = load_scoring(settings.schemas_dir, settings.model_repository, card)
        self._rules = Rules(fold, settings.facet_min_share, decay, scoring, indexer.settling_of(settings).thresholds)
        self._key = erasure_key(settings)
        names = ("creators", "creators.changelog", "signals", "outcomes.changelog", "erasures")
        self._topics = Topics(*(topic_name(settings.namespace, name) for name in names))

    def measure(self) -> Measure:
        return {place: Progress(*found) for place, found in self._lags.measure().items()}

    def look(self, spool: Spool) -> Look:
        read_into(spool, self._settings, self._topics.all(), self._told)
        erased = erasures_of(spool.newest(self._topics.erasures), self._wire, self._key)
        return Look(self._listing, self._store, spool, self._wire, self._topics, self._rules, erased, self._told)

    def mender(self, look: Look) -> Mender:
        now = datetime.now(UTC)
        servers = (self._store, look.spool, self._wire, self._producer, self._read)
        return Mender(*servers, self._topics, self._rules, look.erased_at, now)

    def _read(self, topics: Sequence[str]) -> Iterator[InRecord]:
        names = [topic_name(self._settings.namespace, topic) for topic in topics]
        with closing(WholeTopics(self._settings, names)) as reader:
            for number, record in enumerate(reader.to_the_end(), 1):
                self._told(f"records of {', '.join(topics)}", number, None)
                yield record


def _read_by_workers(settings: Settings) -> dict[str, list[str]]:
    """The topics that each worker's group commits, its own among them where there are any."""
    listed = {topic.name for topic in load_topics(settings.schemas_dir / "topics.yaml")}
    return {
        worker: [*reads, *(f"{worker}.{of}" for of in _ROUND if f"{worker}.{of}" in listed)]
        for worker, reads in _READS.items()
    }
