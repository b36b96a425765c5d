"""The indexer between a real Kafka and a real Weaviate: published, searchable, changed, erased, started again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from tests.collections import remove_collections
from tests.unit.indexer.events import MODEL, WIDTH, facet, updated, vector
from tests.unit.indexer.streams import turned
from tests.waiting import eventually_async
from workers.adapters.group_lag import GroupLags
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.objects import ObjectStore
from workers.adapters.weaviate.queries import WeaviateIndex
from workers.config import Settings
from workers.core.clock import SystemClock
from workers.core.lease import Lease
from workers.domain.events import CreatorUpdated, Profile
from workers.domain.ids import bio_object_id, creator_object_id, facet_id
from workers.domain.queries import Condition
from workers.domain.stored import StoredObject
from workers.domain.vectors import from_bytes
from workers.indexer.main import indexer_loop
from workers.stack.collections import create_collections
from workers.wire.cloudevents import Wire

CARD = {
    "name": "tiny",
    "model_version": MODEL,
    "dimensions": WIDTH,
    "image": {"size": 32, "mean": [0, 0, 0], "std": [1, 1, 1]},
    "text": {"context_length": 8, "tokenizer": "none"},
    "logit_scale": 1.0,
    "centring_means": {kind: [0.0] * WIDTH for kind in ("visual", "caption", "query")},
    "licence": "none",
    "sources": [],
    "checksums": {},
    "built_by": "a test",
}


@pytest.fixture
def settings(new_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Settings]:
    """A fresh world of a model of eight dimensions."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(json.dumps(CARD))
    made = new_settings(model_repository=tmp_path / "model")
    create_collections(made, MODEL, WIDTH)
    yield made
    remove_collections(made)


@pytest.fixture
async def publish(settings: Settings) -> AsyncIterator[Callable[[CreatorUpdated | str], None]]:
    """Writes an event to ``creators``, or the tombstone of a creator by name; acknowledged on return."""
    wire = Wire(build_codec(settings), "test", settings.namespace)
    producer = KafkaProducer(settings)

    def send(event: CreatorUpdated | str) -> None:
        if isinstance(event, str):
            record = wire.tombstone("creators", event)
        else:
            record = wire.record("creators", event, id=str(event.revision), time=datetime.now(UTC))
        producer.send(record).result(60)

    yield send
    producer.close()


@asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[None]:
    async with indexer_loop(settings, Lease(settings.session_timeout_ms / 2000, SystemClock())) as loop:
        running = asyncio.create_task(loop.run())
        yield
        loop.stop()
        await running


def behind(settings: Settings) -> tuple[int, int]:
    """Records that cannot be searched yet, and those that can and are not committed."""
    found = GroupLags(settings, {"indexer": ["creators"]}).measure().values()
    return sum(unstored for unstored, _, _ in found), sum(opened for _, _, opened in found)


class _Seen:
    """What readers find."""

    def __init__(self, store: ObjectStore, index: WeaviateIndex) -> None:
        self._store, self._index = store, index

    async def near(self, seed: int, *conditions: Condition) -> set[object]:
        """Exemplars of the facets found near a vector."""
        query = from_bytes(vector(seed))
        found = await self._index.near("Facet", query, limit=20, conditions=conditions)
        return {each.object.properties["exemplar_post_id"] for each in found}

    async def creator(self, creator_id: str) -> StoredObject | None:
        """The Creator object."""
        key = creator_object_id(creator_id, MODEL)
        return (await self._store.fetch("Creator", [key], vectors=True)).get(key)

    async def revision(self, creator_id: str) -> object:
        """The revision of which everything is stored."""
        found = await self.creator(creator_id)
        return None if found is None else found.properties["revision_exact"]

    async def at(self, creator_id: str, revision: int) -> bool:
        """Whether everything of a revision can be found."""
        return await self.revision(creator_id) == str(revision)

    async def facet(self, key: UUID) -> StoredObject | None:
        """A facet with its vector."""
        return (await self._store.fetch("Facet", [key], vectors=True)).get(key)

    async def facets(self, creator_id: str) -> set[object]:
        """Ids of the creator's facets."""
        return set(await self._store.find("Facet", "creator_id", [creator_id]))

    async def bios(self, creator_id: str) -> int:
        """How many bios of the creator there are."""
        return len(await self._store.fetch("Bio", [bio_object_id(creator_id, MODEL)]))


@pytest.fixture
async def seen(settings: Settings) -> AsyncIterator[_Seen]:
    """A reader's view of the collections."""
    async with connect(settings) as client:
        yield _Seen(
            ObjectStore(client, settings.namespace, MODEL, WIDTH), WeaviateIndex(client, settings.namespace, MODEL)
        )


async def test_a_published_creator_is_found_by_a_facet_with_filters(
    settings: Settings, publish: Callable[[CreatorUpdated | str], None], seen: _Seen
) -> None:
    """Exact vectors, the filter fields beside them, and Creator complete."""
    event = updated("c", 2**60 + 1, ("p", "q"), profile=Profile(name="Ada", country="GB", followers=500))
    async with _running(settings):
        publish(event)
        await eventually_async(lambda: seen.revision("c"))
        assert await seen.near(1) == {"p", "q"}
        assert await seen.near(1, Condition("country", "equal", "GB")) == {"p", "q"}
        assert await seen.near(1, Condition("followers", "at_least", 501)) == set()
        creator = await seen.creator("c")
        assert creator is not None
        assert creator.properties["revision_exact"] == str(2**60 + 1)
        assert event.recency_mean is not None
        assert np.array_equal(creator.vectors["creator"], from_bytes(event.recency_mean))
        assert await seen.bios("c") == 1


async def test_changes_and_erasures_leave_nothing_behind(
    settings: Settings, publish: Callable[[CreatorUpdated | str], None], seen: _Seen
) -> None:
    """Facets and a bio that are gone go; an older revision changes nothing; a tombstone takes all, of one creator."""

    async def at(creator: str, revision: str | None) -> None:
        async def there() -> bool:
            return await seen.revision(creator) == revision

        await eventually_async(there)

    async with _running(settings):
        publish(updated("c", 5, ("p", "q", "r")))
        publish(updated("d", 1, ("x",)))
        await at("c", "5")
        publish(updated("c", 6, facets=(facet("c", "q", 0.9), facet("c", "s", 0.01)), bio=None))
        await at("c", "6")

        async def only_q() -> bool:
            return await seen.facets("c") == {facet_id("c", "q", MODEL)} and await seen.bios("c") == 0

        await eventually_async(only_q)
        publish(updated("c", 3, ("old",)))
        publish(updated("c", 6, facets=(facet("c", "q", 0.8),), bio=None, safety={"alcohol": 0.5}))

        async def healed() -> bool:
            creator = await seen.creator("c")
            return creator is not None and creator.properties.get("safety_alcohol") == 0.5

        await eventually_async(healed)
        assert await seen.facets("c") == {facet_id("c", "q", MODEL)}
        publish("c")
        await at("c", None)
        await at("d", "1")
        assert await seen.facets("c") == set()
        assert await seen.facets("d") == {facet_id("d", "x", MODEL)}
        publish(updated("c", 1, ("anew",)))
        await at("c", "1")


async def test_what_was_published_while_it_was_down_is_indexed_when_it_starts(
    settings: Settings, publish: Callable[[CreatorUpdated | str], None], seen: _Seen
) -> None:
    """It goes on after what it committed; an event of another model in between is dead, not in the way."""
    async with _running(settings):
        publish(updated("c", 1, ("p",)))
        await eventually_async(lambda: seen.revision("c"))
    publish(updated("c", 2, ("q",), model_version="other_v1"))
    publish(updated("c", 3, ("r",)))
    async with _running(settings):

        async def newest() -> bool:
            return await seen.revision("c") == "3"

        async def only_r() -> bool:
            # What is gone is deleted after Creator says the new revision, so that a reader never misses a facet.
            return await seen.near(1) == {"r"}

        await eventually_async(newest)
        await eventually_async(only_r)
        assert await seen.near(1) == {"r"}


async def test_what_has_hardly_moved_waits_and_is_exact_once_the_creator_is_quiet(
    settings: Settings, publish: Callable[[CreatorUpdated | str], None], seen: _Seen
) -> None:
    """By the stored vector's own bytes meanwhile; filters at once; an orderly stop makes exact what is open."""
    key = facet_id("c", "p", MODEL)

    def turn(revision: int, angle: float, **fields: Any) -> CreatorUpdated:
        one = facet("c", "p", 0.5, 0).model_copy(update={"vector": turned(0, angle)})
        return updated("c", revision, facets=(one,), **fields)

    async def facet_is(event: CreatorUpdated, **properties: object) -> bool:
        found = await seen.facet(key)
        stored = found is not None and found.vectors["facet"].tobytes() == event.facets[0].vector
        return stored and properties.items() <= dict(found.properties).items()

    async def behind_is(unstored: int, opened: int) -> bool:
        return behind(settings) == (unstored, opened)

    first, second, third = turn(1, 0.0), turn(2, 0.05), turn(3, 0.1, profile=Profile(name="Ada", country="GB"))
    long = settings.model_copy(update={"indexer_settle_seconds": 600.0})
    async with _running(long):
        publish(first)
        await eventually_async(lambda: facet_is(first))
        publish(second)
        await eventually_async(lambda: seen.at("c", 2))
        assert await facet_is(first, creator_revision=1)
        publish(third)
        await eventually_async(lambda: seen.at("c", 3))
        assert await facet_is(first, creator_revision=1, country="GB")
        await eventually_async(lambda: behind_is(0, 1))
    assert behind(settings) == (0, 0)
    assert await facet_is(third, creator_revision=3, country="GB")
    async with _running(settings):
        fourth = turn(4, 0.15)
        publish(fourth)
        await eventually_async(lambda: facet_is(fourth, creator_revision=4))
        await eventually_async(lambda: behind_is(0, 0))
