"""Posts and visuals in the store: what is there of a batch; what is written, in the order that survives a kill."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from workers.core.lease import Lease
from workers.domain.ids import post_object_id
from workers.domain.reasons import Reason
from workers.domain.stored import Store, StoredObject
from workers.embedder.objects import (
    all_visual_ids,
    post_object,
    read_post,
    stored_visual_ids,
    tombstone,
    visual_objects,
)
from workers.embedder.plan import Embed, Rescore, Retract, StoredPost
from workers.embedder.scores import rescored_post, rescored_visuals
from workers.embedder.task import Task
from workers.wire.records import Dead


class Storing:
    """Asks ``lease`` before every write. Raises LeaseExpired, and Unavailable where the store is gone."""

    def __init__(self, store: Store, lease: Lease, model_version: str) -> None:
        self._store, self._lease, self._model = store, lease, model_version

    async def posts(self, post_ids: Collection[str]) -> dict[str, StoredPost]:
        """What is stored of these posts, their visuals included; two requests at most."""
        if not post_ids:
            return {}
        ids = {post_id: post_object_id(post_id, self._model) for post_id in post_ids}
        found = await self._store.fetch("Post", list(ids.values()), vectors=True)
        wanted = [id_ for post in found.values() for id_ in stored_visual_ids(post, self._model)]
        visuals = await self._store.fetch("Visual", wanted, vectors=True) if wanted else {}
        return {post_id: read_post(found[id_], visuals, self._model) for post_id, id_ in ids.items() if id_ in found}

    async def write(self, tasks: Sequence[Task]) -> None:
        """Visuals, then the deletion of those beyond, then posts: a post that is stored marks its visuals complete."""
        rescored = [(t, t.plan) for t in tasks if isinstance(t.plan, Rescore) and t.verdict is None]
        visuals = [(t, o) for t in tasks if t.embedded for o in visual_objects(t.embedded, self._model)]
        again = [(t, o) for t, plan in rescored for o in rescored_visuals(plan.stored, plan.safety)]
        await self._upsert("Visual", [*visuals, *again])
        if surplus := [id_ for task in tasks for id_ in self._surplus(task)]:
            self._lease.check()
            await self._store.delete("Visual", surplus)
        posts = [(t, post_object(t.embedded, self._model)) for t in tasks if t.embedded and t.verdict is None]
        tombstones = [(t, tombstone(t.plan.event, self._model)) for t in tasks if isinstance(t.plan, Retract)]
        scores = [(t, rescored_post(plan.stored, plan.safety)) for t, plan in rescored if t.verdict is None]
        await self._upsert("Post", [*posts, *tombstones, *scores])

    async def _upsert(self, collection: str, objects: Sequence[tuple[Task, StoredObject]]) -> None:
        """An object that the store refuses for what it holds makes its whole post a dead letter."""
        if not objects:
            return
        self._lease.check()
        errors = await self._store.upsert(collection, [stored for _, stored in objects])
        for (task, stored), error in zip(objects, errors, strict=True):
            if error is not None and task.verdict is None:
                task.verdict = Dead(Reason.STORE_REFUSED, f"{collection} {stored.id}: {error}")

    def _surplus(self, task: Task) -> Sequence[UUID]:
        """Visuals to delete: all of a removal, those an edit lacks, what a crash left of a post that is dead now."""
        if isinstance(task.plan, Retract):
            return all_visual_ids(task.plan.event.post_id, self._model)
        if not isinstance(task.plan, Embed):
            return []
        if task.plan.stored is None:
            return all_visual_ids(task.plan.event.post_id, self._model) if isinstance(task.verdict, Dead) else []
        if task.embedded is None or task.verdict is not None:
            return []
        kept = {stored.id for stored in visual_objects(task.embedded, self._model)}
        return [id_ for id_ in all_visual_ids(task.plan.event.post_id, self._model) if id_ not in kept]
