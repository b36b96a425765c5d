"""The story of a batch: what is newest, what is outdated, what is written, what is deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from workers import metrics
from workers.core.lease import Lease
from workers.domain.events import CreatorUpdated
from workers.domain.ids import bio_object_id, creator_object_id
from workers.domain.reasons import InvalidEvent, Reason
from workers.domain.stored import Store, StoredObject
from workers.indexer.newest import Change, is_outdated, newest_changes
from workers.indexer.objects import CreatorObjects, creator_objects, revision_of
from workers.wire.records import Dead, Done, Item, Later, Verdict

WORKER = "indexer"
_ATTEMPTS = 3

CreatorItem = Item[CreatorUpdated | None]
"""An event of ``creators``; None where the record is a tombstone, whose key names the creator."""


@dataclass(slots=True)
class _Plan:
    """What is written of a batch; ``refused``: creators of whom the store will not have an object, and why."""

    objects: dict[str, CreatorObjects] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class Indexer:
    """creators in; Facet, Bio and Creator objects stored in this order, what is gone deleted. Same input, same store.

    ``handle`` raises Unavailable where the store is absent or busy, LeaseExpired where another may write by now.
    """

    def __init__(
        self,
        store: Store,
        lease: Lease,
        *,
        model_version: str,
        dimensions: int,
        min_share: float,
        retry_seconds: float,
    ) -> None:
        self._store, self._lease = store, lease
        self._model_version, self._dimensions = model_version, dimensions
        self._min_share, self._retry_seconds = min_share, retry_seconds

    async def handle(self, batch: Sequence[CreatorItem]) -> Sequence[Verdict]:
        """One verdict per item; one that a newer event of its creator replaces has the newer one's."""
        verdicts: dict[int, Verdict] = {}
        objects: dict[int, CreatorObjects] = {}
        for index, item in enumerate(batch):
            if item.event is not None:
                try:
                    objects[index] = self._objects(item.event)
                except InvalidEvent as error:
                    verdicts[index] = Dead(error.reason, error.detail)
        while len(verdicts) < len(batch):
            rest = [(index, _creator_id(item), item.event) for index, item in enumerate(batch) if index not in verdicts]
            changes = newest_changes(rest)
            with metrics.stage(WORKER, "store"):
                refused = await self._store_changes(changes, objects)
            verdicts |= self._verdicts(batch, rest, changes, refused)
        return [verdicts[index] for index in range(len(batch))]

    def _objects(self, event: CreatorUpdated) -> CreatorObjects:
        if event.model_version != self._model_version:
            raise InvalidEvent(
                Reason.WRONG_MODEL_VERSION, f"{event.model_version!r} where {self._model_version!r} is indexed"
            )
        return creator_objects(event, self._min_share, self._dimensions)

    def _verdicts(
        self,
        batch: Sequence[CreatorItem],
        items: Sequence[tuple[int, str, CreatorUpdated | None]],
        changes: Mapping[str, Change],
        refused: Mapping[str, str],
    ) -> dict[int, Verdict]:
        """What is known now: where the newest event of a creator is dead, the ones before it are open again."""
        verdicts: dict[int, Verdict] = {}
        for index, creator_id, _ in items:
            newest = changes[creator_id].index
            if creator_id not in refused:
                verdicts[index] = Done()
            elif batch[newest].attempts + 1 < _ATTEMPTS:
                verdicts[index] = Later(self._retry_seconds, refused[creator_id])
            elif index == newest:
                verdicts[index] = Dead(Reason.TOO_MANY_ATTEMPTS, refused[creator_id])
        return verdicts

    async def _store_changes(
        self, changes: Mapping[str, Change], objects: Mapping[int, CreatorObjects]
    ) -> Mapping[str, str]:
        """Creators that the store refused, and why."""
        for creator_id in (creator_id for creator_id, change in changes.items() if change.erased):
            await self.erase(creator_id)
        revisions = await self._stored_revisions(changes)
        plan = _Plan()
        for creator_id, change in changes.items():
            if change.event is not None and not is_outdated(change.event, revisions.get(creator_id)):
                plan.objects[creator_id] = objects[change.index]
        await self._write("Facet", plan, {key: each.facets for key, each in plan.objects.items()})
        await self._write("Bio", plan, {key: (each.bio,) for key, each in plan.objects.items() if each.bio})
        # Last, so that a Creator of a revision says that all of that revision is there.
        await self._write("Creator", plan, {key: (each.creator,) for key, each in plan.objects.items()})
        await self._delete_what_is_gone(plan)
        return plan.refused

    async def _stored_revisions(self, creator_ids: Iterable[str]) -> dict[str, int]:
        ids = {creator_object_id(creator_id, self._model_version): creator_id for creator_id in creator_ids}
        stored = await self._store.fetch("Creator", list(ids))
        return {ids[key]: revision_of(creator) for key, creator in stored.items()}

    async def _write(self, collection: str, plan: _Plan, wanted: Mapping[str, Sequence[StoredObject]]) -> None:
        """Write the objects of every creator of whom nothing was refused before."""
        owners = [key for key, each in wanted.items() if key not in plan.refused for _ in each]
        objects = [one for key, each in wanted.items() if key not in plan.refused for one in each]
        if not objects:
            return
        self._lease.check()
        errors = await self._store.upsert(collection, objects)
        for creator_id, error in zip(owners, errors, strict=True):
            if error is not None:
                plan.refused[creator_id] = f"{collection}: {error}"

    async def _delete_what_is_gone(self, plan: _Plan) -> None:
        complete = {key: each for key, each in plan.objects.items() if key not in plan.refused}
        if not complete:
            return
        kept = {facet.id for each in complete.values() for facet in each.facets}
        stored = await self._store.find("Facet", "creator_id", list(complete))
        gone = [key for key in stored if key not in kept]
        without_bio = [bio_object_id(key, self._model_version) for key, each in complete.items() if each.bio is None]
        self._lease.check()
        if gone:
            await self._store.delete("Facet", gone)
        if without_bio:
            await self._store.delete("Bio", without_bio)

    async def erase(self, creator_id: str) -> None:
        """Everything of a creator, found by id alone; ``Creator`` goes last, as it came."""
        self._lease.check()
        await self._store.delete_where("Facet", "creator_id", creator_id)
        await self._store.delete("Bio", [bio_object_id(creator_id, self._model_version)])
        await self._store.delete("Creator", [creator_object_id(creator_id, self._model_version)])


def _creator_id(item: CreatorItem) -> str:
    return item.event.creator_id if item.event is not None else (item.record.key or b"").decode("utf-8", "replace")
