"""Carries a plan out: records for the owners to read, and what verify deletes or writes itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from workers.creators.rows import POST, PostRow, ProfileRow, creator_prefix, post_key, profile_key
from workers.domain.events import (
    CreatorBooked,
    CreatorErased,
    CreatorOpened,
    CreatorShortlisted,
    Event,
    Outcome,
    PostPublished,
    PostRemoved,
    ProfileEmbedded,
    SafetyRevised,
)
from workers.domain.ids import post_object_id, signal_id
from workers.domain.reasons import InvalidEvent
from workers.domain.stored import Store, StoredObject
from workers.embedder.events_out import Announced, record_of, stored_announced
from workers.embedder.objects import all_visual_ids, read_post, stored_visual_ids
from workers.embedder.plan import StoredPost, rank_of
from workers.outcomes.facts import pair_prefix
from workers.verify.folds import signal_of
from workers.verify.look import Rules, Topics
from workers.verify.repair import Pair, Plan
from workers.verify.signals import naming, pairs, shown_by
from workers.verify.spool import Spool
from workers.wire.cloudevents import Wire
from workers.wire.records import InRecord, OutRecord, Position, Producer, wait_acknowledged

RowRank = tuple[int, bool, bytes]
"""(revision, removed, tie), as of ``creators.rows.PostRow``: what of a post stands is known by it."""
_LOWEST: RowRank = (-1, False, b"")
ReadTopics = Callable[[Sequence[str]], Iterator[InRecord]]
"""All records of some topics, named without the namespace."""
_SAID = ("posts", "posts.backfill", "embeddings", "creators", "signals", "decisions", "outcomes")
MENDS = frozenset({*_SAID, "creators.changelog", "outcomes.changelog"})
"""The topics that are written to: ``schemas/topics.yaml`` says so of each, ``mended_by``."""
_SOURCES, _OUTCOMES = ("posts", "posts.backfill"), ("outcomes", "decisions")
_POSTS: tuple[type[Event], ...] = (PostPublished, PostRemoved)
_TEACHES: tuple[type[Event], ...] = (CreatorOpened, CreatorShortlisted, CreatorBooked, Outcome)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = 60.0
_CHUNK = 200


@dataclass(slots=True)
class Mender:
    """``mend`` returns how many of each thing were done. Raises Unavailable; what was done until then stays done."""

    store: Store
    spool: Spool
    wire: Wire
    producer: Producer
    read: ReadTopics
    topics: Topics
    rules: Rules
    erased_at: Callable[[str], int | None]
    now: datetime
    done: dict[str, int] = field(default_factory=dict)
    _sent: list[Future[None]] = field(default_factory=list)

    async def mend(self, plan: Plan) -> dict[str, int]:
        """Do what the plan says; everything written is acknowledged on return."""
        await self._publish_posts(plan)
        for collection, ids in plan.delete.items():
            await self.store.delete(collection, sorted(ids))
            self._did(f"{collection} objects deleted", len(ids))
        self._rescore(plan.rescored)
        await self._announce(plan.rows)
        await self._say_again(plan)
        self._signal_again(plan.pairs)
        self._erase_again(plan)
        for topic, keys in plan.tombstones.items():
            for key in sorted(keys):
                self._send(self.wire.tombstone(topic, key), f"tombstones on {topic}")
        self._acknowledged()
        return self.done

    # Posts, from their own events.

    async def _publish_posts(self, plan: Plan) -> None:
        if not plan.posts:
            return
        sources = await self._sources(plan.posts)
        model = self.rules.fold.model_version
        anew = sorted(plan.anew & sources.keys())
        visuals = [id_ for post_id in anew for id_ in all_visual_ids(post_id, model)]
        visuals += [id_ for id_, post_id in plan.visuals.items() if post_id in sources]
        await self.store.delete("Visual", visuals)
        await self.store.delete("Post", [post_object_id(post_id, model) for post_id in anew])
        for post_id in sorted(sources):
            self._send(sources[post_id], "posts published again")

    async def _sources(self, wanted: Mapping[str, str]) -> dict[str, OutRecord]:
        """The event that stands of each post, as it lies on its topic; a removal that is gone is made from its row.

        Which one stands say the stored post and its row. A newer one may lie there that was dead: it would be again.
        """
        standing = await self._standing(wanted)
        best: dict[str, tuple[RowRank, OutRecord]] = {}
        for record in self.read(_SOURCES):
            event = self._event(record, _POSTS)
            if not isinstance(event, PostPublished | PostRemoved) or event.post_id not in wanted:
                continue
            rank, known = _row_rank(*rank_of(event)), standing.get(event.post_id)
            if rank == known or (known is None and rank > best.get(event.post_id, (_LOWEST, None))[0]):
                best[event.post_id] = (rank, _copy(record, event))
        found = {post_id: record for post_id, (_, record) in best.items()}
        for post_id in standing.keys() - found.keys():
            revision, removed, _ = standing[post_id]
            if removed:
                removal = PostRemoved(post_id=post_id, creator_id=wanted[post_id], revision=revision)
                found[post_id] = self.wire.record("posts", removal, id=f"verify-{post_id}-{revision}", time=self.now)
        return found

    async def _standing(self, wanted: Mapping[str, str]) -> dict[str, RowRank]:
        """The rank of the event that stands, of those posts of which anything is known."""
        found: dict[str, RowRank] = {}
        for post_ids in _chunks(sorted(wanted)):
            for post_id, post in (await self._stored(post_ids)).items():
                found[post_id] = _row_rank(*post.rank())
        for post_id, creator_id in wanted.items():
            row = self._post_row(creator_id, post_id)
            if row is not None:
                found[post_id] = max(found.get(post_id, row.rank()), row.rank())
        return found

    def _rescore(self, posts: Mapping[str, str]) -> None:
        revision = self.rules.scoring.revision
        for post_id, creator_id in sorted(posts.items()):
            event = SafetyRevised(post_id=post_id, creator_id=creator_id, safety_revision=revision)
            name = f"verify-safety-{post_id}-{revision}"
            self._send(self.wire.record("posts.backfill", event, id=name, time=self.now), "posts to be scored again")

    # Announcements.

    async def _announce(self, rows: Mapping[str, str]) -> None:
        for post_ids in _chunks(sorted(rows)):
            for post in (await self._stored(post_ids)).values():
                if post.removed or post.whole():
                    self._embedded(stored_announced(post, self.rules.fold.model_version))

    async def _say_again(self, plan: Plan) -> None:
        """By what costs least: the profile, else any post that is whole. One that has neither stays as it is."""
        for creator_id in sorted(plan.creators):
            event = self._profile(creator_id) or await self._any_post(creator_id)
            if event is None:
                continue
            if creator_id in plan.ahead:
                await self.store.delete("Creator", [plan.ahead[creator_id]])
            self._embedded(event)

    async def _any_post(self, creator_id: str) -> Announced | None:
        for post_ids in _chunks(self._post_ids(creator_id)):
            for post in (await self._stored(post_ids)).values():
                if post.removed or post.whole():
                    return stored_announced(post, self.rules.fold.model_version)
        return None

    def _profile(self, creator_id: str) -> ProfileEmbedded | None:
        stored = self.spool.find(self.topics.creator_rows, profile_key(creator_id))
        if stored is None:
            return None
        try:
            row = ProfileRow.decode(stored.value or b"")
        except (ValueError, KeyError, TypeError):
            return None
        model = self.rules.fold.model_version
        return ProfileEmbedded(
            creator_id=creator_id, revision=row.revision, model_version=model, profile=row.profile, bio=row.bio
        )

    def _post_ids(self, creator_id: str) -> list[str]:
        prefix = creator_prefix(creator_id) + POST
        keys = [record.key or b"" for record in self.spool.scan(self.topics.creator_rows, prefix)]
        return [key[len(prefix) :].decode() for key in keys]

    async def _stored(self, post_ids: Sequence[str]) -> dict[str, StoredPost]:
        model = self.rules.fold.model_version
        posts: dict[UUID, StoredObject] = await self.store.fetch(
            "Post", [post_object_id(post_id, model) for post_id in post_ids], vectors=True
        )
        ids = [id_ for post in posts.values() for id_ in stored_visual_ids(post, model)]
        visuals = await self.store.fetch("Visual", ids, vectors=True) if ids else {}
        found = {}
        for post in posts.values():
            try:
                found[str(post.properties["post_id"])] = read_post(post, visuals, model)
            except (ValueError, KeyError):
                # Damaged itself: its own event mends it.
                continue
        return found

    def _embedded(self, event: Announced) -> None:
        source = InRecord(Position("", 0, 0), None, None, (), round(self.now.timestamp() * 1000))
        self._send(record_of(self.wire, event, source), "announcements")

    # Signals.

    def _signal_again(self, wanted: Collection[Pair]) -> None:
        if not wanted:
            return
        left = set(wanted)
        for record in self.read(_OUTCOMES):
            event = self._event(record, _TEACHES) if left else None
            if event is None:
                continue
            pair = (getattr(event, "brand_id", ""), getattr(event, "creator_id", ""))
            if pair in left:
                left.discard(pair)
                self._send(_copy(record, event), "decisions and outcomes published again")
        for brand_id, creator_id in sorted(left):
            self._write_signal(brand_id, creator_id)

    def _write_signal(self, brand_id: str, creator_id: str) -> None:
        """From the facts: none of the pair's events is kept any more, so the owner cannot be asked."""
        rows = self.spool.scan(self.topics.outcome_rows, pair_prefix(brand_id, creator_id))
        served = shown_by(self.spool, self.topics, brand_id, creator_id)
        for _, _, facts in pairs(rows):
            signal = signal_of(brand_id, creator_id, facts, served, self.rules.decay)
            if signal is not None:
                name = str(signal_id(brand_id, creator_id, signal.model_dump_json()))
                self._send(self.wire.record("signals", signal, id=name, time=self.now), "signals written from facts")

    # Erased creators.

    def _erase_again(self, plan: Plan) -> None:
        """As it was said: what was said later stands above it, so that nobody is erased who was reinstated."""
        for creator_id in sorted(plan.erased):
            for row in list(self.spool.scan(self.topics.creator_rows, creator_prefix(creator_id))):
                self._gone(row)
            self._send(self._erasure("embeddings", creator_id), "erasures said again")
        lies: set[tuple[str, int]] = set()
        for row, brand_id, owner, creators in naming(self.spool, self.topics) if plan.forgotten else ():
            if (brand_id, owner) in plan.forgotten:
                self._gone(row)
            lies |= {(each, row.position.partition) for each in creators if (brand_id, each) in plan.forgotten}
        for creator_id, partition in sorted(lies):
            again = replace(self._erasure("outcomes", creator_id), partition=partition)
            self._send(again, "erasures said again")

    def _gone(self, row: InRecord) -> None:
        self._send(OutRecord(row.position.topic, row.key, None, partition=row.position.partition), "rows deleted")

    def _erasure(self, topic: str, creator_id: str) -> OutRecord:
        at_ms = self.erased_at(creator_id) or 0
        erased = CreatorErased(creator_id=creator_id, requested_at=_EPOCH + timedelta(milliseconds=at_ms))
        return self.wire.record(topic, erased, id=f"verify-erased-{at_ms}", time=self.now)

    # What all of them do.

    def _event(self, record: InRecord, accepted: tuple[type[Event], ...]) -> Event | None:
        """The event of a record, whatever its key; None for what is no such event."""
        try:
            return self.wire.event(record, accepted)
        except InvalidEvent:
            return None

    def _post_row(self, creator_id: str, post_id: str) -> PostRow | None:
        record = self.spool.find(self.topics.creator_rows, post_key(creator_id, post_id))
        try:
            return None if record is None else PostRow.decode(record.value or b"")
        except ValueError:
            return None

    def _acknowledged(self) -> None:
        try:
            wait_acknowledged(self.producer, self._sent, _SECONDS)
        finally:
            self._sent.clear()

    def _send(self, record: OutRecord, name: str) -> None:
        self._sent.append(self.producer.send(record))
        self._did(name, 1)

    def _did(self, name: str, count: int) -> None:
        self.done[name] = self.done.get(name, 0) + count


def _row_rank(revision: int, removed: bool, event_hash: str) -> RowRank:
    """The rank of an event as its row has it; the lowest of its revision where the hash is damaged."""
    if removed:
        return revision, removed, bytes(8)
    try:
        return revision, removed, bytes.fromhex(event_hash[:16])
    except ValueError:
        return revision, removed, b""


def _copy(record: InRecord, event: Event) -> OutRecord:
    """The record as it was, for its own topic, under the event's own key: it may have lain under another."""
    return OutRecord(record.position.topic, event.key().encode(), record.value, record.headers)


def _chunks(items: Iterable[str]) -> Iterator[list[str]]:
    kept = list(items)
    for start in range(0, len(kept), _CHUNK):
        yield kept[start : start + _CHUNK]
