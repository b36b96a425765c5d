"""The calls that write: events onto Kafka, one or a list; nothing is written where any of a list is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Body, Depends

from workers.domain.erasure import recorded
from workers.domain.events import BrandBriefed, CreatorErased, CreatorReinstated
from workers.domain.parse import parse_event
from workers.domain.reasons import FieldError, InvalidEvent, Reason
from workers.match.access import Caller, caller_of
from workers.match.answers import AcceptedAnswer
from workers.match.keys import Scope
from workers.match.limits import JSON_BODY
from workers.match.problems import PROBLEMS, invalid, untaken
from workers.match.read_calls import Id, RoomsOf
from workers.match.requests import MAX_EVENTS
from workers.match.rooms import Rooms
from workers.match.safety import version_conflict

log = structlog.get_logger()
router = APIRouter(prefix="/v1", tags=["ingest"], responses=PROBLEMS)
CallerOf = Annotated[Caller, Depends(caller_of)]
Topic = Literal["posts", "profiles", "brands", "decisions", "outcomes"]
Events = Annotated[
    Any, Body(description="An event, or a list of events; `type` names its kind where there are several")
]


@router.post("/posts", status_code=202, dependencies=[JSON_BODY])
async def posts(body: Events, rooms: RoomsOf, caller: CallerOf) -> AcceptedAnswer:
    """Posts: `PostPublished`, `PostRemoved`; with the scope `admin` also `CreatorErased`, `CreatorReinstated`."""
    if any(_concerns_erasure(raw) for raw in (body if isinstance(body, list) else [body])):
        caller.check(Scope.ADMIN)
    return await _ingest("posts", body, rooms, caller)


@router.post("/profiles", status_code=202, dependencies=[JSON_BODY])
async def profiles(body: Events, rooms: RoomsOf) -> AcceptedAnswer:
    """Creators' profiles: `CreatorProfiled`."""
    return await _ingest("profiles", body, rooms)


@router.post("/brands", status_code=202, dependencies=[JSON_BODY])
async def brands(body: Events, rooms: RoomsOf) -> AcceptedAnswer:
    """Brands' standing briefs: `BrandBriefed`. A `safety_policy` with other rules takes a greater `version`."""
    _check_policies(body if isinstance(body, list) else [body], rooms)
    return await _ingest("brands", body, rooms)


@router.post("/decisions", status_code=202, dependencies=[JSON_BODY])
async def decisions(body: Events, rooms: RoomsOf) -> AcceptedAnswer:
    """What a brand did with a shortlist: `ShortlistViewed`, `CreatorOpened`, `CreatorShortlisted`, `CreatorBooked`."""
    return await _ingest("decisions", body, rooms)


@router.post("/outcomes", status_code=202, dependencies=[JSON_BODY])
async def outcomes(body: Events, rooms: RoomsOf) -> AcceptedAnswer:
    """What consumers did: `ImpressionsCounted`, `Clicked`, `Converted`, `Refunded`."""
    return await _ingest("outcomes", body, rooms)


@router.delete("/creators/{creator_id:path}", status_code=202, tags=["creators"])
async def erase(creator_id: Id, rooms: RoomsOf, caller: CallerOf) -> AcceptedAnswer:
    """Erase a creator, known or not: from now on nothing of it is shown, and whatever is kept is deleted.

    Events of it that come later have no effect, until `CreatorReinstated` is published.
    """
    now, known = rooms.clock.now(), rooms.erasures.rank(creator_id)[0]
    # Later than whatever was said before: the clock of another process may be ahead of ours.
    at = max(now, datetime.fromtimestamp((known + 1) / 1000, UTC))
    raw = {"type": CreatorErased.__name__, "creator_id": creator_id, "requested_at": at.isoformat()}
    return await _ingest("posts", raw, rooms, caller)


def _concerns_erasure(raw: object) -> bool:
    """By what it calls itself: an event that is given no type on `posts` is a publication."""
    kind = raw.get("type") if isinstance(raw, Mapping) else None
    return isinstance(kind, str) and kind.rpartition(".")[2] in (CreatorErased.__name__, CreatorReinstated.__name__)


def _check_policies(raws: Sequence[object], rooms: Rooms) -> None:
    """Against the briefs that stand here and those before it in the list; what else is wrong is told when taken."""
    errors, newest = [], dict[str, BrandBriefed]()
    for index, raw in enumerate(raws[:MAX_EVENTS]):
        if not isinstance(raw, Mapping):
            continue
        with suppress(InvalidEvent):
            event = parse_event("brands", raw)
            assert isinstance(event, BrandBriefed)
            standing = newest.get(event.brand_id) or rooms.brands.get(event.brand_id)
            if standing is None or event.revision >= standing.revision:
                newest[event.brand_id] = event
            if (conflict := version_conflict(standing, event)) is not None:
                field = FieldError("safety_policy.version", conflict)
                error = InvalidEvent(Reason.INVALID_EVENT, f"{field.field}: {conflict}", (field,))
                errors.append(item_error(index, error))
    if errors:
        raise invalid(f"{len(errors)} of {len(raws)} events are not valid; none was taken", errors)


async def _ingest(topic: Topic, body: object, rooms: Rooms, caller: Caller | None = None) -> AcceptedAnswer:
    raws = body if isinstance(body, list) else [body]
    if len(raws) > MAX_EVENTS:
        raise invalid(f"{len(raws)} events; {MAX_EVENTS} at once are the most")
    report = await rooms.outbox.ingest(topic, raws, rooms.clock.now(), caller.key if caller else None)
    if report.errors:
        errors = [item_error(index, error) for index, error in sorted(report.errors.items())]
        raise invalid(f"{len(errors)} of {len(raws)} events are not valid; none was taken", errors)
    if report.undelivered:
        index, reason = next(iter(sorted(report.undelivered.items())))
        log.warning("events were not taken", topic=topic, events=len(report.undelivered), first=index, reason=reason)
        raise untaken(len(report.accepted), len(raws))
    for event in report.events:
        # Our own word is good before it comes back from Kafka.
        if isinstance(event, CreatorErased | CreatorReinstated):
            rooms.erasures.put(recorded(event, rooms.erasures.key))
    return AcceptedAnswer(accepted=len(report.accepted), ids=list(report.accepted))


def item_error(index: int, error: InvalidEvent) -> dict[str, Any]:
    """What is wrong with one item: its place in the list, the code, and each field."""
    fields = [{"field": each.field, "message": each.message} for each in error.fields]
    return {"index": index, "code": str(error.reason), "message": error.detail, "fields": fields}
