"""Wires verify to Kafka, the schema registry and Weaviate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing

from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.listing import ObjectListing
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings
from workers.domain.model_card import load_model_card
from workers.domain.topics import load_topics, topic_name
from workers.verify.dump import KINDS, DeadLetter, State, dead_letter_of
from workers.verify.lines import line
from workers.verify.progress import Told
from workers.verify.spool import Spool
from workers.wire.cloudevents import Wire

SOURCE = "streamscout/verify"
_DEAD = ".dead"
_SAID = ("creators", "signals")


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
