"""Objects that a killed Weaviate keeps and no filter finds: written again they are whole, deleted they are gone.

How 1.35.2 treats them was seen on the real server, killed in the middle of batches, without packed vectors: a write of
the same id leaves such an object as it is, a deletion by filter misses it, a deletion by id removes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from workers.adapters.weaviate.errors import StoreUnavailable
from workers.adapters.weaviate.objects import ObjectStore
from workers.domain.stored import StoredObject

ONE, TWO = UUID(int=1), UUID(int=2)


class Server:
    """A collection by id; ``torn`` are the ids that no filter finds."""

    def __init__(self, torn: Iterable[UUID] = ()) -> None:
        self.objects: set[UUID] = set(torn)
        self.torn = set(torn)
        self.absent = False
        self.data = self.query = self.collections = self

    def use(self, _name: str) -> Server:
        return self

    async def insert_many(self, objects: list[Any]) -> Any:
        self.objects |= {each.uuid for each in objects}
        return SimpleNamespace(errors={})

    async def fetch_objects(self, *, filters: Any, **_: Any) -> Any:
        found = set(map(UUID, filters.value)) & self.objects - self.torn
        return SimpleNamespace(objects=[SimpleNamespace(uuid=id_) for id_ in found])

    async def delete_many(self, where: Any) -> Any:
        if self.absent:
            raise TimeoutError
        found = set(map(UUID, where.value)) & self.objects - self.torn
        self.objects -= found
        return SimpleNamespace(failed=0, matches=len(found))

    async def delete_by_id(self, id_: UUID) -> bool:
        there = id_ in self.objects
        self.objects.discard(id_)
        self.torn.discard(id_)
        return there


def store(server: Server, *, surely: bool = False) -> ObjectStore:
    """The adapter on that server."""
    return ObjectStore(server, "", "m", surely=surely)  # type: ignore[arg-type]


async def test_what_is_written_is_found_afterwards() -> None:
    """The torn one is deleted by its id and written anew; the other is left alone."""
    server = Server(torn=[ONE])
    assert await store(server).upsert("Visual", [StoredObject(ONE, {}), StoredObject(TWO, {})]) == [None, None]
    assert (server.objects, server.torn) == ({ONE, TWO}, set())


async def test_a_deletion_without_an_answer_is_repeated_by_ids() -> None:
    """The server may have died in the middle of it: what it left half deleted goes."""
    server = Server(torn=[ONE])
    kept = store(server)
    await kept.delete("Visual", [ONE])
    assert server.objects == {ONE}
    server.absent = True
    with pytest.raises(StoreUnavailable):
        await kept.delete("Visual", [ONE])
    server.absent = False
    await kept.delete("Visual", [ONE])
    assert server.objects == set()


async def test_who_mends_deletes_surely() -> None:
    """As verify does, which lists what no filter finds."""
    server = Server(torn=[ONE])
    await store(server, surely=True).delete("Visual", [ONE, TWO])
    assert server.objects == set()
