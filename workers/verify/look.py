"""One look at everything: each store against what the one before it says, in the order in which the data flows.

Posts against their visuals, posts against rows, rows against ``creators``, ``creators`` against the indexer's objects;
facts against ``signals``. Held in memory: a page of posts with their visuals or of creators with their objects, the
rows of one creator, the facts of one pair, and the differences. All else is streamed, or lies in the spool on disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol
from uuid import UUID

from workers.creators.facets import FoldSettings
from workers.creators.rows import POST, creator_prefix, post_key, standing_key
from workers.domain.events import CreatorUpdated, FeedbackSignalled
from workers.domain.reasons import InvalidEvent
from workers.domain.stored import StoredObject
from workers.embedder.objects import stored_visual_ids
from workers.outcomes.attribution import Decay
from workers.verify.differences import COLLECTION, Difference, Kind
from workers.verify.folds import (
    Served,
    compare_signal,
    compare_update,
    creator_of,
    is_erased,
    pairs,
    signal_of,
    updated_of,
)
from workers.verify.indexed import Wanted, compare_objects, wanted
from workers.verify.posts import compare_post, compare_row, is_a_post
from workers.verify.progress import Told
from workers.verify.spool import Spool
from workers.wire.cloudevents import Wire
from workers.wire.records import InRecord

_POSTS, _CREATORS = 200, 100
"""Posts, and creators, whose objects are held at once."""
_INDEXED: tuple[Kind, ...] = ("facet", "creator", "bio")


class Listing(Protocol):
    """The collections of the model that serves."""

    def objects(
        self, collection: str, vectors: bool = True, properties: Sequence[str] | None = None
    ) -> AsyncIterator[StoredObject]: ...

    async def count(self, collection: str) -> int: ...


class Fetching(Protocol):
    """Objects by their ids."""

    async def fetch(self, collection: str, ids: Sequence[UUID], vectors: bool = False) -> dict[UUID, StoredObject]: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What the workers are set to: their results are functions of it."""

    fold: FoldSettings
    min_share: float
    decay: Decay


@dataclass(frozen=True, slots=True)
class Topics:
    """Full names."""

    creators: str
    creator_rows: str
    signals: str
    outcome_rows: str

    def all(self) -> list[str]:
        return [self.creators, self.creator_rows, self.signals, self.outcome_rows]


@dataclass(slots=True)
class Look:
    """``run`` fills ``differences`` and ``checked``, things looked at by kind. The spool holds the topics already."""

    listing: Listing
    store: Fetching
    spool: Spool
    wire: Wire
    topics: Topics
    rules: Rules
    told: Told
    differences: list[Difference] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    _unsaid: set[str] = field(default_factory=set)
    """Creators of whom ``creators`` says nothing that can be read: whatever is stored of them may be right."""

    async def run(self) -> None:
        """Compare everything."""
        await self._posts()
        await self._visuals()
        self._rows()
        await self._updates()
        for kind in _INDEXED:
            await self._indexed(kind)
        self._signals()
        # A thing may be seen to be wrong from both of its sides.
        self.differences = list({(each.kind, each.id): each for each in reversed(self.differences)}.values())[::-1]

    # Posts and visuals.

    async def _posts(self) -> None:
        total, page = await self.listing.count("Post"), []
        async for post in self.listing.objects("Post"):
            self._count("post", total)
            page.append(post)
            if len(page) == _POSTS:
                await self._page_of_posts(page)
                page = []
        await self._page_of_posts(page)

    async def _page_of_posts(self, page: Sequence[StoredObject]) -> None:
        model = self.rules.fold.model_version
        good = [post for post in page if self._belongs(post)]
        ids = [id_ for post in good for id_ in stored_visual_ids(post, model)]
        visuals = await self.store.fetch("Visual", ids, vectors=True) if ids else {}
        for post in good:
            found = compare_post(post, visuals, self.rules.fold)
            self.differences += found.differences
            for id_ in stored_visual_ids(post, model):
                self.spool.expect("visual", id_.bytes)
            if found.row is not None:
                self.spool.expect("row", post_key(found.creator_id, found.post_id), found.encode())

    def _belongs(self, post: StoredObject) -> bool:
        creator_id, post_id = (str(post.properties.get(name, "")) for name in ("creator_id", "post_id"))
        if not is_a_post(post, self.rules.fold.model_version):
            detail = "not an object that the embedder writes under this id"
        elif self._is_erased(creator_id):
            detail = "its creator is erased"
        else:
            return True
        self.differences.append(Difference("extra", "post", str(post.id), creator_id, detail, post_id))
        return False

    async def _visuals(self) -> None:
        total = await self.listing.count("Visual")
        async for visual in self.listing.objects("Visual", vectors=False, properties=("post_id", "creator_id")):
            self._count("visual", total)
            if self.spool.expected("visual", visual.id.bytes) is not None:
                continue
            creator_id, post_id = (str(visual.properties.get(name, "")) for name in ("creator_id", "post_id"))
            key = post_key(creator_id, post_id)
            lost = self.spool.expected("row", key) is None and self._row(key) is not None
            if lost and not self._is_erased(creator_id):
                # Of a post that is missing: mended, the post counts it again.
                continue
            detail = f"no post counts it (it says {post_id!r})"
            self.differences.append(Difference("extra", "visual", str(visual.id), creator_id, detail, post_id))

    # Rows and what is said of them.

    def _rows(self) -> None:
        total = self.spool.count(self.topics.creator_rows)
        records = self.spool.newest(self.topics.creator_rows)
        for creator_id, group in groupby(records, lambda record: creator_of(record.key or b"")):
            rows = [(record.key or b"", record.value or b"") for record in group]
            self.checked["row"] = self.checked.get("row", 0) + len(rows)
            self.told("rows", self.checked["row"], total)
            damaged = self._rows_of(creator_id, rows)
            if not damaged:
                self._update_of(creator_id, rows)
        for key, _ in self.spool.expectations("row"):
            if self._row(key) is None:
                self._post_row(key, None)

    def _rows_of(self, creator_id: str, rows: Sequence[tuple[bytes, bytes]]) -> bool:
        """Each post's row against its post; whether one of the rows cannot be read."""
        damaged = False
        erased = self._is_erased(creator_id)
        for key, value in rows:
            if erased and key != standing_key(creator_id):
                name = key[len(creator_prefix(creator_id)) :].decode("utf-8", "replace")
                row_id = f"{creator_id}/{name}"
                self.differences.append(Difference("extra", "row", row_id, creator_id, "its creator is erased"))
            elif key.startswith(creator_prefix(creator_id) + POST):
                found = self._post_row(key, value)
                damaged = damaged or (found is not None and (found.what, found.kind) == ("drifted", "row"))
        return damaged

    def _post_row(self, key: bytes, stored: bytes | None) -> Difference | None:
        creator_id = creator_of(key)
        post_id = key[len(creator_prefix(creator_id)) + len(POST) :].decode()
        expected = self.spool.expected("row", key)
        found = compare_row(creator_id, post_id, expected, stored, self.rules.fold.model_version)
        if found is not None:
            self.differences.append(found)
        return found

    def _update_of(self, creator_id: str, rows: Sequence[tuple[bytes, bytes]]) -> None:
        try:
            expected = updated_of(creator_id, rows, self.rules.fold)
        except ValueError as error:
            self.differences.append(Difference("drifted", "row", f"{creator_id}/", creator_id, str(error)))
            return
        if expected is None:
            return
        self.spool.expect("update", creator_id.encode())
        record = self.spool.find(self.topics.creators, creator_id.encode())
        found = None if record is None else self._said(record)
        if record is None or found is not None:
            self._keep(compare_update(creator_id, expected, found))

    def _said(self, record: InRecord) -> CreatorUpdated | None:
        try:
            return self.wire.read(record, (CreatorUpdated,))
        except InvalidEvent:
            return None

    # What is said and what is indexed.

    async def _updates(self) -> None:
        total, page = self.spool.count(self.topics.creators), []
        for record in self.spool.newest(self.topics.creators):
            self._count("update", total)
            creator_id = (record.key or b"").decode("utf-8", "replace")
            if self.spool.expected("update", record.key or b"") is None:
                self.differences.append(Difference("extra", "update", creator_id, creator_id, "there are no rows"))
            event = self._taken(creator_id, record)
            if event is not None:
                page.append(event)
            if len(page) == _CREATORS:
                await self._page_of_creators(page)
                page = []
        await self._page_of_creators(page)

    def _taken(self, creator_id: str, record: InRecord) -> tuple[CreatorUpdated, Wanted] | None:
        """The event with the objects that it asks for, if the indexer can take it."""
        try:
            event = self.wire.read(record, (CreatorUpdated,))
            if event.model_version == self.rules.fold.model_version:
                return event, wanted(event, self.rules.min_share, self.rules.fold.dimensions)
            detail = f"of model {event.model_version}"
        except InvalidEvent as error:
            detail = f"{error.reason}: {error.detail}"
        self._unsaid.add(creator_id)
        self.differences.append(Difference("drifted", "update", creator_id, creator_id, detail))
        return None

    async def _page_of_creators(self, page: Sequence[tuple[CreatorUpdated, Wanted]]) -> None:
        found: dict[UUID, StoredObject] = {}
        for kind in _INDEXED:
            ids = [id_ for _, objects in page for of, id_ in objects if of == kind]
            found |= await self.store.fetch(COLLECTION[kind], ids, vectors=True) if ids else {}
        for event, objects in page:
            self.differences += compare_objects(event, objects, found)
            for kind, id_ in objects:
                self.spool.expect(kind, id_.bytes)

    async def _indexed(self, kind: Kind) -> None:
        total = await self.listing.count(COLLECTION[kind])
        async for stored in self.listing.objects(COLLECTION[kind], vectors=False, properties=("creator_id",)):
            self._count(kind, total)
            creator_id = str(stored.properties.get("creator_id", ""))
            if creator_id not in self._unsaid and self.spool.expected(kind, stored.id.bytes) is None:
                detail = f"nothing says it of {creator_id!r}"
                self.differences.append(Difference("extra", kind, str(stored.id), creator_id, detail))

    # Facts and signals.

    def _signals(self) -> None:
        for brand_id, creator_id, rows in pairs(self.spool.scan(self.topics.outcome_rows, b"p\x1f")):
            self._count("pair", None)
            key = f"{brand_id}|{creator_id}".encode()
            served = Served(self.spool, self.topics.outcome_rows, brand_id, creator_id)
            expected = signal_of(brand_id, creator_id, rows, served, self.rules.decay)
            record = self.spool.find(self.topics.signals, key)
            if expected is None:
                continue
            self.spool.expect("signal", key)
            if record is None:
                self._keep(compare_signal(brand_id, creator_id, expected, None))
                continue
            try:
                found = self.wire.read(record, (FeedbackSignalled,))
            except InvalidEvent as error:
                pair = key.decode()
                self.differences.append(Difference("drifted", "signal", pair, brand_id, str(error.reason)))
            else:
                self._keep(compare_signal(brand_id, creator_id, expected, found))
        total = self.spool.count(self.topics.signals)
        for record in self.spool.newest(self.topics.signals):
            self._count("signal", total)
            if self.spool.expected("signal", record.key or b"") is None:
                pair = (record.key or b"").decode("utf-8", "replace")
                detail = "nothing counts for it"
                self.differences.append(Difference("extra", "signal", pair, pair.split("|")[0], detail))

    # What all of them ask.

    def _row(self, key: bytes) -> bytes | None:
        record = self.spool.find(self.topics.creator_rows, key)
        return None if record is None else record.value

    def _is_erased(self, creator_id: str) -> bool:
        return is_erased(self._row(standing_key(creator_id)))

    def _keep(self, found: Difference | None) -> None:
        if found is not None:
            self.differences.append(found)

    def _count(self, kind: str, total: int | None) -> None:
        self.checked[kind] = self.checked.get(kind, 0) + 1
        self.told(f"{kind}s", self.checked[kind], total)
