"""Tombstones expire: a worker that was away for longer finds in the topic ``erasures`` whom it must still delete."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from workers.domain.erasure import Erasures
from workers.domain.stored import StoredObject
from workers.indexer.worker import Indexer

OWNED = ("Creator", "Facet", "Bio")


class Listing(Protocol):
    """Every object of a collection."""

    def objects(self, collection: str) -> AsyncIterator[StoredObject]: ...


async def sweep(listing: Listing, erasures: Erasures, indexer: Indexer) -> int:
    """Delete all objects of creators that are erased; how many creators those were. Raises Unavailable."""
    if not len(erasures):
        return 0
    found: set[str] = set()
    for collection in OWNED:
        async for stored in listing.objects(collection):
            creator_id = str(stored.properties.get("creator_id", ""))
            if erasures.erased(creator_id):
                found.add(creator_id)
    for creator_id in sorted(found):
        # It may have been reinstated while the rest was read.
        if erasures.erased(creator_id):
            await indexer.erase(creator_id)
    return len(found)
