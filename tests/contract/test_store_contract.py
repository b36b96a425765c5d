"""What both the store and its fake promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

import numpy as np
import pytest

from tests.fakes.store import MemoryStore
from workers.adapters.weaviate.collections import ensure_collections
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.names import alias_name, collection_name
from workers.adapters.weaviate.objects import ObjectStore
from workers.adapters.weaviate.schema import load_collections
from workers.config import Settings
from workers.domain.ids import STREAMSCOUT
from workers.domain.stored import Store, StoredObject
from workers.domain.vectors import Array

VERSION, DIMENSIONS = "contract_v1", 16


def id_of(name: str) -> UUID:
    """An id by any name."""
    return uuid5(STREAMSCOUT, name)


def vector(seed: int) -> Array:
    """A unit vector with every bit of a float32 in use."""
    drawn = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def visual(post: str, position: int, **properties: object) -> StoredObject:
    """A picture of a post."""
    own = {"post_id": post, "creator_id": "c", "revision": 2**42, "position": position, "media_hash": f"h{position}"}
    when = {"published_at": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)}
    return StoredObject(id_of(f"{post}{position}"), {**own, **when, **properties}, {"visual": vector(position)})  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["memory", pytest.param("weaviate", marks=pytest.mark.real)])
def world(request: pytest.FixtureRequest) -> Iterator[Settings | None]:
    """None for the fake; for the real one, settings with collections of 16 dimensions."""
    if request.param == "memory":
        yield None
        return
    stack: Settings = request.getfixturevalue("stack")
    settings = stack.model_copy(update={"namespace": f"contract{uuid4().hex[:8]}"})
    asyncio.run(make(settings))
    yield settings
    asyncio.run(remove(settings))


async def make(settings: Settings) -> None:
    """The two collections that are written to here."""
    listed = load_collections(settings.schemas_dir)
    two = listed.model_copy(update={"collections": {name: listed.collections[name] for name in ("Visual", "Post")}})
    async with connect(settings) as client:
        await ensure_collections(client, two, settings.namespace, VERSION, DIMENSIONS)


async def remove(settings: Settings) -> None:
    """And gone again."""
    async with connect(settings) as client:
        for name in ("Visual", "Post"):
            await client.alias.delete(alias_name=alias_name(settings.namespace, name))
            await client.collections.delete(collection_name(settings.namespace, name, VERSION))


@pytest.fixture
async def store(world: Settings | None) -> AsyncIterator[Store]:
    """The fake and the real one, empty."""
    if world is None:
        yield MemoryStore()
        return
    async with connect(world) as client:
        store = ObjectStore(client, world.namespace, VERSION, DIMENSIONS)
        await store.delete("Visual", [id_of(f"{post}{position}") for post in "pq" for position in range(3)])
        await store.delete("Post", [id_of("p")])
        yield store


async def test_an_object_is_read_back_as_it_was_written(store: Store) -> None:
    """Properties with their types, and the vector to the bit: what is announced again must be what was announced."""
    written = visual("p", 0)
    assert await store.upsert("Visual", [written]) == [None]
    (read,) = (await store.fetch("Visual", [written.id], vectors=True)).values()
    assert dict(read.properties) == dict(written.properties)
    assert read.vectors["visual"].dtype == np.float32
    assert read.vectors["visual"].tobytes() == written.vectors["visual"].tobytes()


async def test_an_id_that_begins_with_zeros_is_an_id_like_any_other(store: Store) -> None:
    """Weaviate sends ids as numbers: one of 256 has fewer bytes."""
    few = StoredObject(UUID(int=7 << 64), visual("p", 0).properties, visual("p", 0).vectors)
    assert await store.upsert("Visual", [few]) == [None]
    assert set(await store.fetch("Visual", [few.id])) == {few.id}
    await store.delete("Visual", [few.id])


async def test_vectors_are_left_out_where_they_are_not_asked_for(store: Store) -> None:
    """They are most of the bytes."""
    await store.upsert("Visual", [visual("p", 0)])
    (read,) = (await store.fetch("Visual", [id_of("p0")])).values()
    assert not read.vectors


async def test_an_object_is_replaced_whole(store: Store) -> None:
    """Nothing of what it was is left: a tombstone has neither caption nor vector."""
    vectors = {"caption": vector(1)}
    await store.upsert(
        "Post", [StoredObject(id_of("p"), {"post_id": "p", "removed": False, "caption": "tea"}, vectors)]
    )
    await store.upsert("Post", [StoredObject(id_of("p"), {"post_id": "p", "removed": True})])
    (read,) = (await store.fetch("Post", [id_of("p")], vectors=True)).values()
    assert dict(read.properties) == {"post_id": "p", "removed": True}
    assert not read.vectors


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    """And asking for nothing is no error."""
    await store.upsert("Visual", [visual("p", 0)])
    assert set(await store.fetch("Visual", [id_of("p0"), id_of("p3")])) == {id_of("p0")}
    assert await store.fetch("Visual", []) == {}
    assert await store.upsert("Visual", []) == []


async def test_objects_are_found_by_a_text(store: Store) -> None:
    """Exactly that text."""
    await store.upsert("Visual", [visual("p", 0), visual("q", 0), visual("q", 1)])
    found = await store.find("Visual", "post_id", ["q", "qq"])
    assert set(found) == {id_of("q0"), id_of("q1")}
    assert not any(each.vectors for each in found.values())
    exact = (await store.find("Visual", "post_id", ["q"], vectors=True))[id_of("q1")]
    assert exact.vectors["visual"].tobytes() == vector(1).tobytes()


async def test_deleting_is_by_id_and_can_be_repeated(store: Store) -> None:
    """What is gone is gone."""
    await store.upsert("Visual", [visual("p", 0), visual("p", 1)])
    for _ in range(2):
        await store.delete("Visual", [id_of("p0"), id_of("p3")])
    await store.delete("Visual", [])
    assert set(await store.find("Visual", "post_id", ["p"])) == {id_of("p1")}


async def test_deleting_from_a_position_on(store: Store) -> None:
    """Of one post only."""
    await store.upsert("Visual", [visual("p", n) for n in range(3)] + [visual("q", 2)])
    assert await store.delete_where("Visual", "post_id", "p", at_least={"position": 1}) == 2
    assert set(await store.find("Visual", "post_id", ["p", "q"])) == {id_of("p0"), id_of("q2")}
