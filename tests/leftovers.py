"""Where something is named: looks through all that a world of a test keeps, whatever topics and collections it has.

Live content alone: of a compacted topic the newest record of each key, of RocksDB the rows that it would answer. What a
log keeps until it is cleaned is not looked at, nor are the bytes of files that RocksDB and Weaviate have not rewritten.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from faust.stores.rocksdb import RocksDBOptions

from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.names import alias_name
from workers.adapters.whole_topic import WholeTopics
from workers.config import REPOSITORY, Settings
from workers.verify.main import dump_state
from workers.wire.records import InRecord

_PAGE = 200
_ROCKSDB = "CURRENT"
"""A file that every database of RocksDB has, and nothing else."""


def kept_for_a_time() -> dict[str, int]:
    """Topics and days, as docs/guarantees.md tells what of an erased creator is removed by retention alone."""
    text = (REPOSITORY / "docs" / "guarantees.md").read_text().partition("## What an erasure leaves to time")[2]
    rows = re.findall(r"^\| (`.+`) \| (\d+) days \|", text.partition("\n## ")[0], re.MULTILINE)
    return {topic: int(days) for topics, days in rows for topic in re.findall(r"`([^`]+)`", topics)}


def places(settings: Settings, names: Iterable[str], *folders: Path) -> dict[str, str]:
    """Where any of ``names`` stands: ``topic …``, ``collection …``, ``rows …``, ``file …``, ``dump``; and an excerpt.

    ``folders`` are looked through beside the data directory.
    """
    needles = [name.encode() for name in names]
    found: dict[str, str] = {}
    for place, data in _everything(settings, folders):
        if place not in found and (name := next((name for name in needles if name in data), None)) is not None:
            at = data.index(name)
            found[place] = repr(data[max(0, at - 60) : at + len(name) + 60])
    return found


def _everything(settings: Settings, folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    yield from _topics(settings)
    yield from asyncio.run(_objects(settings))
    lines: list[bytes] = []
    asyncio.run(dump_state(settings, lines.append, lambda *_: None))
    yield "dump", b"".join(lines)
    for folder in (settings.data_dir, *folders):
        yield from _files(folder)


def _configurations(settings: Settings) -> dict[str, Mapping[str, str]]:
    """The configuration of every topic of the namespace, by the topic's name without it."""
    admin = AdminClient({"bootstrap.servers": str(settings.kafka_bootstrap)})
    prefix = f"{settings.namespace}."
    names = [name for name in admin.list_topics(timeout=30).topics if name.startswith(prefix)]
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=30)
    return {
        resource.name.removeprefix(prefix): {key: str(entry.value) for key, entry in future.result().items()}
        for resource, future in asked.items()
    }


def _topics(settings: Settings) -> Iterator[tuple[str, bytes]]:
    prefix = f"{settings.namespace}."
    topics = _configurations(settings)
    compacted = {prefix + topic for topic, config in topics.items() if config["cleanup.policy"] == "compact"}
    newest: dict[tuple[str, int, bytes | None], InRecord] = {}
    with closing(WholeTopics(settings, [prefix + topic for topic in topics])) as reader:
        for record in reader.to_the_end():
            topic = record.position.topic
            if topic in compacted:
                newest[topic, record.position.partition, record.key] = record
            else:
                yield f"topic {topic.removeprefix(prefix)}", _bytes(record)
    for (topic, _, _), record in newest.items():
        if record.value is not None:
            yield f"topic {topic.removeprefix(prefix)}", _bytes(record)


def _bytes(record: InRecord) -> bytes:
    headers = [part for name, value in record.headers for part in (name.encode(), value or b"")]
    return b"\n".join((record.key or b"", record.value or b"", *headers))


async def _objects(settings: Settings) -> list[tuple[str, bytes]]:
    """Every object of every collection, whatever properties it has, and its id."""
    found: list[tuple[str, bytes]] = []
    prefix = alias_name(settings.namespace, "")
    async with connect(settings) as client:
        for name in await client.collections.list_all():
            if name.startswith(prefix):
                place = f"collection {name.removeprefix(prefix).split('_')[0]}"
                found += [(place, each) async for each in _listed(client, name)]
    return found


async def _listed(client: object, name: str) -> AsyncIterator[bytes]:
    query, last = client.collections.use(name).query, None  # type: ignore[attr-defined]
    while page := (await query.fetch_objects(limit=_PAGE, after=last)).objects:
        for each in page:
            yield f"{each.uuid} {dict(each.properties)}".encode()
        last = page[-1].uuid


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Databases by their rows; all other files by their bytes, names included."""
    databases = {path.parent for path in folder.rglob(_ROCKSDB)}
    for path in sorted(databases):
        place = f"rows {path.relative_to(folder)}"
        rows = RocksDBOptions().open(path, read_only=True).iteritems()
        rows.seek_to_first()
        yield from ((place, key + b"\n" + value) for key, value in rows)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parent not in databases:
            yield f"file {path.relative_to(folder)}", str(path).encode() + b"\n" + path.read_bytes()
