"""The story of a batch: what is newest, what is outdated, what is written now and what later, what is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from workers import metrics
from workers.core.lease import Lease
from workers.domain.events import CreatorUpdated
from workers.domain.ids import bio_object_id, creator_object_id
from workers.domain.reasons import InvalidEvent, Reason
from workers.domain.stored import Store, StoredObject
from workers.indexer.memory import Memory
from workers.indexer.newest import Change, is_outdated, newest_changes
from workers.indexer.objects import CreatorObjects, creator_objects, is_of, revision_of, version_of
from workers.indexer.settling import Published, Step, Thresholds, next_step, same_vectors
from workers.wire.records import Dead, Done, Item, Later, Open, TopicPartition, Verdict

WORKER = "indexer"
_ATTEMPTS = 3

CreatorItem = Item[CreatorUpdated | None]
"""An event of ``creators``; None where the record is a tombstone, whose key names the creator."""


@dataclass(frozen=True, slots=True)
class Settling:
    """``seconds`` of quiet after which exact values are written; 0: they are at once. ``creators``: remembered."""

    thresholds: Thresholds
    seconds: float
    creators: int


@dataclass(slots=True)
class _Plan:
    """What is done in a batch, and ``before`` it stored; ``refused``: creators of whom the store does not take an
    object, and why."""

    steps: dict[str, Step] = field(default_factory=dict)
    before: dict[str, Published] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def good(self) -> dict[str, Step]:
        """The steps of creators of whom nothing was refused."""
        return {key: step for key, step in self.steps.items() if key not in self.refused}


class Indexer:
    """creators in; Facet, Bio and Creator objects stored in this order, what is gone deleted. Same input, same store.

    What is not exact is ``Open``, and is made so when it comes again. ``handle`` raises Unavailable where the store is
    absent or busy, LeaseExpired where another may write by now.
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
        settling: Settling,
    ) -> None:
        self._store, self._lease = store, lease
        self._model_version, self._dimensions = model_version, dimensions
        self._min_share, self._retry_seconds = min_share, retry_seconds
        self._settling, self._memory = settling, Memory(settling.creators)

    async def handle(self, batch: Sequence[CreatorItem]) -> Sequence[Verdict]:
        """One verdict per item; one that a newer event of its creator replaces has the newer one's."""
        verdicts: dict[int, Verdict] = {}
        objects: dict[int, CreatorObjects] = {}
        for index, item in enumerate(batch):
            if item.open and self._memory.open(_creator_id(item)) != item.record.position:
                # Something newer was written, or the creator erased, since it was stored.
                verdicts[index] = Done()
            elif item.event is not None:
                try:
                    objects[index] = self._objects(item.event)
                except InvalidEvent as error:
                    verdicts[index] = Dead(error.reason, error.detail)
        while len(verdicts) < len(batch):
            rest = [(index, _creator_id(item), item.event) for index, item in enumerate(batch) if index not in verdicts]
            changes = newest_changes(rest)
            with metrics.stage(WORKER, "store"):
                plan = await self._store_changes(batch, changes, objects)
            verdicts |= self._verdicts(batch, rest, changes, plan)
        for index, item in enumerate(batch):
            if item.open and isinstance(verdicts[index], Dead):
                # It does not come again: what is open is never pushed out of the memory.
                self._memory.forget(_creator_id(item))
        return [verdicts[index] for index in range(len(batch))]

    def released(self, partitions: Collection[TopicPartition]) -> None:
        """What was known of these partitions' creators is of no use: another process may write them now."""
        self._memory.released({number for _, number in partitions})

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
        plan: _Plan,
    ) -> dict[int, Verdict]:
        """What is known now: where the newest event of a creator is dead, the ones before it are open again."""
        verdicts: dict[int, Verdict] = {}
        for index, creator_id, _ in items:
            newest = changes[creator_id].index
            if creator_id not in plan.refused:
                final = index != newest or creator_id not in plan.steps or plan.steps[creator_id].final
                verdicts[index] = Done() if final else Open(self._settling.seconds)
            elif batch[newest].attempts + 1 < _ATTEMPTS:
                verdicts[index] = Later(self._retry_seconds, plan.refused[creator_id])
            elif index == newest:
                verdicts[index] = Dead(Reason.TOO_MANY_ATTEMPTS, plan.refused[creator_id])
        return verdicts

    async def _store_changes(
        self, batch: Sequence[CreatorItem], changes: Mapping[str, Change], objects: Mapping[int, CreatorObjects]
    ) -> _Plan:
        for creator_id in (creator_id for creator_id, change in changes.items() if change.erased):
            await self.erase(creator_id)
        plan = await self._planned(batch, changes, objects)
        try:
            await self._write_facets_and_bios(plan)
            # Last, so that a Creator of a revision says that all of that revision is there.
            await self._write("Creator", plan, lambda step: [step.creator] if step.creator else [])
            await self._delete_what_is_gone(plan)
        except BaseException:
            self._memory.doubt(plan.steps)
            raise
        self._memory.doubt(plan.refused)
        for creator_id, step in plan.good().items():
            event, position = changes[creator_id].event, batch[changes[creator_id].index].record.position
            assert event is not None
            open_ = None if step.final else position
            self._memory.wrote(creator_id, position.partition, version_of(event), step.after, open_)
        return plan

    async def _planned(
        self, batch: Sequence[CreatorItem], changes: Mapping[str, Change], objects: Mapping[int, CreatorObjects]
    ) -> _Plan:
        """A step for each creator of whom nothing newer is stored.

        What comes again is written whole, upon what is really stored: what is missing of it is healed. Another scoring
        of the same revision is a change as any other: all posts of a creator may be scored anew, one by one.
        """
        events = {key: (change, change.event) for key, change in changes.items() if change.event is not None}
        again = {key for key, (_, event) in events.items() if self._memory.version(key) == version_of(event)}
        closing = {key for key, (change, _) in events.items() if batch[change.index].open}
        # Taken now: while others are read back, another batch may push these out of the memory.
        remembered = {key: self._memory.published(key) for key in events if key not in again - closing}
        known = {key: stored for key, stored in remembered.items() if stored is not None}
        known |= await self._read_back([key for key in events if key not in known])
        plan = _Plan()
        for key, (change, event) in events.items():
            stored = known[key]
            revision = revision_of(stored.creator) if stored.creator is not None else None
            if is_outdated(event, revision):
                if key in closing:
                    # Another process has gone on: nothing of this creator is ours to make exact.
                    self._memory.forget(key)
                continue
            exact = key in closing or self._settling.seconds == 0
            whole = key not in closing and stored.creator is not None and is_of(stored.creator, event)
            plan.before[key] = stored
            plan.steps[key] = next_step(
                objects[change.index], stored, self._settling.thresholds, exact=exact, whole=whole
            )
        return plan

    async def _read_back(self, creator_ids: Sequence[str]) -> dict[str, Published]:
        """What is stored of these creators, vectors included."""
        if not creator_ids:
            return {}
        model = self._model_version
        creator_ids_ = {creator_object_id(each, model): each for each in creator_ids}
        bio_ids = {bio_object_id(each, model): each for each in creator_ids}
        creators, bios, facets = await asyncio.gather(
            self._store.fetch("Creator", list(creator_ids_), vectors=True),
            self._store.fetch("Bio", list(bio_ids), vectors=True),
            self._store.find("Facet", "creator_id", creator_ids, vectors=True),
        )
        owned: dict[str, dict[UUID, StoredObject]] = {each: {} for each in creator_ids}
        for id_, facet in facets.items():
            owned[str(facet.properties["creator_id"])][id_] = facet
        mine = {creator_ids_[id_]: each for id_, each in creators.items()}
        said = {bio_ids[id_]: each for id_, each in bios.items()}
        return {each: Published(owned[each], said.get(each), mine.get(each)) for each in creator_ids}

    async def _write_facets_and_bios(self, plan: _Plan) -> None:
        """Side by side, and each to its end: nothing may land when the batch has been given up."""
        ended = await asyncio.gather(
            self._write("Facet", plan, lambda step: step.facets),
            self._write("Bio", plan, lambda step: [step.bio] if step.bio else []),
            return_exceptions=True,
        )
        for failure in filter(None, ended):
            raise failure

    async def _write(self, collection: str, plan: _Plan, wanted: Callable[[Step], Sequence[StoredObject]]) -> None:
        """Write the objects of every creator of whom nothing was refused before."""
        owned = [(key, each) for key, step in plan.good().items() for each in wanted(step)]
        if not owned:
            return
        self._lease.check()
        errors = await self._store.upsert(collection, [each for _, each in owned])
        for (creator_id, each), error in zip(owned, errors, strict=True):
            if error is not None:
                plan.refused[creator_id] = f"{collection}: {error}"
            else:
                kept = _has(plan.before[creator_id], each)
                metrics.INDEXED.labels(collection, "kept" if kept else "moved").inc()

    async def _delete_what_is_gone(self, plan: _Plan) -> None:
        gone = [id_ for step in plan.good().values() for id_ in step.gone]
        without_bio = [key for key, step in plan.good().items() if step.bio_gone]
        if not gone and not without_bio:
            return
        self._lease.check()
        if gone:
            await self._store.delete("Facet", gone)
        if without_bio:
            await self._store.delete("Bio", [bio_object_id(key, self._model_version) for key in without_bio])

    async def erase(self, creator_id: str) -> None:
        """Everything of a creator, found by id alone; ``Creator`` goes last, as it came."""
        self._lease.check()
        self._memory.forget(creator_id)
        await self._store.delete_where("Facet", "creator_id", creator_id)
        await self._store.delete("Bio", [bio_object_id(creator_id, self._model_version)])
        await self._store.delete("Creator", [creator_object_id(creator_id, self._model_version)])


def _has(stored: Published, each: StoredObject) -> bool:
    """Whether an object is there with the same vectors, so that their index is not touched."""
    others = (stored.facets.get(each.id), stored.bio, stored.creator)
    return any(other is not None and other.id == each.id and same_vectors(other, each) for other in others)


def _creator_id(item: CreatorItem) -> str:
    return item.event.creator_id if item.event is not None else (item.record.key or b"").decode("utf-8", "replace")
