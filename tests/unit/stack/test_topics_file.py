"""schemas/topics.yaml and its model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from workers.config import REPOSITORY
from workers.domain.topics import DEAD, OUTSIDE, REPLAYER, Topic, load_topics, topic_name
from workers.stack.topics import differences

FILE = REPOSITORY / "schemas" / "topics.yaml"
SOURCES = ("posts", "posts.backfill", "profiles")
OUTCOMES = ("matches", "decisions", "outcomes")
COMPACTED = ("erasures", "brands", "creators", "signals", "priors", "rerank.models", "dead.resolutions")
OF_THE_DESIGN = {*SOURCES, *OUTCOMES, *COMPACTED, "embeddings", "training.examples"}
SOURCE, COPY = 1024**2, 2 * 1024**2


def written(tmp_path: Path, **changes: Any) -> Path:
    """A list of one topic, changed."""
    topic = {
        "name": "posts",
        "key": "creator_id",
        "events": ["PostPublished"],
        "partitions": 4,
        "retention_days": 30,
        "max_message_bytes": SOURCE,
        "writers": ["scrapers"],
        "readers": ["embedder"],
    } | changes
    path = tmp_path / "topics.yaml"
    path.write_text(yaml.safe_dump({"equal_partitions": [], "topics": [topic]}))
    return path


def listed() -> dict[str, Topic]:
    """The repository's topics by name."""
    return {topic.name: topic for topic in load_topics(FILE)}


def test_every_topic_of_the_design_is_listed() -> None:
    """The design's table is the least that the list holds."""
    assert set(listed()) >= OF_THE_DESIGN


def test_every_topic_has_one_writer_of_ours_at_most() -> None:
    """The outside world aside, a topic has one writer."""
    assert all(len([w for w in topic.writers if w not in OUTSIDE]) <= 1 for topic in listed().values())


def test_topics_that_share_state_have_equal_partitions() -> None:
    """A key must lie on the same partition number in every topic of a worker."""
    topics = listed()
    for group in ((*SOURCES, "embeddings", "creators", "embedder.rekeyed"), (*OUTCOMES, "outcomes.rekeyed")):
        assert len({topics[name].partitions for name in group}) == 1


@pytest.mark.parametrize("worker", ["embedder", "creators", "indexer", "outcomes"])
def test_a_worker_that_consumes_has_a_topic_for_what_it_could_not_do(worker: str) -> None:
    """Dead letters and rekeyed events hold a source's largest message and the reason."""
    topics = listed()
    for name in (f"{worker}.dead", f"{worker}.rekeyed"):
        assert topics[name].max_message_bytes == COPY
        assert topics[name].writers == (worker,)


@pytest.mark.parametrize("worker", ["embedder", "indexer"])
def test_what_waits_for_long_keeps_its_partition(worker: str) -> None:
    """A retry topic is like its worker's sources, and only that worker writes and reads it."""
    retry = listed()[f"{worker}.retry"]
    assert (retry.partitions, retry.max_message_bytes) == (listed()["posts"].partitions, COPY)
    assert retry.writers == retry.readers == (worker,)


@pytest.mark.parametrize("name", COMPACTED)
def test_what_is_read_from_the_beginning_is_compacted(name: str) -> None:
    """A reader that starts later must still find the last event of every key."""
    assert listed()[name].config["cleanup.policy"] == "compact"


def test_what_a_worker_with_dead_letters_reads_from_others_takes_replays() -> None:
    """So every dead letter has a way back; and no topic of a worker's own takes any."""
    for topic in listed().values():
        read = {name.removesuffix(DEAD) for name in listed() if name.endswith(DEAD)} & set(topic.readers)
        from_others = read - set(topic.writers) and not topic.name.startswith("dead.") and not topic.name.endswith(DEAD)
        assert topic.replayed_by == ((REPLAYER,) if from_others else ())


@pytest.mark.parametrize(
    ("name", "replayed_by", "told"),
    [
        ("posts", [], "posts is replayed by [], should be by ['dead-letters']"),
        ("posts", ["api"], "posts is replayed by ['api']"),
        ("embedder.rekeyed", ["dead-letters"], "embedder.rekeyed is replayed by ['dead-letters'], should be by []"),
    ],
)
def test_only_the_dead_letter_tool_replays_and_only_where_there_is_a_reader(
    tmp_path: Path, name: str, replayed_by: list[str], told: str
) -> None:
    """A second writer under another name would be one all the same."""
    loaded = yaml.safe_load(FILE.read_text())
    next(topic for topic in loaded["topics"] if topic["name"] == name)["replayed_by"] = replayed_by
    path = tmp_path / "topics.yaml"
    path.write_text(yaml.safe_dump(loaded))
    with pytest.raises(ValueError, match=re.escape(told)):
        load_topics(path)


def test_sources_take_a_mebibyte() -> None:
    """The limit of the design for what comes from outside."""
    assert {listed()[name].max_message_bytes for name in ("posts", "posts.backfill", "profiles", "outcomes")} == {
        SOURCE
    }


def test_two_writers_of_ours_are_refused_by_name(tmp_path: Path) -> None:
    """The message names the topic and both writers."""
    with pytest.raises(ValueError, match="posts has 2 writers: api, embedder"):
        load_topics(written(tmp_path, writers=["scrapers", "api", "embedder"]))


def test_unequal_partitions_are_refused_with_their_counts(tmp_path: Path) -> None:
    """The message shows what differs."""
    loaded = yaml.safe_load(FILE.read_text())
    loaded["topics"][2]["partitions"] = 5
    path = tmp_path / "topics.yaml"
    path.write_text(yaml.safe_dump(loaded))
    with pytest.raises(ValueError, match="'profiles': 5"):
        load_topics(path)


@pytest.mark.parametrize(
    "changes", [{"compacted": True}, {"retention_days": None}, {"partitions": 0}, {"colour": "red"}]
)
def test_a_topic_that_is_not_whole_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Kept both ways or neither, no partition, or an unknown field."""
    with pytest.raises(ValidationError):
        load_topics(written(tmp_path, **changes))


def test_retention_is_in_kafkas_own_names_and_unit(tmp_path: Path) -> None:
    """Days become milliseconds."""
    (topic,) = load_topics(written(tmp_path))
    assert topic.config == {"cleanup.policy": "delete", "retention.ms": "2592000000", "max.message.bytes": "1048576"}


def test_a_namespace_is_a_prefix_and_none_is_no_prefix() -> None:
    """Environments that share a cluster never share a topic."""
    assert topic_name("", "posts") == "posts"
    assert topic_name("mine", "posts") == "mine.posts"


def test_a_topic_as_it_should_be_has_no_differences(tmp_path: Path) -> None:
    """Configuration that the list does not name does not count."""
    (topic,) = load_topics(written(tmp_path))
    assert differences("posts", topic, 4, topic.config | {"segment.bytes": "1"}) == []


def test_every_difference_of_an_existing_topic_is_named(tmp_path: Path) -> None:
    """Name, what is and what should be."""
    (topic,) = load_topics(written(tmp_path))
    found = differences("mine.posts", topic, 8, topic.config | {"cleanup.policy": "compact"})
    assert found == [
        "mine.posts: 8 partitions, should be 4 (fixed at creation: delete it first)",
        "mine.posts: cleanup.policy=compact, should be delete",
    ]
