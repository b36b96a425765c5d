"""The producers that the documentation shows, run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.reading import read_records
from workers.adapters.registry import build_codec
from workers.config import Settings
from workers.domain.events import Converted, Event, PostPublished, PostRemoved
from workers.domain.partitioning import partition_of
from workers.domain.topics import load_topics, topic_name
from workers.wire.cloudevents import Wire, attributes
from workers.wire.structured import unfolded

DOCUMENT = Path(__file__).parents[2] / "docs" / "producers.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)


def test_the_document_shows_three_producers() -> None:
    """A scraper's, a tracker's, and one in structured mode."""
    assert len(BLOCKS) == 3


@pytest.mark.parametrize(
    ("block", "topic", "accepted"),
    [
        (BLOCKS[0], "posts", (PostPublished,)),
        (BLOCKS[1], "outcomes", (Converted,)),
        (BLOCKS[2], "posts", (PostRemoved,)),
    ],
    ids=["scraper", "tracker", "structured"],
)
def test_a_documented_producer_writes_an_event_that_our_workers_read(
    settings: Settings, block: str, topic: str, accepted: Sequence[type[Event]]
) -> None:
    """With the server's address and the test's own topic put in; key, partition, headers and value as documented."""
    name = topic_name(settings.namespace, topic)
    code = block.replace("localhost:9092", str(settings.kafka_bootstrap)).replace(f'"{topic}"', f'"{name}"')
    assert name in code
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    (record,) = read_records(settings, topic, 1)
    event = Wire(build_codec(settings), "test", settings.namespace).read(record, accepted)
    partitions = next(
        each.partitions for each in load_topics(settings.schemas_dir / "topics.yaml") if each.name == topic
    )
    assert record.position.partition == partition_of(event.key().encode(), partitions)
    assert set(attributes(unfolded(record).headers)) == {"specversion", "id", "source", "type", "datacontenttype"}
