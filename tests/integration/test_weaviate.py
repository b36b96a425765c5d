"""Weaviate as the stores rely on it: collections, aliases, whole objects, exact vectors, each object's own error."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid5

import numpy as np
import pytest
from weaviate import WeaviateAsyncClient
from weaviate.classes.query import Filter

from tests.collections import remove_collections
from workers.adapters.weaviate.collections import ensure_collections
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.errors import StoreUnavailable
from workers.adapters.weaviate.names import alias_name, collection_name
from workers.adapters.weaviate.objects import ObjectStore
from workers.adapters.weaviate.schema import Collections, SchemaError, load_collections
from workers.config import REPOSITORY, Settings
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array

MODEL, OTHER_MODEL, OLDER_MODEL, WIDTH = "tiny_v1", "tiny_v2", "tiny_v0", 8


def _id(name: str) -> UUID:
    return uuid5(UUID(int=0), name)


def _vector(seed: int, width: int = WIDTH) -> Array:
    return np.random.default_rng(seed).normal(size=width).astype(np.float32)


@pytest.fixture(scope="module")
def listed() -> Collections:
    """The repository's own list of collections."""
    return load_collections(REPOSITORY / "schemas")


@pytest.fixture(scope="module")
def namespace(stack: Settings, listed: Collections) -> Iterator[str]:
    """A namespace with the collections of one model version; nothing is left of it."""
    name = f"w{os.getpid()}"

    async def make() -> None:
        async with connect(stack) as client:
            await ensure_collections(client, listed, name, MODEL, WIDTH)

    asyncio.run(make())
    try:
        yield name
    finally:
        remove_collections(stack.model_copy(update={"namespace": name}))


@pytest.fixture
async def client(stack: Settings) -> AsyncIterator[WeaviateAsyncClient]:
    """A connection to the running server."""
    async with connect(stack) as client:
        yield client


@pytest.fixture
async def store(client: WeaviateAsyncClient, namespace: str, listed: Collections) -> AsyncIterator[ObjectStore]:
    """The store over that namespace; empty after each test."""
    yield ObjectStore(client, namespace, MODEL, dimensions=WIDTH)
    for collection in listed.collections:
        everything = Filter.by_id().not_equal(UUID(int=0))
        await client.collections.use(collection_name(namespace, collection, MODEL)).data.delete_many(everything)


async def _near(client: WeaviateAsyncClient, namespace: str, collection: str, name: str, vector: Array) -> list[UUID]:
    found = await client.collections.use(alias_name(namespace, collection)).query.near_vector(
        vector.tolist(), target_vector=name, limit=20
    )
    return [each.uuid for each in found.objects]


async def test_collections_are_made_once_and_a_second_time_changes_nothing(
    client: WeaviateAsyncClient, listed: Collections, namespace: str
) -> None:
    """Creation is idempotent: what is there and as listed is left alone."""
    assert await ensure_collections(client, listed, namespace, MODEL, WIDTH) == []


async def test_an_alias_of_another_version_is_left_where_it_points(
    client: WeaviateAsyncClient, listed: Collections, namespace: str
) -> None:
    """A new model version gets collections; moving the alias is a cutover, another command."""
    created = await ensure_collections(client, listed, namespace, OTHER_MODEL, WIDTH)
    pointer = await client.alias.get(alias_name=alias_name(namespace, "Facet"))
    assert sorted(created) == sorted(collection_name(namespace, each, OTHER_MODEL) for each in listed.collections)
    assert pointer is not None
    assert pointer.collection == collection_name(namespace, "Facet", MODEL)


async def test_how_a_collection_is_searched_becomes_as_listed_and_its_vectors_stay_packed(
    client: WeaviateAsyncClient, listed: Collections, namespace: str
) -> None:
    """It takes nothing but a word to the server: a release that searches otherwise needs no new collections."""
    other = listed.model_copy(
        update={"vectors": listed.vectors.model_copy(update={"flat_search_cutoff": 7, "ef": 333})}
    )
    assert await ensure_collections(client, other, namespace, MODEL, WIDTH) == []
    config = await client.collections.use(collection_name(namespace, "Facet", MODEL)).config.get()
    index = config.to_dict()["vectorConfig"]["facet"]["vectorIndexConfig"]
    assert (index["flatSearchCutoff"], index["ef"], index["rq"]["enabled"]) == (7, 333, True)
    assert await ensure_collections(client, listed, namespace, MODEL, WIDTH) == []


async def test_a_collection_that_differs_is_named_with_its_property(
    client: WeaviateAsyncClient, listed: Collections, namespace: str
) -> None:
    """Drift is an error that says which property of which collection is how instead of how."""
    facet = listed.collections["Facet"]
    followers = facet.properties["followers"].model_copy(update={"index": "equal"})
    changed = facet.model_copy(update={"properties": {**facet.properties, "followers": followers}})
    other = listed.model_copy(update={"collections": {**listed.collections, "Facet": changed}})
    with pytest.raises(SchemaError, match=r"Facet_tiny_v1: property followers.indexFilterable: False instead of True"):
        await ensure_collections(client, other, namespace, MODEL, WIDTH)


async def test_an_older_releases_collection_gets_the_properties_that_are_only_kept(
    client: WeaviateAsyncClient, listed: Collections, namespace: str
) -> None:
    """Objects that were there before stay as they are; a property that is filtered by is an error still."""
    visual = listed.collections["Visual"]

    def with_property(name: str, index: str) -> Collections:
        spec = visual.properties["media_hash"].model_copy(update={"index": index})
        changed = visual.model_copy(update={"properties": {**visual.properties, name: spec}})
        return listed.model_copy(update={"collections": {**listed.collections, "Visual": changed}})

    await ensure_collections(client, listed, namespace, OLDER_MODEL, WIDTH)
    store = ObjectStore(client, namespace, OLDER_MODEL, dimensions=WIDTH)
    older = StoredObject(_id("older"), {"post_id": "p"}, {"visual": _vector(1)})
    assert await store.upsert("Visual", [older]) == [None]
    assert await ensure_collections(client, with_property("kept", "none"), namespace, OLDER_MODEL, WIDTH) == []
    assert (await store.fetch("Visual", [older.id]))[older.id].properties["post_id"] == "p"
    newer = StoredObject(_id("newer"), {"post_id": "p", "kept": "x"}, {"visual": _vector(2)})
    assert await store.upsert("Visual", [newer]) == [None]
    assert (await store.fetch("Visual", [newer.id]))[newer.id].properties["kept"] == "x"
    with pytest.raises(SchemaError, match="property filtered: missing"):
        await ensure_collections(client, with_property("filtered", "equal"), namespace, OLDER_MODEL, WIDTH)


async def test_another_width_under_the_same_version_is_refused(
    client: WeaviateAsyncClient, listed: Collections, namespace: str
) -> None:
    """Weaviate takes its width from the first vector; the collection says it, so two widths are seen before."""
    with pytest.raises(SchemaError, match="8 dimensions"):
        await ensure_collections(client, listed, namespace, MODEL, WIDTH + 1)


async def test_a_written_object_is_read_back_exactly(store: ObjectStore) -> None:
    """Properties with their types, an aware time, an empty list, and a vector not of unit length, bit by bit."""
    vector = _vector(1) * 3
    written: dict[str, PropertyValue] = {
        "post_id": "p|1 ü",
        "removed": False,
        "visuals": 3,
        "published_at": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        "hashtags": ["Ä", "b c"],
        "media_hashes": [],
        "caption": "",
    }
    assert await store.upsert("Post", [StoredObject(_id("p"), written, {"caption": vector})]) == [None]
    read = (await store.fetch("Post", [_id("p"), _id("unknown")], vectors=True))[_id("p")]
    assert read.properties == written
    assert read.vectors["caption"].tobytes() == vector.tobytes()


async def test_replacing_an_object_replaces_all_of_it(
    client: WeaviateAsyncClient, namespace: str, store: ObjectStore
) -> None:
    """A tombstone in a post's place keeps no property and no vector of it, and no search shows it."""
    vector = _vector(2)
    await store.upsert("Post", [StoredObject(_id("p"), {"post_id": "p", "caption": "sea"}, {"caption": vector})])
    assert await _near(client, namespace, "Post", "caption", vector) == [_id("p")]
    await store.upsert("Post", [StoredObject(_id("p"), {"post_id": "p", "removed": True})])
    read = (await store.fetch("Post", [_id("p")], vectors=True))[_id("p")]
    assert (read.properties, read.vectors) == ({"post_id": "p", "removed": True}, {})
    assert await _near(client, namespace, "Post", "caption", vector) == []


async def test_writing_the_same_vector_again_keeps_the_object_findable(
    client: WeaviateAsyncClient, namespace: str, store: ObjectStore
) -> None:
    """The byte-identical vector with other properties: found by the vector, with the new properties."""
    facets = [StoredObject(_id(str(n)), {"creator_id": "c", "share": 0.5}, {"facet": _vector(n)}) for n in range(5)]
    await store.upsert("Facet", facets)
    await store.upsert("Facet", [StoredObject(each.id, {"creator_id": "d"}, each.vectors) for each in facets])
    assert (await _near(client, namespace, "Facet", "facet", _vector(3)))[0] == _id("3")
    assert len(await store.find("Facet", "creator_id", ["d"])) == 5
    assert await store.find("Facet", "creator_id", ["c"]) == {}


async def test_each_object_has_its_own_error(store: ObjectStore) -> None:
    """One that cannot be stored never harms its neighbours, and the answer says which it is."""
    errors = await store.upsert(
        "Facet",
        [
            StoredObject(_id("a"), {"creator_id": "c"}, {"facet": _vector(1)}),
            StoredObject(_id("b"), {"creator_id": "c"}, {"facet": _vector(1, WIDTH + 1)}),
            StoredObject(_id("c"), {"creator_id": "c", "no_such_thing": 1}),
            StoredObject(_id("d"), {"creator_id": "c"}, {"facet": _vector(1) * np.float32("nan")}),
            StoredObject(_id("e"), {"last_at": datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)}),
            StoredObject(_id("f"), {"creator_id": "c"}, {"facet": _vector(2)}),
        ],
    )
    assert [error is None for error in errors] == [True, False, False, False, False, True]
    assert "dimensions" in str(errors[1])
    assert "no_such_thing" in str(errors[2])
    assert set(await store.find("Facet", "creator_id", ["c"])) == {_id("a"), _id("f")}


async def test_where_every_object_fails_each_error_is_still_its_own(store: ObjectStore) -> None:
    """The client raises then, with a set of messages: the adapter says whose is whose."""
    objects = [StoredObject(_id(name), {name: 1}) for name in ("first", "second")]
    errors = await store.upsert("Facet", objects)
    assert "first" in str(errors[0])
    assert "second" in str(errors[1])


async def test_more_objects_than_a_request_holds_are_all_written_and_read(store: ObjectStore) -> None:
    """Chunks are the adapter's affair; of one id twice, the last is written."""
    objects = [StoredObject(_id(str(n % 620)), {"creator_id": "c", "posts": n}) for n in range(640)]
    assert await store.upsert("Facet", objects) == [None] * 640
    found = await store.fetch("Facet", [each.id for each in objects])
    assert sorted(int(str(each.properties["posts"])) for each in found.values()) == list(range(20, 640))


async def test_text_is_matched_whole_and_exactly(store: ObjectStore) -> None:
    """Case, stop words and white space count: "it" is Italian, and "a " is not "a"."""
    names = ["a", "a ", "A", "the", "it", "a b"]
    await store.upsert("Facet", [StoredObject(_id(name), {"creator_id": name}) for name in names])
    for name in names:
        assert set(await store.find("Facet", "creator_id", [name])) == {_id(name)}
    assert await store.delete_where("Facet", "creator_id", "a") == 1
    assert set(await store.find("Facet", "creator_id", names)) == {_id(name) for name in names[1:]}


async def test_visuals_beyond_the_new_count_are_deleted(store: ObjectStore) -> None:
    """Equality and "at least": an edit to fewer pictures leaves none behind, nor touches another post's."""
    await store.upsert(
        "Visual",
        [
            StoredObject(_id(f"{post}{n}"), {"post_id": post, "position": n}, {"visual": _vector(n)})
            for post in ("p", "q")
            for n in range(4)
        ],
    )
    assert await store.delete_where("Visual", "post_id", "p", at_least={"position": 1}) == 3
    assert set(await store.find("Visual", "post_id", ["p"])) == {_id("p0")}
    assert len(await store.find("Visual", "post_id", ["q"])) == 4


async def test_deleting_what_is_not_there_is_no_error(store: ObjectStore) -> None:
    """Deletion is idempotent, of nothing too."""
    await store.upsert(
        "Bio", [StoredObject(_id("a"), {"creator_id": "a"}), StoredObject(_id("b"), {"creator_id": "b"})]
    )
    await store.delete("Bio", [_id("a"), _id("never")])
    await store.delete("Bio", [_id("a")])
    await store.delete("Bio", [])
    assert set(await store.fetch("Bio", [_id("a"), _id("b")])) == {_id("b")}


async def test_a_collection_that_is_not_there_yet_means_later(client: WeaviateAsyncClient) -> None:
    """Nothing is wrong with the objects: they wait until the collection has been made."""
    store = ObjectStore(client, "nowhere", MODEL)
    with pytest.raises(StoreUnavailable):
        await store.upsert("Facet", [StoredObject(_id("a"), {"creator_id": "a"})])
    with pytest.raises(StoreUnavailable):
        await store.fetch("Facet", [_id("a")])


async def test_a_server_that_does_not_answer_is_unavailable(stack: Settings) -> None:
    """Neither port may be silent: the error names the one that is."""
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9"):
        async with connect(stack.model_copy(update={"weaviate_url": "http://127.0.0.1:9"})):
            raise AssertionError("connected to nothing")
    with pytest.raises(StoreUnavailable, match=r"gRPC at 127\.0\.0\.1:9"):
        async with connect(stack.model_copy(update={"weaviate_grpc": "127.0.0.1:9"})):
            raise AssertionError("connected to nothing")
