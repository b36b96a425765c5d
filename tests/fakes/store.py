"""A store in memory; ``tests/contract/test_store_contract.py`` holds it to what Weaviate does."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

from workers.domain.stored import StoredObject
from workers.wire.records import Unavailable


class Killed(BaseException):
    """The process ends here, as by kill -9: nothing may catch it."""


class MemoryStore:
    """``refused`` holds an object's own error by id. ``dies_at`` ends the process before that write, counted from 1."""

    def __init__(self) -> None:
        self.collections: dict[str, dict[UUID, StoredObject]] = {}
        self.refused: dict[UUID, str] = {}
        self.gone = False
        self.dies_at: int | None = None
        self.writes = 0
        self.calls: Counter[str] = Counter()

    def all(self, collection: str) -> dict[UUID, StoredObject]:
        """Every object of a collection."""
        return self.collections.setdefault(collection, {})

    async def upsert(self, collection: str, objects: Sequence[StoredObject]) -> list[str | None]:
        self._write(f"upsert {collection}")
        for stored in objects:
            if stored.id not in self.refused:
                self.all(collection)[stored.id] = stored
        return [self.refused.get(stored.id) for stored in objects]

    async def fetch(self, collection: str, ids: Sequence[UUID], vectors: bool = False) -> dict[UUID, StoredObject]:
        self._call(f"fetch {collection}")
        found = {id_: self.all(collection)[id_] for id_ in ids if id_ in self.all(collection)}
        return found if vectors else {id_: StoredObject(id_, stored.properties) for id_, stored in found.items()}

    async def find(
        self, collection: str, field: str, values: Sequence[str], vectors: bool = False
    ) -> dict[UUID, StoredObject]:
        self._call(f"find {collection}")
        return {
            id_: stored if vectors else StoredObject(id_, stored.properties)
            for id_, stored in self.all(collection).items()
            if stored.properties.get(field) in values
        }

    async def delete(self, collection: str, ids: Sequence[UUID]) -> None:
        self._write(f"delete {collection}")
        for id_ in ids:
            self.all(collection).pop(id_, None)

    async def delete_where(
        self, collection: str, field: str, value: str, *, at_least: Mapping[str, int] | None = None
    ) -> int:
        self._write(f"delete {collection}")
        gone = [
            id_
            for id_, stored in self.all(collection).items()
            if stored.properties.get(field) == value
            and all(int(str(stored.properties.get(name, -1))) >= least for name, least in (at_least or {}).items())
        ]
        for id_ in gone:
            del self.all(collection)[id_]
        return len(gone)

    def _write(self, what: str) -> None:
        self.writes += 1
        if self.writes == self.dies_at:
            raise Killed
        self._call(what)

    def _call(self, what: str) -> None:
        self.calls[what] += 1
        if self.gone:
            raise Unavailable(f"{what}: the store is gone")


class MemoryListing:
    """All objects of a store in memory; ``tests/contract/test_listing_contract.py`` holds it to what Weaviate does."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def objects(
        self, collection: str, vectors: bool = True, properties: Sequence[str] | None = None
    ) -> AsyncIterator[StoredObject]:
        for id_, stored in sorted(self._store.all(collection).items()):
            kept = {
                name: value for name, value in stored.properties.items() if properties is None or name in properties
            }
            yield StoredObject(id_, kept, stored.vectors if vectors else {})

    async def count(self, collection: str) -> int:
        return len(self._store.all(collection))
