"""The one list of topics, ``schemas/topics.yaml``, as typed values.

A topic has one writer among our workers; ``scrapers`` and ``trackers`` stand for the outside world, whose events the
API takes in for them. Beside its writer an operator may put back what could not be used: a replay is a copy of what the
first writer said, never new words, and ``replayed_by`` says that a topic takes it. ``mended_by`` names who may write
there to mend what a store has lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

OUTSIDE: Final = frozenset({"scrapers", "trackers"})
REPLAYER: Final = "dead-letters"
DEAD: Final = ".dead"
_DAY_MS: Final = 86_400_000
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]{0,80}$")]


class Topic(BaseModel):
    """A topic. ``retention_days`` counts from a record's timestamp; a compacted topic keeps the last of each key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Name
    key: str
    events: tuple[str, ...]
    partitions: int = Field(ge=1, le=1000)
    retention_days: int | None = Field(None, ge=1)
    compacted: bool = False
    max_message_bytes: int = Field(ge=1024)
    writers: tuple[str, ...] = Field(min_length=1)
    readers: tuple[str, ...]
    replayed_by: tuple[str, ...] = ()
    mended_by: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _kept_one_way(self) -> Self:
        if self.compacted == (self.retention_days is not None):
            raise ValueError(f"topic {self.name}: give either retention_days or compacted")
        return self

    @property
    def config(self) -> dict[str, str]:
        """The topic's configuration in Kafka's own names."""
        kept = {"cleanup.policy": "compact"}
        if self.retention_days is not None:
            kept = {"cleanup.policy": "delete", "retention.ms": str(self.retention_days * _DAY_MS)}
        return {**kept, "max.message.bytes": str(self.max_message_bytes)}


class _TopicList(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    equal_partitions: tuple[tuple[_Name, ...], ...]
    topics: tuple[Topic, ...]


def topic_name(namespace: str, name: str) -> str:
    """The topic's name in Kafka: environments that share a cluster have each their own prefix."""
    return f"{namespace}.{name}" if namespace else name


def load_topics(path: Path) -> tuple[Topic, ...]:
    """The topics of a YAML file, in its order. Raises ValueError naming what is wrong with it."""
    listed = _TopicList.model_validate(yaml.safe_load(path.read_text()))
    problems = [
        *_named_twice(listed.topics),
        *_written_by_many(listed.topics),
        *_unequal(listed),
        *_misreplayed(listed.topics),
    ]
    if problems:
        raise ValueError(f"{path}: {'; '.join(problems)}")
    return listed.topics


def _named_twice(topics: Iterable[Topic]) -> list[str]:
    names = [topic.name for topic in topics]
    return [f"{name} is listed {names.count(name)} times" for name in sorted(set(names)) if names.count(name) > 1]


def _written_by_many(topics: Iterable[Topic]) -> list[str]:
    inside = {topic.name: [writer for writer in topic.writers if writer not in OUTSIDE] for topic in topics}
    return [f"{name} has {len(ours)} writers: {', '.join(ours)}" for name, ours in inside.items() if len(ours) > 1]


def _unequal(listed: _TopicList) -> list[str]:
    partitions = {topic.name: topic.partitions for topic in listed.topics}
    problems = []
    for group in listed.equal_partitions:
        counts = {name: partitions.get(name) for name in group}
        if len(set(counts.values())) != 1:
            problems.append(f"these must have equal partitions: {counts}")
    return problems


def _misreplayed(topics: Iterable[Topic]) -> list[str]:
    """Replays go, by the one tool, into each topic that a worker with dead letters reads from others; nowhere else."""
    buried = {topic.name.removesuffix(DEAD) for topic in topics if topic.name.endswith(DEAD)}
    problems = []
    for topic in topics:
        others = buried.intersection(topic.readers).difference(topic.writers)
        letters = topic.name.endswith(DEAD) or REPLAYER in topic.writers
        wanted = (REPLAYER,) if others and not letters else ()
        if topic.replayed_by != wanted:
            problems.append(f"{topic.name} is replayed by {list(topic.replayed_by)}, should be by {list(wanted)}")
    return problems
