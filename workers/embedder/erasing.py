"""Erasing a creator from the store, and keeping erased what is erased.

Each creator's standing lies in the store under its keyed hash, in the order of the creator's own partition: it moves
with the partition and survives the process. The topic ``erasures`` runs ahead of that order: what it calls erased is
not even begun. A reinstatement counts in order alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from workers.core.lease import Lease
from workers.domain.erasure import Erasures
from workers.domain.events import CreatorErased, CreatorReinstated
from workers.domain.ids import standing_id
from workers.domain.stored import Store, StoredObject
from workers.embedder.task import Accepted
from workers.wire.records import Item, Unavailable
from workers.wire.standing import Standing, standing_after

COLLECTION = "Standing"


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many objects of an erased creator were found and deleted."""

    posts: int
    visuals: int


class Erasing:
    """Asks ``lease`` before every write. Raises LeaseExpired, and Unavailable where the store is gone."""

    def __init__(self, store: Store, lease: Lease, erasures: Erasures, model_version: str) -> None:
        self._store, self._lease, self._erasures, self._model = store, lease, erasures, model_version

    def hash(self, creator_id: str) -> str:
        """What stands for the creator where its id must not."""
        return self._erasures.key.hash(creator_id)

    async def standings(self, creator_ids: Collection[str]) -> dict[str, Standing]:
        """What is stored of these creators' standing; nothing of most."""
        ids = {creator: standing_id(self.hash(creator), self._model) for creator in creator_ids}
        found = await self._store.fetch(COLLECTION, list(ids.values()))
        return {
            creator: Standing.decode(str(found[id_].properties["standing"]))
            for creator, id_ in ids.items()
            if id_ in found
        }

    def shuts_out(self, item: Item[Accepted], standing: Standing | None) -> bool:
        """Whether an event is to be dropped: its creator is erased, or it lies before its creator's erasure."""
        if standing is not None and standing.shuts_out(item.record):
            return True
        said = self._erasures.rank(item.event.creator_id)
        return said[1] and (standing is None or said > (standing.at_ms, standing.erased))

    async def change(self, item: Item[Accepted], before: Standing | None) -> Deleted | None:
        """Erase or reinstate. None where something later was said already, or there was nothing to erase.

        Before a reinstatement nothing of the creator is legitimately there: it deletes what a write left that was on
        its way during the erasure.
        """
        event = cast("CreatorErased | CreatorReinstated", item.event)
        after = standing_after(before, event, item.record)
        if after is before:
            return None
        if isinstance(event, CreatorErased):
            await self._store_standing(event.creator_id, after)
            return await self._delete(event.creator_id)
        deleted = await self._delete(event.creator_id) if before is not None and before.erased else None
        await self._store_standing(event.creator_id, after)
        return deleted

    async def _delete(self, creator_id: str) -> Deleted:
        """Visuals before posts, as they are written. Removed posts' tombstones too: the standing guards from now on."""
        self._lease.check()
        visuals = await self._store.delete_where("Visual", "creator_id", creator_id)
        self._lease.check()
        return Deleted(await self._store.delete_where("Post", "creator_id", creator_id), visuals)

    async def _store_standing(self, creator_id: str, standing: Standing) -> None:
        self._lease.check()
        properties = {
            "creator_hash": self.hash(creator_id),
            "standing": standing.encode().decode(),
            "model_version": self._model,
        }
        stored = StoredObject(standing_id(self.hash(creator_id), self._model), dict(properties))
        (error,) = await self._store.upsert(COLLECTION, [stored])
        if error is not None:
            raise Unavailable(f"the store refuses a standing: {error}")
