"""An index in memory, exact; ``tests/contract/index_contract.py`` holds it to what Weaviate does."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np

from workers.domain.queries import Condition, Found, all_hold
from workers.domain.stored import StoredObject
from workers.domain.vectors import Array
from workers.wire.records import Unavailable


class MemoryIndex:
    """Objects by collection; ``served`` is where the pointer points; ``gone`` is a server that does not answer."""

    def __init__(self, model_version: str) -> None:
        self.served = model_version
        self.collections: dict[str, dict[UUID, StoredObject]] = {}
        self.gone = False
        self.cutoff = 40_000

    def put(self, collection: str, *objects: StoredObject) -> None:
        """Write objects whole."""
        self.collections.setdefault(collection, {}).update({each.id: each for each in objects})

    async def served_model(self) -> str:
        self._all("Facet")
        return self.served

    async def near(
        self,
        collection: str,
        vector: Array,
        *,
        limit: int,
        conditions: Sequence[Condition] = (),
        vectors: bool = False,
        properties: Sequence[str] | None = None,
    ) -> list[Found]:
        found = [
            Found(_bare(each, vectors, properties), float(np.dot(next(iter(each.vectors.values())), vector)))
            for each in self._all(collection)
            if each.vectors and all_hold(conditions, each.properties)
        ]
        return sorted(found, key=lambda one: -one.cosine)[:limit]

    async def matching(
        self,
        collection: str,
        conditions: Sequence[Condition],
        *,
        limit: int,
        vectors: bool = False,
        properties: Sequence[str] | None = None,
    ) -> list[StoredObject]:
        met = [each for each in self._all(collection) if all_hold(conditions, each.properties)]
        return [_bare(each, vectors, properties) for each in met[:limit]]

    async def fetch(
        self, collection: str, ids: Sequence[UUID], vectors: bool = False, properties: Sequence[str] | None = None
    ) -> dict[UUID, StoredObject]:
        return {each.id: _bare(each, vectors, properties) for each in self._all(collection) if each.id in set(ids)}

    async def count(self, collection: str, conditions: Sequence[Condition] = ()) -> int:
        return sum(all_hold(conditions, each.properties) for each in self._all(collection))

    async def flat_cutoff(self, collection: str) -> int:
        return self.cutoff

    def _all(self, collection: str) -> list[StoredObject]:
        if self.gone:
            raise Unavailable("the index is gone")
        return list(self.collections.get(collection, {}).values())


def _bare(each: StoredObject, vectors: bool, properties: Sequence[str] | None = None) -> StoredObject:
    kept = {name: value for name, value in each.properties.items() if properties is None or name in properties}
    return StoredObject(each.id, kept, each.vectors if vectors else {})
