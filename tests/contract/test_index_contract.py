"""One suite for the index in memory and for Weaviate: nearness, conditions, whole vectors, counts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nextafter
from uuid import UUID, uuid5

import numpy as np
import pytest

from tests.fakes.search_index import MemoryIndex
from workers.adapters.weaviate.collections import ensure_collections
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.names import alias_name, collection_name
from workers.adapters.weaviate.objects import ObjectStore
from workers.adapters.weaviate.queries import WeaviateIndex
from workers.adapters.weaviate.schema import load_collections
from workers.config import REPOSITORY, Settings
from workers.domain.queries import Condition, Index, Relation
from workers.domain.stored import PropertyValue, StoredObject

MODEL, WIDTH = "tiny_v1", 4
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def id_of(name: str) -> UUID:
    """The id of a facet in these tests."""
    return uuid5(UUID(int=0), name)


def facet(name: str, vector: list[float], **properties: PropertyValue) -> StoredObject:
    """A facet object."""
    array = np.asarray(vector, dtype=np.float32)
    return StoredObject(
        id_of(name), {"facet_id": name, "share": 0.5, **properties}, {"facet": array / np.linalg.norm(array)}
    )


FACETS = (
    facet(
        "bread",
        [1, 0, 0, 0],
        creator_id="ann",
        platforms=["instagram", "tiktok"],
        language="de",
        followers=1000,
        audience_gender_women=0.7,
        exclusive_brands=["rye"],
        last_published_at=NOON,
        safety_alcohol=0.5,
    ),
    facet(
        "cake",
        [0.8, 0.6, 0, 0],
        creator_id="ann",
        platforms=["instagram"],
        language="en",
        followers=2000,
        safety_alcohol=0.25,
    ),
    facet(
        "football",
        [0, 0, 1, 0],
        creator_id="bob",
        platforms=["youtube"],
        followers=3000,
        exclusive_brands=[],
        last_published_at=NOON - timedelta(days=3),
    ),
)


@pytest.fixture(scope="module")
def namespace(stack: Settings) -> Iterator[str]:
    """Collections of an own namespace in Weaviate, filled; nothing is left of them."""
    name, listed = f"mi{os.getpid()}", load_collections(REPOSITORY / "schemas")

    async def fill() -> None:
        async with connect(stack) as client:
            await ensure_collections(client, listed, name, MODEL, WIDTH)
            store = ObjectStore(client, name, MODEL)
            # Twice, with another vector at first: a replaced object leaves a place behind that no question may see.
            await store.upsert("Facet", [replace(each, vectors={"facet": -each.vectors["facet"]}) for each in FACETS])
            assert await store.upsert("Facet", FACETS) == [None] * len(FACETS)

    async def remove() -> None:
        async with connect(stack) as client:
            for collection in listed.collections:
                await client.alias.delete(alias_name=alias_name(name, collection))
                await client.collections.delete(collection_name(name, collection, MODEL))

    try:
        asyncio.run(fill())
        yield name
    finally:
        asyncio.run(remove())


@pytest.fixture
def memory() -> MemoryIndex:
    """The index in memory."""
    index = MemoryIndex(MODEL)
    index.put("Facet", *FACETS)
    return index


@pytest.fixture(params=["memory", pytest.param("weaviate", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest) -> MemoryIndex | tuple[Settings, str]:
    """Where the index is: resolved outside of any event loop, since a world of Weaviate is made in one of its own."""
    if request.param == "memory":
        memory: MemoryIndex = request.getfixturevalue("memory")
        return memory
    return request.getfixturevalue("stack"), request.getfixturevalue("namespace")


@pytest.fixture
async def index(place: MemoryIndex | tuple[Settings, str]) -> AsyncIterator[Index]:
    """Each of them."""
    if isinstance(place, MemoryIndex):
        yield place
        return
    stack, namespace = place
    async with connect(stack) as client:
        yield WeaviateIndex(client, namespace, MODEL)


async def names(index: Index, *conditions: Condition) -> set[str]:
    """The facets that meet the conditions."""
    return {str(each.properties["facet_id"]) for each in await index.matching("Facet", conditions, limit=100)}


async def test_the_nearest_objects_come_first_with_their_cosine(index: Index) -> None:
    """Limits cut the far end off."""
    found = await index.near("Facet", np.array([1.0, 0, 0, 0]), limit=2)
    assert [each.object.properties["facet_id"] for each in found] == ["bread", "cake"]
    assert [each.cosine for each in found] == pytest.approx([1.0, 0.8], abs=0.01)


async def test_a_near_object_that_fails_a_condition_makes_room_for_the_next(index: Index) -> None:
    """Filters come before nearness, not after."""
    only = (Condition("creator_id", "equal", "bob"),)
    found = await index.near("Facet", np.array([1.0, 0, 0, 0]), limit=1, conditions=only)
    assert [each.object.properties["facet_id"] for each in found] == ["football"]


CASES: list[tuple[str, Relation, str | bool | float | int | datetime | tuple[str, ...], set[str]]] = [
    ("platforms", "any_of", ("tiktok", "youtube"), {"bread", "football"}),
    ("language", "any_of", ("de", "fr"), {"bread"}),
    ("language", "none_of", ("de",), {"cake", "football"}),
    ("exclusive_brands", "none_of", ("rye", "oat"), {"cake", "football"}),
    ("creator_id", "equal", "ann", {"bread", "cake"}),
    ("creator_id", "none_of", ("ann",), {"football"}),
    ("followers", "at_least", 2000, {"cake", "football"}),
    ("followers", "at_most", 2000, {"bread", "cake"}),
    ("audience_gender_women", "at_least", 0.6, {"bread"}),
    ("audience_gender_women", "at_most", 0.9, {"bread"}),
    ("last_published_at", "at_least", NOON - timedelta(days=1), {"bread"}),
    ("last_published_at", "at_most", NOON, {"bread", "football"}),
    ("safety_alcohol", "at_most", 0.25, {"cake"}),
    ("safety_alcohol", "not_over", 0.25, {"cake", "football"}),
    ("safety_alcohol", "not_over", nextafter(0.25, 0), {"football"}),
    ("safety_alcohol", "not_over", -1.0, {"football"}),
    ("last_published_at", "not_over", NOON - timedelta(days=1), {"cake", "football"}),
]


@pytest.mark.parametrize(("name", "relation", "value", "expected"), CASES)
async def test_a_condition_means_the_same_everywhere(
    index: Index,
    name: str,
    relation: Relation,
    value: str | bool | float | int | datetime | tuple[str, ...],
    expected: set[str],
) -> None:
    """What is not known of an object meets nothing but ``none_of`` and ``not_over``."""
    assert await names(index, Condition(name, relation, value)) == expected
    assert await index.count("Facet", [Condition(name, relation, value)]) == len(expected)


WAYS_OUT = [
    (Condition("safety_alcohol", "at_most", 0.3, Condition("creator_id", "any_of", ("bob",))), {"cake", "football"}),
    (Condition("safety_alcohol", "at_most", 0.1, Condition("creator_id", "any_of", ("ann",))), {"bread", "cake"}),
    (Condition("safety_alcohol", "not_over", 0.1, Condition("followers", "at_most", 1000)), {"bread", "football"}),
    (Condition("safety_alcohol", "not_over", 0.3, Condition("creator_id", "any_of", ("bob",))), {"cake", "football"}),
    (
        Condition("language", "none_of", ("de", "en"), Condition("platforms", "any_of", ("tiktok",))),
        {"bread", "football"},
    ),
]


@pytest.mark.parametrize(("condition", "expected"), WAYS_OUT)
async def test_who_meets_the_way_out_of_a_condition_passes_it(
    index: Index, condition: Condition, expected: set[str]
) -> None:
    """Found near a vector, listed and counted alike, also beside another condition."""
    assert await names(index, condition) == expected
    near = await index.near("Facet", np.array([1.0, 0, 0, 0]), limit=3, conditions=[condition])
    assert {each.object.properties["facet_id"] for each in near} == expected
    assert await index.count("Facet", [condition]) == len(expected)
    beside = [condition, Condition("creator_id", "none_of", ("bob",))]
    assert await index.count("Facet", beside) == len(expected - {"football"})


async def test_a_negation_is_no_way_out() -> None:
    """A store could not count it."""
    with pytest.raises(ValueError, match="none_of cannot be"):
        Condition("safety_alcohol", "at_most", 0.1, Condition("creator_id", "none_of", ("ann",)))


async def test_conditions_must_all_hold(index: Index) -> None:
    """Two conditions on the same objects."""
    both = (Condition("followers", "at_least", 2000), Condition("platforms", "any_of", ("instagram",)))
    assert await names(index, *both) == {"cake"}
    assert await index.count("Facet", both) == 1
    assert await index.count("Facet") == 3
    none = [Condition("language", "none_of", ("de", "fr")), Condition("creator_id", "none_of", ("bob",))]
    assert await names(index, *none) == {"cake"}
    assert await index.count("Facet", none) == 1
    assert await index.count("Facet", [*none, Condition("followers", "at_most", 1000)]) == 0


async def test_vectors_come_exactly_as_they_were_written_and_only_where_asked_for(index: Index) -> None:
    """The score is computed on the written floats, whatever the server quantises."""
    (cake,) = (await index.fetch("Facet", [id_of("cake"), id_of("none")], vectors=True)).values()
    assert cake.vectors["facet"].tolist() == FACETS[1].vectors["facet"].tolist()
    whole = await index.matching("Facet", (Condition("creator_id", "equal", "bob"),), limit=9, vectors=True)
    assert [each.vectors["facet"].tolist() for each in whole] == [FACETS[2].vectors["facet"].tolist()]
    near = await index.near("Facet", np.array([1.0, 0, 0, 0]), limit=1)
    assert near[0].object.vectors == {}


async def test_only_the_properties_asked_for_come_along(index: Index) -> None:
    """Those that an object has, with or without its vector; none at all is an answer too."""
    ann = (Condition("creator_id", "equal", "ann"),)
    found = await index.matching("Facet", ann, limit=9, vectors=True, properties=("share", "followers", "country"))
    assert [dict(each.properties) for each in found] == [
        {"share": 0.5, "followers": each.properties["followers"]} for each in found
    ]
    assert {each.properties["followers"] for each in found} == {1000, 2000}
    assert all(len(each.vectors["facet"]) == WIDTH for each in found)
    near = await index.near("Facet", np.array([1.0, 0, 0, 0]), limit=1, conditions=ann, properties=("creator_id",))
    assert [(dict(each.object.properties), each.object.vectors) for each in near] == [({"creator_id": "ann"}, {})]
    assert near[0].cosine == pytest.approx(1.0, abs=0.01)
    (cake,) = (await index.fetch("Facet", [id_of("cake")], vectors=True, properties=())).values()
    assert (dict(cake.properties), cake.vectors["facet"].tolist()) == ({}, FACETS[1].vectors["facet"].tolist())
    bare = await index.near("Facet", np.array([1.0, 0, 0, 0]), limit=2, properties=())
    assert [(each.object.id, dict(each.object.properties)) for each in bare] == [
        (id_of("bread"), {}),
        (id_of("cake"), {}),
    ]


async def test_times_and_numbers_come_back_as_they_were_written(index: Index) -> None:
    """A time keeps its zone, a whole number stays whole, what was not written is not there."""
    (bread,) = (await index.fetch("Facet", [id_of("bread")])).values()
    assert bread.properties["last_published_at"] == NOON
    assert bread.properties["followers"] == 1000
    assert "country" not in bread.properties


async def test_the_pointer_names_the_served_model(index: Index) -> None:
    """Readers compare it with their encoder's."""
    assert await index.served_model() == MODEL
