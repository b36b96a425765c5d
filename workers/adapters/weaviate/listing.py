"""All objects of a collection, page by page in the order of their ids: what a dump and a comparison read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import weaviate

from workers.adapters.weaviate.errors import StoreUnavailable, asked
from workers.adapters.weaviate.names import collection_name
from workers.adapters.weaviate.queries import WeaviateIndex
from workers.adapters.weaviate.replies import objects_of, unread
from workers.domain.stored import StoredObject

PAGE = 500
"""Objects asked for at once: about 2 MiB with vectors of 512 dimensions."""
_BEFORE_ALL = UUID(int=0)
_PAGE_SECONDS = 60.0


class ObjectListing:
    """The collections of one namespace and model version. Raises StoreUnavailable where they cannot be read."""

    def __init__(
        self, client: weaviate.WeaviateAsyncClient, namespace: str, model_version: str, page: int = PAGE
    ) -> None:
        self._client, self._namespace, self._model_version = client, namespace, model_version
        self._page = page
        self._index = WeaviateIndex(client, namespace, model_version)

    async def count(self, collection: str) -> int:
        """How many objects there are, about."""
        return await self._index.count(collection)

    async def objects(
        self, collection: str, vectors: bool = True, properties: Sequence[str] | None = None
    ) -> AsyncIterator[StoredObject]:
        """Every object, ids ascending, with its vectors and all or these properties; one page is held at a time.

        No snapshot: what is written meanwhile may be among them or not, but no object comes twice.
        """
        name = collection_name(self._namespace, collection, self._model_version)
        query = unread(self._client.collections.use(name))
        last = _BEFORE_ALL
        while True:
            call = query.fetch_objects(
                limit=self._page,
                after=last,
                include_vector=vectors,
                return_properties=None if properties is None else list(properties),
            )
            answer = await asked(call, f"the objects of {collection}", _PAGE_SECONDS)
            for each in objects_of(answer):
                if each.id <= last:
                    raise StoreUnavailable(f"{collection}: {each.id} was listed after {last}, out of order")
                last = each.id
                yield each
            if len(answer.results) < self._page:
                return
