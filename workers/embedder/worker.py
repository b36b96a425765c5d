"""The embedder: fetch, decode, encode, store, announce. One verdict per item, whole posts only."""

from __future__ import annotations

from collections.abc import Sequence

from workers.config import Settings
from workers.core.lease import Lease
from workers.domain.events import CreatorProfiled, PostPublished, PostRemoved
from workers.domain.media import InvalidMedia, MediaUnavailable
from workers.domain.reasons import Reason
from workers.domain.stored import Store
from workers.domain.vectors import Array
from workers.embedder import events_out
from workers.embedder.content import event_hash
from workers.embedder.encoding import Encoding, all_of
from workers.embedder.pictures import Pictures
from workers.embedder.plan import Embed, Republish, Retract, StoredPost, plan
from workers.embedder.progress import Progress, Unfinished
from workers.embedder.storing import Storing
from workers.embedder.task import Accepted, Task
from workers.metrics import REUSED, stage
from workers.wire.cloudevents import Wire
from workers.wire.records import Dead, Done, Item, Later, OutRecord, Verdict

NAME = "embedder"


class Embedder:
    """posts and profiles in; one vector per visual and caption stored, then one embeddings event out.

    At least once; same input, same store. Needs ``lease`` before every write; raises LeaseExpired, and Unavailable
    where the store or the encoder is gone: what was fetched and encoded until then is remembered.
    """

    def __init__(
        self,
        *,
        store: Store,
        pictures: Pictures,
        encoding: Encoding,
        wire: Wire,
        lease: Lease,
        settings: Settings,
        model_version: str,
    ) -> None:
        self._storing = Storing(store, lease, model_version)
        self._pictures, self._encoding, self._wire = pictures, encoding, wire
        self._settings, self._model = settings, model_version
        self._unfinished = Unfinished()

    async def handle(self, batch: Sequence[Item[Accepted]]) -> Sequence[Verdict]:
        """One verdict per item. No two items of a batch are of one post."""
        with stage(NAME, "fetch"):
            stored = await self._storing.posts(_post_ids(batch))
            tasks = [self._task(item, stored) for item in batch]
            await all_of(*(self._collect(task) for task in tasks))
        with stage(NAME, "encode"):
            await all_of(self._encode_pictures(tasks), self._encode_texts(tasks))
        for task in tasks:
            self._put_together(task)
        with stage(NAME, "store"):
            await self._storing.write(tasks)
        return [self._verdict(task) for task in tasks]

    def _task(self, item: Item[Accepted], stored: dict[str, StoredPost]) -> Task:
        """What is stored of a post decides what is to be done about its event."""
        event, name = item.event, event_hash(item.event)
        decided = None
        if isinstance(event, PostPublished | PostRemoved):
            decided = plan(stored.get(event.post_id), event)
        return Task(item, name, decided, self._unfinished.of(name))

    async def _collect(self, task: Task) -> None:
        """Pixels of the pictures whose vectors are not known; a verdict where a picture is broken or withheld."""
        if not isinstance(task.plan, Embed):
            return
        try:
            await self._pictures.collect(task.plan.event, task.plan.visuals.keys(), task.progress)
        except InvalidMedia as error:
            task.verdict = Dead(error.reason, error.detail)
        except MediaUnavailable as error:
            task.verdict = self._again(task, error)

    def _again(self, task: Task, busy: MediaUnavailable) -> Verdict:
        """A few times, ever later, not before the host says; then no more: a host is not asked in vain for ever.

        The post waits for its own host alone: it holds no other. Where the host was not asked, nothing is counted.
        """
        progress, detail, wished = task.progress, str(busy), busy.after or 0.0
        if not busy.asked:
            return Later(wished, detail, elsewhere=True, counted=False)
        progress.attempts = max(progress.attempts, task.item.refusals) + 1
        if progress.attempts >= self._settings.media_attempts:
            return Dead(Reason.TOO_MANY_ATTEMPTS, f"{detail} ({progress.attempts} attempts)")
        seconds = self._settings.retry_seconds * 2 ** (progress.attempts - 1)
        return Later(max(wished, min(seconds, self._settings.retry_max_seconds)), detail, elsewhere=True)

    async def _encode_pictures(self, tasks: Sequence[Task]) -> None:
        """Every picture once, those too whose post waits for another one."""
        wanted = [task for task in tasks if task.progress.pixels and not isinstance(task.verdict, Dead)]
        vectors = await self._encoding.images({h: p for task in wanted for h, p in task.progress.pixels.items()})
        for task in wanted:
            for hash_ in task.progress.pixels:
                _keep(task.progress, task.progress.vectors, hash_, vectors[hash_])
            task.progress.pixels.clear()

    async def _encode_texts(self, tasks: Sequence[Task]) -> None:
        """Captions that are not stored already, and bios."""
        wanted = [task for task in tasks if task.wants_text()]
        vectors = await self._encoding.texts({task.text_hash(): task.text() for task in wanted})
        for task in wanted:
            _keep(task.progress, task.progress.captions, task.text_hash(), vectors[task.text_hash()])

    def _put_together(self, task: Task) -> None:
        """A post with all its vectors, or a dead letter where the model has no direction for one of them."""
        if task.verdict is None and task.progress.unusable:
            task.verdict = Dead(Reason.VECTOR_INVALID, f"of content {', '.join(sorted(task.progress.unusable))}")
        if task.verdict is None and isinstance(task.plan, Embed):
            task.put_together()

    def _verdict(self, task: Task) -> Verdict:
        verdict = task.verdict or Done(self._outputs(task))
        if not isinstance(verdict, Later):
            self._unfinished.forget(task.name)
        REUSED.labels(NAME).inc(task.reused())
        return verdict

    def _outputs(self, task: Task) -> tuple[OutRecord, ...]:
        """What is announced of an item that is done. Erasures are passed on: the creators worker decides."""
        event: events_out.Announced
        match task.item.event, task.plan:
            case _, Republish(stored=stored):
                if stored is None:
                    return ()
                event = events_out.stored_announced(stored, self._model)
            case _, Retract(event=removal):
                event = events_out.post_retracted(removal, self._model)
            case CreatorProfiled() as profiled, _:
                bio = task.progress.captions.get(task.text_hash())
                event = events_out.profile_embedded(profiled, bio, self._model)
            case ((PostPublished() | PostRemoved()), _):
                assert task.embedded is not None
                event = events_out.post_embedded(task.embedded, self._model)
            case passed, _:
                event = passed
        return (events_out.record_of(self._wire, event, task.item.record),)


def serial_key(item: Item[Accepted]) -> str:
    """Items of one key are never in flight together: one post, or one creator's profile and erasure."""
    event = item.event
    return f"post|{event.post_id}" if isinstance(event, PostPublished | PostRemoved) else f"creator|{event.creator_id}"


def _post_ids(batch: Sequence[Item[Accepted]]) -> list[str]:
    return [item.event.post_id for item in batch if isinstance(item.event, PostPublished | PostRemoved)]


def _keep(progress: Progress, vectors: dict[str, Array], hash_: str, vector: Array | None) -> None:
    if vector is None:
        progress.unusable.add(hash_)
    else:
        vectors[hash_] = vector
