"""Questions to Weaviate: what is near a vector, what meets conditions, how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import weaviate
from weaviate.classes.query import Filter, MetadataQuery

from workers.adapters.weaviate.errors import StoreUnavailable, asked
from workers.adapters.weaviate.names import alias_name, collection_name
from workers.adapters.weaviate.objects import ObjectStore
from workers.adapters.weaviate.replies import distances_of, objects_of, unread
from workers.domain.queries import NEGATIONS, Condition, Found
from workers.domain.stored import StoredObject
from workers.domain.vectors import Array

POINTER = "Facet"
"""The alias whose target says which model version is served."""
MAX_RESULTS = 10_000
"""The server's own limit for one answer (QUERY_MAXIMUM_RESULTS)."""


class WeaviateIndex:
    """Implements ``workers.domain.queries.Index`` on the collections of one model version in one namespace."""

    def __init__(self, client: weaviate.WeaviateAsyncClient, namespace: str, model_version: str) -> None:
        self._client = client
        self._namespace = namespace
        self._model_version = model_version
        self._store = ObjectStore(client, namespace, model_version)

    async def served_model(self) -> str:
        """The model version behind the alias ``Facet``; StoreUnavailable where there is no such alias yet."""
        name = alias_name(self._namespace, POINTER)
        alias = await asked(self._client.alias.get(alias_name=name), f"Weaviate's alias {name}")
        if alias is None:
            raise StoreUnavailable(f"Weaviate has no alias {name}")
        return alias.collection.removeprefix(f"{name}_")

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
        """The objects nearest to a vector (d,) among those that meet every condition, nearest first."""
        query = unread(self._collection(collection)).near_vector(
            near_vector=np.asarray(vector, dtype=np.float32).tolist(),
            filters=to_filter(conditions),
            limit=min(limit, MAX_RESULTS),
            include_vector=vectors,
            return_properties=_named(properties),
            return_metadata=MetadataQuery(distance=True),
        )
        answer = await asked(query, f"{collection} near a vector")
        return [
            Found(each, 1.0 - distance) for each, distance in zip(objects_of(answer), distances_of(answer), strict=True)
        ]

    async def matching(
        self,
        collection: str,
        conditions: Sequence[Condition],
        *,
        limit: int,
        vectors: bool = False,
        properties: Sequence[str] | None = None,
    ) -> list[StoredObject]:
        """Objects that meet every condition, in no order."""
        query = unread(self._collection(collection)).fetch_objects(
            filters=to_filter(conditions),
            limit=min(limit, MAX_RESULTS),
            include_vector=vectors,
            return_properties=_named(properties),
        )
        answer = await asked(query, f"{collection} by conditions")
        return objects_of(answer)

    async def fetch(
        self, collection: str, ids: Sequence[UUID], vectors: bool = False, properties: Sequence[str] | None = None
    ) -> dict[UUID, StoredObject]:
        """The objects of these ids that there are."""
        return await self._store.fetch(collection, ids, vectors, properties) if ids else {}

    async def count(self, collection: str, conditions: Sequence[Condition] = ()) -> int:
        """How many objects meet every condition.

        A negated condition is counted by what it leaves out: asked how many are not so, Weaviate 1.35 counts the
        places of replaced objects too (60 creators, rewritten as their posts came in, were counted as 937).
        """
        negated = [condition for condition in conditions if condition.relation in NEGATIONS]
        plain = [condition for condition in conditions if condition.relation not in NEGATIONS]
        if not negated:
            return await self._counted(collection, to_filter(plain))
        left_out = Filter.any_of([_failing(condition) for condition in negated])
        both = Filter.all_of([*map(_filter, plain), left_out])
        among, out = await asyncio.gather(self._counted(collection, to_filter(plain)), self._counted(collection, both))
        return among - out

    async def flat_cutoff(self, collection: str) -> int:
        """The collection's own ``flatSearchCutoff``, as the server has it now."""
        found = await asked(self._collection(collection).config.get(), f"the definition of {collection}")
        ((_, vector),) = found.vector_config.items()
        return int(vector.vector_index_config.flat_search_cutoff)

    async def _counted(self, collection: str, filters: Any) -> int:
        query = self._collection(collection).aggregate.over_all(filters=filters, total_count=True)
        answer = await asked(query, f"{collection} counted")
        return int(answer.total_count or 0)

    def _collection(self, collection: str) -> Any:
        return self._client.collections.use(collection_name(self._namespace, collection, self._model_version))


def _named(properties: Sequence[str] | None) -> list[str] | None:
    """As the client takes it: None is all."""
    return None if properties is None else list(properties)


def to_filter(conditions: Sequence[Condition]) -> Any:
    """Weaviate's filter that holds where all conditions do; None for no condition."""
    filters = [_filter(condition) for condition in conditions]
    return Filter.all_of(filters) if filters else None


def _filter(condition: Condition) -> Any:
    own = _own(condition)
    return own if condition.otherwise is None else Filter.any_of([own, _own(condition.otherwise)])


def _failing(condition: Condition) -> Any:
    """What fails a negation: not negated itself, but for the way out."""
    on = Filter.by_property(condition.property)
    value: Any = condition.value
    fails = _contains_any(condition) if condition.relation == "none_of" else on.greater_than(value)
    if condition.otherwise is None:
        return fails
    return Filter.all_of([fails, Filter.not_(_own(condition.otherwise))])


def _own(condition: Condition) -> Any:
    value: Any = condition.value
    on = Filter.by_property(condition.property)
    match condition.relation:
        case "equal":
            return on.equal(value)
        case "any_of":
            return _contains_any(condition)
        case "none_of" | "not_over":
            return Filter.not_(_failing(replace(condition, otherwise=None)))
        case "at_least":
            return on.greater_or_equal(value)
        case "at_most":
            return on.less_or_equal(value)


def _contains_any(condition: Condition) -> Any:
    values: Any = list(condition.value) if isinstance(condition.value, tuple) else [condition.value]
    return Filter.by_property(condition.property).contains_any(values)
