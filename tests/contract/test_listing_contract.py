"""What a listing of a collection and its fake promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from tests.contract.test_store_contract import DIMENSIONS, VERSION, id_of, make, remove, visual
from tests.fakes.store import MemoryListing, MemoryStore
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.listing import ObjectListing
from workers.adapters.weaviate.objects import ObjectStore
from workers.config import Settings
from workers.verify.look import Listing

WRITTEN = [visual("p", number) for number in range(23)]


@pytest.fixture(scope="module", params=["memory", pytest.param("weaviate", marks=pytest.mark.real)])
def world(request: pytest.FixtureRequest) -> Iterator[Settings | None]:
    """None for the fake; for the real one, settings with collections."""
    if request.param == "memory":
        yield None
        return
    stack: Settings = request.getfixturevalue("stack")
    settings = stack.model_copy(update={"namespace": f"contract{uuid4().hex[:8]}"})
    asyncio.run(make(settings))
    yield settings
    asyncio.run(remove(settings))


@pytest.fixture
async def listing(world: Settings | None) -> AsyncIterator[Listing]:
    """The fake and the real one, in pages of five, of twenty-three pictures."""
    if world is None:
        store = MemoryStore()
        await store.upsert("Visual", WRITTEN)
        yield MemoryListing(store)
        return
    async with connect(world) as client:
        await ObjectStore(client, world.namespace, VERSION, DIMENSIONS).upsert("Visual", WRITTEN)
        yield ObjectListing(client, world.namespace, VERSION, page=5)


async def test_every_object_comes_once_ids_ascending(listing: Listing) -> None:
    """Whole: properties with their types, vectors to the bit."""
    found = [each async for each in listing.objects("Visual")]
    expected = sorted(WRITTEN, key=lambda each: each.id)
    assert [each.id for each in found] == [each.id for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert dict(one.properties) == dict(other.properties)
        assert one.vectors["visual"].tobytes() == other.vectors["visual"].tobytes()
    assert await listing.count("Visual") == len(WRITTEN)


async def test_properties_and_vectors_can_be_left_out(listing: Listing) -> None:
    """They are most of the bytes."""
    found = [each async for each in listing.objects("Visual", vectors=False, properties=("post_id", "creator_id"))]
    assert {each.id for each in found} == {id_of(f"p{number}") for number in range(23)}
    assert all(dict(each.properties) == {"post_id": "p", "creator_id": "c"} and not each.vectors for each in found)


async def test_an_empty_collection_has_no_objects(listing: Listing) -> None:
    """And no error."""
    assert [each async for each in listing.objects("Post")] == []
    assert await listing.count("Post") == 0
