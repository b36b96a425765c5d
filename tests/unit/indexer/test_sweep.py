"""The sweep at start: who is erased is deleted, though its tombstone has expired."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.fakes.store import MemoryStore
from tests.unit.indexer.events import NOON, item, updated
from tests.unit.indexer.test_worker import _indexer
from workers.domain.erasure import ErasureKey, Erasures, recorded
from workers.domain.events import CreatorErased
from workers.domain.stored import StoredObject
from workers.indexer.sweep import OWNED, sweep


class MemoryListing:
    """Every object of a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def objects(self, collection: str) -> AsyncIterator[StoredObject]:
        for stored in list(self._store.all(collection).values()):
            yield stored


async def test_the_erased_are_swept_and_the_others_stay() -> None:
    """Creator, facets and bio; also where only a facet was left."""
    store, erasures = MemoryStore(), Erasures(ErasureKey(b"a key of the tests"))
    await _indexer(store).handle([item(updated(name, 1, ("p",))) for name in ("ann", "bob", "cid")])
    left = {key for key, each in store.all("Creator").items() if each.properties["creator_id"] == "cid"}
    for key in left:
        del store.all("Creator")[key]
    for name in ("ann", "cid"):
        erasures.put(recorded(CreatorErased(creator_id=name, requested_at=NOON), erasures.key))
    assert await sweep(MemoryListing(store), erasures, _indexer(store)) == 2
    owners = {str(each.properties["creator_id"]) for name in OWNED for each in store.all(name).values()}
    assert owners == {"bob"}
