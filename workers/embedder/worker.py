"""The embedder: fetch, decode, encode, store, announce. One verdict per item, whole posts only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from workers.config import Settings
from workers.containment.dead_letters import delayed
from workers.core.clock import Clock, SystemClock
from workers.core.lease import Lease
from workers.domain.erasure import Erasures
from workers.domain.events import (
    CreatorErased,
    CreatorProfiled,
    CreatorReinstated,
    PostPublished,
    PostRemoved,
    SafetyRevised,
)
from workers.domain.media import InvalidMedia, MediaUnavailable
from workers.domain.reasons import Reason
from workers.domain.stored import Store
from workers.domain.topics import topic_name
from workers.embedder import events_out
from workers.embedder.content import event_hash
from workers.embedder.encoding import Encoding, all_of
from workers.embedder.erasing import Erasing
from workers.embedder.pictures import Pictures
from workers.embedder.plan import Embed, Keyframe, Republish, Rescore, Retract, StoredPost, plan
from workers.embedder.progress import Progress, Unfinished
from workers.embedder.remembering import KnownVectors
from workers.embedder.scores import Scorer, content
from workers.embedder.storing import Storing
from workers.embedder.task import Accepted, Task
from workers.embedder.turns import Turns, changes_standing
from workers.metrics import ERASED_EVENTS, REUSED, stage
from workers.wire.cloudevents import Wire
from workers.wire.records import Dead, Done, Item, Later, OutRecord, Verdict
from workers.wire.standing import Standing

NAME = "embedder"
V = TypeVar("V")
MEDIA_AT_ONCE = 64
"""Of a batch, whose pixels are held at once: with 224 px a video takes 1.2 MB at most."""


@dataclass(frozen=True)
class Lane:
    """What posts of one urgency are embedded with: neither their downloads nor their decoding wait for the other's."""

    pictures: Pictures
    encoding: Encoding


class Embedder:
    """posts and profiles in; one vector per visual and caption stored, then one embeddings event out.

    At least once; same input, same store. Needs ``lease`` before every write; raises LeaseExpired, and Unavailable
    where the store or the encoder is gone: what was fetched and encoded until then is remembered. ``backfill`` is for
    what first lay in ``posts.backfill``, ``live`` for the rest. Whoever is erased is forgotten by ``known``, which both
    encodings fill.
    """

    def __init__(
        self,
        *,
        store: Store,
        live: Lane,
        backfill: Lane,
        wire: Wire,
        lease: Lease,
        settings: Settings,
        model_version: str,
        erasures: Erasures,
        known: KnownVectors,
        scorer: Scorer,
        clock: Clock | None = None,
    ) -> None:
        self._retry = topic_name(settings.namespace, f"{NAME}.retry")
        self._erasures, self._known, self._scorer = erasures, known, scorer
        erasures.forgets(known.clear)
        self._erasing, self.turns = Erasing(store, lease, erasures, model_version), Turns(self._retry)
        self._clock = clock or SystemClock()
        self._storing = Storing(store, lease, model_version)
        self._live, self._backfill, self._wire = live, backfill, wire
        self._past = topic_name(settings.namespace, "posts.backfill")
        self._settings, self._model = settings, model_version
        self._unfinished = Unfinished()

    async def handle(self, batch: Sequence[Item[Accepted]]) -> Sequence[Verdict]:
        """One verdict per item. No two items of a batch are of one post, or change one creator's standing."""
        try:
            return await self._handle(batch)
        finally:
            # Of a creator who was erased while this batch was on its way, in another process perhaps.
            if any(self._erasures.erased(item.event.creator_id) for item in batch):
                self._known.clear()

    async def _handle(self, batch: Sequence[Item[Accepted]]) -> Sequence[Verdict]:
        async with self.turns.taken(batch):
            standings = await self._erasing.standings({item.event.creator_id for item in batch})
            dropped = [item for item in batch if self._dropped(item, standings)]
            kept = [item for item in batch if item not in dropped] if dropped else batch
            changes = [item for item in kept if changes_standing(item.event)]
            rest = [item for item in kept if not changes_standing(item.event)]
            verdicts = dict(zip(map(id, rest), await self._embed(rest), strict=True))
            with stage(NAME, "store"):
                # After the posts of the same batch: those of the same creator were read before it.
                for item in changes:
                    verdicts[id(item)] = await self._change(item, standings.get(item.event.creator_id))
        for item in dropped:
            self._unfinished.forget(event_hash(item.event))
        ERASED_EVENTS.labels(NAME).inc(len(dropped))
        return [verdicts.get(id(item), Done()) for item in batch]

    def _dropped(self, item: Item[Accepted], standings: Mapping[str, Standing]) -> bool:
        """Never a dead letter: that would keep what is to be forgotten."""
        standing = standings.get(item.event.creator_id)
        return not changes_standing(item.event) and self._erasing.shuts_out(item, standing)

    async def _change(self, item: Item[Accepted], before: Standing | None) -> Done:
        """Erase or reinstate, and pass it on: the creators worker decides for itself, in the order of ``embeddings``.

        An erasure comes once more, after a session timeout: by then whoever had the partition before has written what
        was on its way.
        """
        event, record = item.event, item.record
        self._known.clear()
        deleted = await self._erasing.change(item, before)
        self.turns.done(item)
        again = record.position.topic == self._retry
        assert isinstance(event, CreatorErased | CreatorReinstated)
        outputs = [] if again else [events_out.record_of(self._wire, event, record)]
        if isinstance(event, CreatorErased) and deleted is not None:
            now, hashed = self._clock.now(), self._erasing.hash(event.creator_id)
            outputs.append(events_out.audit_record(self._wire, item, hashed, deleted, again, now))
            if not again:
                due = round(now.timestamp() * 1000) + self._settings.session_timeout_ms
                outputs.append(delayed(record, self._retry, 0, due))
        return Done(tuple(outputs))

    async def _embed(self, batch: Sequence[Item[Accepted]]) -> list[Verdict]:
        """The verdicts on posts and profiles."""
        with stage(NAME, "fetch"):
            stored = await self._storing.posts(_post_ids(batch))
        tasks = [self._task(item, stored) for item in batch]
        self._look_at_scores(tasks)
        for part in _parts(tasks):
            await self._bring_vectors(part)
        for task in tasks:
            self._put_together(task)
        self._score([task for task in tasks if task.embedded])
        with stage(NAME, "store"):
            await self._storing.write(tasks)
        return [self._verdict(task) for task in tasks]

    async def _bring_vectors(self, tasks: Sequence[Task]) -> None:
        with stage(NAME, "fetch"):
            await all_of(*(self._collect(task) for task in tasks))
        with stage(NAME, "encode"):
            lanes = (self._live, self._backfill)
            parts = [([task for task in tasks if self._lane(task) is lane], lane.encoding) for lane in lanes]
            await all_of(
                *(self._encode_pictures(part, encoding) for part, encoding in parts),
                *(self._encode_texts(part, encoding) for part, encoding in parts),
            )

    def _lane(self, task: Task) -> Lane:
        return self._backfill if task.lay_first_in(self._past) else self._live

    def _task(self, item: Item[Accepted], stored: dict[str, StoredPost]) -> Task:
        """What is stored of a post decides what is to be done about its event."""
        event, name = item.event, event_hash(item.event)
        decided = None
        if isinstance(event, PostPublished | PostRemoved | SafetyRevised):
            decided = plan(stored.get(event.post_id), event)
        return Task(item, name, decided, self._unfinished.of(name))

    def _look_at_scores(self, tasks: Sequence[Task]) -> None:
        """Posts that are only to be announced again: with scores that are right. Nothing is fetched for it."""
        for task in tasks:
            event = task.item.event
            if isinstance(event, SafetyRevised) and (why := self._scorer.reaches(event.safety_revision)):
                task.verdict = Dead(Reason.SCORING_BEHIND, why)
        repeated = [(task, task.plan) for task in tasks if isinstance(task.plan, Republish) and task.verdict is None]
        for (task, _), decided in zip(repeated, self._scorer.again([each for _, each in repeated]), strict=True):
            task.plan = decided

    def _score(self, tasks: Sequence[Task]) -> None:
        """New posts, all of them in one product."""
        posts = [task.embedded for task in tasks if task.embedded]
        scored = self._scorer.score([content(p.visuals, p.caption, p.event.caption, p.event.hashtags) for p in posts])
        for task, post, safety in zip(tasks, posts, scored, strict=True):
            task.embedded = replace(post, safety=safety)

    async def _collect(self, task: Task) -> None:
        """Pixels of the pictures whose vectors are not known; a verdict where a picture is broken or withheld."""
        if not isinstance(task.plan, Embed):
            return
        try:
            await self._lane(task).pictures.collect(task.plan.event, task.plan.visuals.keys(), task.progress)
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

    async def _encode_pictures(self, tasks: Sequence[Task], encoding: Encoding) -> None:
        """Every picture once, those too whose post waits for another one."""
        wanted = [task for task in tasks if task.progress.pixels and not isinstance(task.verdict, Dead)]
        frames = {hash_: each for task in wanted for hash_, each in task.progress.pixels.items()}
        pixels = {(hash_, n): frame.pixels for hash_, each in frames.items() for n, frame in enumerate(each)}
        vectors = await encoding.images(pixels)
        for task in wanted:
            for hash_, each in task.progress.pixels.items():
                found = [(frame, vectors[hash_, n]) for n, frame in enumerate(each)]
                whole = tuple(
                    Keyframe(frame.timestamp_ms, vector, frame.perceptual_hash)
                    for frame, vector in found
                    if vector is not None
                )
                _keep(task.progress, task.progress.vectors, hash_, whole if len(whole) == len(each) else None)
            task.progress.pixels.clear()

    async def _encode_texts(self, tasks: Sequence[Task], encoding: Encoding) -> None:
        """Captions that are not stored already, and bios."""
        wanted = [task for task in tasks if task.wants_text()]
        vectors = await encoding.texts({task.text_hash(): task.words().weighted() for task in wanted})
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
        """What is announced of an item that is done."""
        event: events_out.Announced
        match task.item.event, task.plan:
            case _, Republish(stored=stored):
                if stored is None:
                    return ()
                event = events_out.stored_announced(stored, self._model)
            case _, Rescore(stored=stored, safety=safety):
                event = events_out.stored_announced(stored, self._model, safety)
            case _, Retract(event=removal):
                event = events_out.post_retracted(removal, self._model)
            case CreatorProfiled() as profiled, _:
                bio = task.progress.captions.get(task.text_hash())
                event = events_out.profile_embedded(profiled, bio, self._model)
            case _:
                assert task.embedded is not None
                event = events_out.post_embedded(task.embedded, self._model)
        return (events_out.record_of(self._wire, event, task.item.record),)


def _parts(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """In order, so many that their pixels fit in memory at once: of a video there are as many as of eight pictures."""
    part: list[Task] = []
    media = 0
    for task in tasks:
        own = len(task.plan.event.media) if isinstance(task.plan, Embed) else 0
        if part and media + own > MEDIA_AT_ONCE:
            yield part
            part, media = [], 0
        part.append(task)
        media += own
    if part:
        yield part


def _post_ids(batch: Sequence[Item[Accepted]]) -> list[str]:
    return [item.event.post_id for item in batch if isinstance(item.event, PostPublished | PostRemoved | SafetyRevised)]


def _keep(progress: Progress, vectors: dict[str, V], hash_: str, vector: V | None) -> None:
    if vector is None:
        progress.unusable.add(hash_)
    else:
        vectors[hash_] = vector
