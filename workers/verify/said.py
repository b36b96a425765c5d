"""Looks at rows, at what ``creators`` says, and at what the indexer keeps: in this order, each against the last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from workers.creators.rows import POST, creator_prefix
from workers.domain.events import CreatorUpdated
from workers.domain.reasons import InvalidEvent
from workers.verify.differences import COLLECTION, Difference, Kind
from workers.verify.folds import Row, compare_update, creator_of, updated_of
from workers.verify.indexed import Wanted, compare_objects, wanted
from workers.verify.look import Look
from workers.verify.posts import compare_row
from workers.wire.records import InRecord

_CREATORS = 100
"""Creators whose objects are held at once."""
INDEXED: tuple[Kind, ...] = ("facet", "creator", "bio")


def look_at_rows(look: Look) -> None:
    """Each row against its post, each creator's rows against what is said of the creator."""
    total = look.spool.count(look.topics.creator_rows)
    records = look.spool.newest(look.topics.creator_rows)
    for creator_id, group in groupby(records, lambda record: creator_of(record.key or b"")):
        rows = [(record.key or b"", record.value or b"") for record in group]
        look.count("row", total, len(rows))
        if creator_id is None:
            for key, _ in rows:
                look.wrong("drifted", "row", key.decode("utf-8", "backslashreplace"), "", "this is no row's key")
        elif creator_id and look.is_erased(creator_id):
            for key, _ in rows:
                row_id = (
                    f"{creator_id}/{key[len(creator_prefix(creator_id)) + 1 :].decode('utf-8', 'backslashreplace')}"
                )
                look.wrong("extra", "row", row_id, creator_id, "its creator is erased")
        elif creator_id and _rows_are_read(look, creator_id, rows):
            _look_at_update(look, creator_id, rows)
    for key, _ in look.spool.expectations("row"):
        if look.row(key) is None:
            creator_id = creator_of(key)
            assert creator_id is not None
            look.keep(_post_row(look, creator_id, key, None))


async def look_at_updates(look: Look) -> None:
    """Each thing said of a creator: whether there are rows, and what the indexer has made of it."""
    total = look.spool.count(look.topics.creators)
    page: list[tuple[CreatorUpdated, Wanted]] = []
    for record in look.spool.newest(look.topics.creators):
        look.count("update", total)
        creator_id = (record.key or b"").decode("utf-8", "backslashreplace")
        if look.spool.expected("update", record.key or b"") is None:
            look.wrong("extra", "update", creator_id, creator_id, "there are no rows")
        taken = _taken(look, creator_id, record)
        if taken is not None:
            page.append(taken)
        if len(page) == _CREATORS:
            await _page(look, page)
            page = []
    await _page(look, page)


async def look_at_objects(look: Look, kind: Kind) -> None:
    """Each object of the indexer's: whether anything is said that asks for it."""
    total = await look.listing.count(COLLECTION[kind])
    async for stored in look.listing.objects(COLLECTION[kind], vectors=False, properties=("creator_id",)):
        look.count(kind, total)
        creator_id = str(stored.properties.get("creator_id", ""))
        if creator_id not in look.unsaid and look.spool.expected(kind, stored.id.bytes) is None:
            look.wrong("extra", kind, str(stored.id), creator_id, f"nothing says it of {creator_id!r}")


def _rows_are_read(look: Look, creator_id: str, rows: Sequence[Row]) -> bool:
    """Each post's row against its post; whether all rows can be read, so that they can be folded."""
    readable = True
    prefix = creator_prefix(creator_id)
    for key, value in rows:
        if key.startswith(prefix + POST):
            found = _post_row(look, creator_id, key, value)
            look.keep(found)
            readable = readable and (found is None or (found.what, found.kind) != ("drifted", "row"))
    if not readable:
        # What must be said of the creator is not known, so what is said may be right.
        look.spool.expect("update", creator_id.encode())
    return readable


def _post_row(look: Look, creator_id: str, key: bytes, stored: bytes | None) -> Difference | None:
    post_id = key[len(creator_prefix(creator_id)) + len(POST) :].decode("utf-8", "backslashreplace")
    expected = look.spool.expected("row", key)
    return compare_row(creator_id, post_id, expected, stored, look.rules.fold.model_version)


def _look_at_update(look: Look, creator_id: str, rows: Sequence[Row]) -> None:
    key = creator_id.encode()
    try:
        expected = updated_of(creator_id, rows, look.rules.fold)
    except (ValueError, KeyError, TypeError) as error:
        look.wrong("drifted", "row", f"{creator_id}/", creator_id, f"the profile's row: {error}")
        look.spool.expect("update", key)
        return
    if expected is None:
        return
    look.spool.expect("update", key)
    record = look.spool.find(look.topics.creators, key)
    found = None if record is None else _read(look, record)
    # One that cannot be read is found when all that is said is looked at.
    if record is None or isinstance(found, CreatorUpdated):
        look.keep(compare_update(creator_id, expected, found if isinstance(found, CreatorUpdated) else None))


def _read(look: Look, record: InRecord) -> CreatorUpdated | InvalidEvent:
    try:
        return look.wire.read(record, (CreatorUpdated,))
    except InvalidEvent as error:
        return error


def _taken(look: Look, creator_id: str, record: InRecord) -> tuple[CreatorUpdated, Wanted] | None:
    """The event with the objects that it asks for, if the indexer can take it."""
    event = _read(look, record)
    if isinstance(event, InvalidEvent):
        detail = f"{event.reason}: {event.detail}"
    elif event.model_version != look.rules.fold.model_version:
        detail = f"of model {event.model_version}"
    else:
        try:
            return event, wanted(event, look.rules.min_share, look.rules.fold.dimensions)
        except InvalidEvent as error:
            detail = f"{error.reason}: {error.detail}"
    look.unsaid.add(creator_id)
    look.wrong("drifted", "update", creator_id, creator_id, detail)
    return None


async def _page(look: Look, page: Sequence[tuple[CreatorUpdated, Wanted]]) -> None:
    for kind in INDEXED:
        ids = [id_ for _, objects in page for of, id_ in objects if of == kind]
        found = await look.store.fetch(COLLECTION[kind], ids, vectors=True) if ids else {}
        for event, objects in page:
            mine = {id_: stored for (of, id_), stored in objects.items() if of == kind}
            for difference in compare_objects(event, kind, mine, found, look.rules.thresholds):
                look.keep(difference)
            for id_ in mine:
                look.spool.expect(kind, id_.bytes)
