"""Embeddings in; one CreatorUpdated for each out. At least once; the same set of events, the same creator."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol
from uuid import UUID

from workers.creators.facets import FoldSettings
from workers.creators.fold import Fold, fold_rows, read_rows, with_new_post, with_post, with_profile, with_scores
from workers.creators.rows import (
    PostRow,
    ProfileRow,
    creator_prefix,
    newer,
    post_key,
    post_row,
    profile_key,
    profile_row,
    standing_key,
)
from workers.creators.updates import creator_updated, update_id
from workers.domain.erasure import ErasureKey
from workers.domain.events import (
    CreatorErased,
    CreatorReinstated,
    CreatorUpdated,
    Event,
    PostEmbedded,
    PostRetracted,
    ProfileEmbedded,
)
from workers.domain.reasons import Reason
from workers.metrics import ERASED_EVENTS
from workers.wire.records import Dead, InRecord, Item, OutRecord
from workers.wire.standing import Standing, standing_after

ACCEPTED: tuple[type[Event], ...] = (PostEmbedded, PostRetracted, ProfileEmbedded, CreatorErased, CreatorReinstated)


class Table(Protocol):
    """The rows of the event's partition."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]: ...


class Emitter(Protocol):
    """Makes the records for the topic ``creators``."""

    def updated(self, item: Item[Event], update: CreatorUpdated, event_id: UUID) -> OutRecord:
        """The update that ``item`` led to; ``event_id`` becomes its CloudEvents id."""
        ...

    def erased(self, creator_id: str) -> OutRecord:
        """The tombstone."""
        ...


class Creators:
    """Keeps facts in the table, and folds in a bounded cache: a creator's rows are scanned at the first touch.

    ``key``: the row that stays of an erased creator must not name them.
    """

    def __init__(self, settings: FoldSettings, emitter: Emitter, key: ErasureKey, cache_bytes: int = 1 << 29) -> None:
        self._settings, self._emitter, self._key, self._most = settings, emitter, key, cache_bytes
        self._folds: OrderedDict[str, Fold] = OrderedDict()
        self._held = 0

    def forget(self) -> None:
        """Drop the cache: partitions were taken away, and another process may write their rows."""
        self._folds.clear()
        self._held = 0

    def handle(self, item: Item[Event], table: Table) -> list[OutRecord] | Dead:
        """The creator as it is with this event, published; its row is written whether it is news or not (law 8).

        Events of an erased creator change nothing and lead to nothing, until the creator is reinstated; nor does ever
        what was overtaken by then. They are no dead letters either: those would keep what is to be forgotten.
        """
        event = item.event
        if isinstance(event, CreatorErased | CreatorReinstated):
            return self._stand(item, event, table)
        if not isinstance(event, PostEmbedded | PostRetracted | ProfileEmbedded):
            return Dead(Reason.UNEXPECTED_TYPE, f"creators does not read {type(event).__name__}")
        if self._shut_out(event.creator_id, item.record, table):
            ERASED_EVENTS.labels("creators").inc()
            return []
        if event.model_version != self._settings.model_version:
            ours = self._settings.model_version
            return Dead(Reason.WRONG_MODEL_VERSION, f"vectors of {event.model_version}; this process handles {ours}")
        try:
            row = self._row(event)
        except ValueError as error:
            return Dead(Reason.INVALID_EVENT, str(error))
        if isinstance(row, ProfileRow):
            fold = self._with_profile(event.creator_id, row, table)
        else:
            assert not isinstance(event, ProfileEmbedded)
            fold = self._with_post(event.creator_id, event.post_id, row, table)
        return [self._said(item, fold)]

    def _said(self, item: Item[Event], fold: Fold) -> OutRecord:
        update = creator_updated(fold, self._settings)
        return self._emitter.updated(item, update, update_id(fold, self._settings.model_version))

    def _row(self, event: PostEmbedded | PostRetracted | ProfileEmbedded) -> PostRow | ProfileRow:
        """The fact that the event states. Raises ValueError for a vector of no use."""
        if isinstance(event, ProfileEmbedded):
            return profile_row(event, self._settings.dimensions)
        return post_row(event, self._settings.caption_weight, self._settings.dimensions)

    def _with_post(self, creator_id: str, post_id: str, row: PostRow, table: Table) -> Fold:
        key = post_key(creator_id, post_id)
        stored = table.get(key)
        old = None if stored is None else PostRow.decode(stored)
        stays = newer(old, row)
        fold = self._fold(creator_id, table)
        table.put(key, stays.encode())
        if stays is old:
            return fold
        if old is None:
            grown = with_new_post(fold, post_id, stays, self._settings)
        else:
            grown = with_scores(fold, post_id, old, stays)

        def row_of(post: str) -> PostRow:
            value = table.get(post_key(creator_id, post))
            assert value is not None, "a fold knows of rows alone"
            return PostRow.decode(value)

        return self._cache(grown or with_post(fold, post_id, old, stays, self._settings, row_of))

    def _with_profile(self, creator_id: str, row: ProfileRow, table: Table) -> Fold:
        key = profile_key(creator_id)
        stored = table.get(key)
        old = None if stored is None else ProfileRow.decode(stored)
        stays = newer(old, row)
        fold = self._fold(creator_id, table)
        table.put(key, stays.encode())
        return fold if stays is old else self._cache(with_profile(fold, stays))

    def _stand(self, item: Item[Event], event: CreatorErased | CreatorReinstated, table: Table) -> list[OutRecord]:
        """Erase: every row of the creator goes, and their last event. Reinstate: what comes from here on counts.

        The tombstone of an erasure that changes nothing any more may have been lost by a crash: it is said again, and
        the creator with the rows there are.
        """
        creator_id = event.creator_id
        before = self._standing(creator_id, table)
        after = standing_after(before, event, item.record)
        table.put(standing_key(self._key.hash(creator_id)), after.encode())
        if isinstance(event, CreatorReinstated):
            return []
        if after is not before:
            for row, _ in list(table.scan(creator_prefix(creator_id))):
                table.delete(row)
            self._drop(creator_id)
        records = [self._emitter.erased(creator_id)]
        if not after.erased:
            fold = self._fold(creator_id, table)
            records += [self._said(item, fold)] if fold.known or fold.profile else []
        return records

    def _standing(self, creator_id: str, table: Table) -> Standing | None:
        stored = table.get(standing_key(self._key.hash(creator_id)))
        return None if stored is None else Standing.decode(stored)

    def _shut_out(self, creator_id: str, record: InRecord, table: Table) -> bool:
        """Whether the creator is erased, or was after this record."""
        standing = self._standing(creator_id, table)
        return standing is not None and standing.shuts_out(record)

    # The cache.

    def _fold(self, creator_id: str, table: Table) -> Fold:
        fold = self._folds.get(creator_id)
        if fold is None:
            return self._cache(self._folded(creator_id, table))
        self._folds.move_to_end(creator_id)
        return fold

    def _folded(self, creator_id: str, table: Table) -> Fold:
        rows = read_rows(creator_id, table.scan(creator_prefix(creator_id)))
        return fold_rows(creator_id, rows, self._settings)

    def _cache(self, fold: Fold) -> Fold:
        self._drop(fold.creator_id)
        self._folds[fold.creator_id] = fold
        self._held += fold.size
        while self._held > self._most and len(self._folds) > 1:
            self._drop(next(iter(self._folds)))
        return fold

    def _drop(self, creator_id: str) -> None:
        fold = self._folds.pop(creator_id, None)
        if fold is not None:
            self._held -= fold.size
