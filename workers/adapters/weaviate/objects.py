"""The objects of one model version's collections: written whole, read exactly, removed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import numpy as np
from weaviate import WeaviateAsyncClient
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.collections.classes.filters import FilterReturn
from weaviate.exceptions import WeaviateInsertManyAllFailedError
from weaviate.types import VECTORS

from workers.adapters.weaviate.errors import StoreUnavailable, asked, is_for_later
from workers.adapters.weaviate.names import collection_name
from workers.adapters.weaviate.replies import objects_of, unread
from workers.domain.stored import StoredObject

T = TypeVar("T")

_OBJECTS_PER_INSERT = 100
_OBJECTS_PER_QUERY = 500
_AT_ONCE = 16
_FOUND_AT_MOST = 10_000
"""The server's own limit on the results of one query."""


class ObjectStore:
    """Implements ``workers.domain.stored.Store`` on the collections of one namespace and model version.

    Writers give the ``dimensions`` of the model: an empty collection takes vectors of any width, even two in a batch.
    Every call raises StoreUnavailable where the server is absent or busy; what was written before that stays.

    A server that is killed in the middle of a write (1.35.2, with packed vectors or without) may keep objects that no
    filter finds: queries pass over them, a deletion misses them, and writing the same again leaves them so. Deleted by
    its id, such an object is gone. Therefore each write is looked for; ``surely``: each deletion is by ids, one by one.
    """

    def __init__(
        self,
        client: WeaviateAsyncClient,
        namespace: str,
        model_version: str,
        dimensions: int | None = None,
        *,
        surely: bool = False,
    ) -> None:
        self._client, self._surely = client, surely
        # Whose writing or deletion had no answer: the server may have died of it.
        self._doubtful: set[tuple[str, UUID]] = set()
        self._namespace = namespace
        self._model_version = model_version
        self._dimensions = dimensions

    async def upsert(self, collection: str, objects: Sequence[StoredObject]) -> list[str | None]:
        """Write whole objects; each one's own error, or None, in order. Of two with one id, the last is written.

        A replaced object keeps nothing of what it was, its vectors included; with the byte-identical vector it keeps
        its place in the index. Raises StoreUnavailable if any object failed for the server's reasons.
        """
        newest = {each.id: each for each in objects}
        errors: dict[UUID, str | None] = {each.id: _own_error(each, self._dimensions) for each in newest.values()}
        good = [each for each in newest.values() if errors[each.id] is None]
        calls = [self._written_and_found(collection, chunk) for chunk in _chunks(good, _OBJECTS_PER_INSERT)]
        # All end before the first failure is told: none may land when the caller has moved on.
        for found in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(found, BaseException):
                raise found
            errors.update(found)
        return [errors[each.id] for each in objects]

    async def fetch(
        self, collection: str, ids: Sequence[UUID], vectors: bool = False, properties: Sequence[str] | None = None
    ) -> dict[UUID, StoredObject]:
        """The objects of these ids that there are, with all or these properties.

        Vectors: float32, the bits that were written.
        """
        found: dict[UUID, StoredObject] = {}
        for chunk in _chunks(list(dict.fromkeys(ids)), _OBJECTS_PER_QUERY):
            found |= await self._query(collection, Filter.by_id().contains_any(chunk), len(chunk), vectors, properties)
        return found

    async def find(
        self, collection: str, field: str, values: Sequence[str], vectors: bool = False
    ) -> dict[UUID, StoredObject]:
        """The objects whose text property is one of these values exactly; vectors where asked for.

        Raises OverflowError where one query would have to answer more than the server does.
        """
        found: dict[UUID, StoredObject] = {}
        for chunk in _chunks(list(dict.fromkeys(values)), _OBJECTS_PER_QUERY):
            where = Filter.by_property(field).contains_any(chunk)
            answer = await self._query(collection, where, _FOUND_AT_MOST, vectors)
            if len(answer) == _FOUND_AT_MOST:
                raise OverflowError(f"more than {_FOUND_AT_MOST} objects of {collection} have such a {field}")
            found |= _exactly(answer, field, chunk)
        return found

    async def delete(self, collection: str, ids: Sequence[UUID]) -> None:
        """Remove the objects of these ids; those that are not there are gone already."""
        for chunk in _chunks(list(dict.fromkeys(ids)), _OBJECTS_PER_QUERY):
            names = {(collection, id_) for id_ in chunk}
            alone = names if self._surely else names & self._doubtful
            self._doubtful |= names
            call = self._named(collection).data.delete_many(Filter.by_id().contains_any(chunk))
            answer = await asked(call, f"a deletion in {collection}")
            if answer.failed:
                raise StoreUnavailable(f"{answer.failed} of {answer.matches} deletions in {collection} failed")
            await self._delete_alone(collection, [id_ for _, id_ in alone])
            self._doubtful -= names

    async def delete_where(
        self, collection: str, field: str, value: str, *, at_least: Mapping[str, int] | None = None
    ) -> int:
        """Remove the objects whose text property is ``value`` exactly and whose numbers are ``at_least`` so.

        How many those were.
        """
        conditions = [Filter.by_property(field).equal(value)]
        conditions += [Filter.by_property(name).greater_or_equal(least) for name, least in (at_least or {}).items()]
        removed = 0
        while True:
            found = await self._query(collection, Filter.all_of(conditions), _FOUND_AT_MOST)
            exact = _exactly(found, field, [value])
            await self.delete(collection, list(exact))
            removed += len(exact)
            if len(found) < _FOUND_AT_MOST:
                return removed
            if not exact:
                raise OverflowError(f"more than {_FOUND_AT_MOST} objects of {collection} with a {field} like {value!r}")

    async def _query(
        self,
        collection: str,
        where: FilterReturn,
        limit: int,
        vectors: bool = False,
        properties: Sequence[str] | None = None,
    ) -> dict[UUID, StoredObject]:
        call = unread(self._named(collection)).fetch_objects(
            filters=where,
            limit=limit,
            include_vector=vectors,
            return_properties=None if properties is None else list(properties),
        )
        answer = await asked(call, f"a query of {collection}")
        return {each.id: each for each in objects_of(answer)}

    async def _written_and_found(self, collection: str, chunk: Sequence[StoredObject]) -> dict[UUID, str | None]:
        errors = dict(zip((each.id for each in chunk), await self._insert(collection, chunk), strict=True))
        ids = [id_ for id_, error in errors.items() if error is None]
        if not ids:
            return errors
        call = self._named(collection).query.fetch_objects(
            filters=Filter.by_id().contains_any(ids), limit=len(ids), return_properties=[]
        )
        found = {each.uuid for each in (await asked(call, f"a query of {collection}")).objects}
        if lost := [each for each in chunk if errors[each.id] is None and each.id not in found]:
            await self._delete_alone(collection, [each.id for each in lost])
            errors.update(zip((each.id for each in lost), await self._insert(collection, lost), strict=True))
        return errors

    async def _delete_alone(self, collection: str, ids: Sequence[UUID]) -> None:
        """Each by its id, which needs no index to find it."""
        for few in _chunks(ids, _AT_ONCE):
            calls = (self._named(collection).data.delete_by_id(id_) for id_ in few)
            await asked(asyncio.gather(*calls), f"a deletion in {collection}")

    async def _insert(self, collection: str, chunk: Sequence[StoredObject]) -> list[str | None]:
        objects = [
            DataObject(properties=dict(each.properties), uuid=each.id, vector=cast("VECTORS", dict(each.vectors)))
            for each in chunk
        ]
        try:
            answer = await asked(self._named(collection).data.insert_many(objects), f"a write to {collection}")
        except WeaviateInsertManyAllFailedError as error:
            if is_for_later(error.message):
                raise StoreUnavailable(f"{collection}: {error.message}") from error
            if len(chunk) == 1:
                return [error.message]
            # The client tells only the set of errors where all failed: whose is whose shows one by one.
            alone = await asyncio.gather(*(self._insert(collection, [each]) for each in chunk))
            return [errors[0] for errors in alone]
        errors = {index: each.message for index, each in answer.errors.items()}
        for message in errors.values():
            if is_for_later(message):
                raise StoreUnavailable(f"{collection}: {message}")
        return [errors.get(index) for index in range(len(chunk))]

    def _named(self, collection: str) -> Any:
        return self._client.collections.use(collection_name(self._namespace, collection, self._model_version))


def _own_error(each: StoredObject, dimensions: int | None) -> str | None:
    """What is wrong with an object that the server would take all the same."""
    for name, vector in each.vectors.items():
        if vector.shape != (dimensions or len(vector),):
            return f"vector {name}: of shape {vector.shape}, not {dimensions} dimensions"
        if not np.isfinite(vector).all() or not np.any(vector):
            return f"vector {name}: not finite, or of no length"
    for name, value in each.properties.items():
        if isinstance(value, datetime) and value.tzinfo is None:
            return f"property {name}: a time without an offset"
    return None


def _exactly(found: Mapping[UUID, StoredObject], field: str, values: Sequence[str]) -> dict[UUID, StoredObject]:
    """The server compares text less the white space around it: asked for "a" it answers with "a " too."""
    return {key: each for key, each in found.items() if each.properties.get(field) in values}


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
