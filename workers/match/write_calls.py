"""The calls that write: events onto Kafka, one or a list; nothing is written where any of a list is wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body

from workers.domain.events import CreatorErased
from workers.domain.reasons import InvalidEvent
from workers.match.answers import AcceptedAnswer
from workers.match.limits import JSON_BODY
from workers.match.problems import invalid
from workers.match.read_calls import Id, RoomsOf
from workers.match.requests import MAX_EVENTS
from workers.match.rooms import Rooms
from workers.wire.records import Unavailable

router = APIRouter(prefix="/v1", tags=["ingest"])
Topic = Literal["posts", "profiles", "brands", "decisions", "outcomes"]
Events = Annotated[
    Any, Body(description="An event, or a list of events; `type` names its kind where there are several")
]


@router.post("/posts", status_code=202, dependencies=[JSON_BODY])
async def posts(body: Events, rooms: RoomsOf) -> AcceptedAnswer:
    """Posts: `PostPublished`, `PostRemoved`, `CreatorErased`, `CreatorReinstated`."""
    return await _ingest("posts", body, rooms)


@router.post("/profiles", status_code=202, dependencies=[JSON_BODY])
async def profiles(body: Events, rooms: RoomsOf) -> AcceptedAnswer:
    """Creators' profiles: `CreatorProfiled`."""
    return await _ingest("profiles", body, rooms)


@router.post("/brands", status_code=202, dependencies=[JSON_BODY])
async def brands(body: Events, rooms: RoomsOf) -> AcceptedAnswer:
    """Brands' standing briefs: `BrandBriefed`."""
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
async def erase(creator_id: Id, rooms: RoomsOf) -> AcceptedAnswer:
    """Ask for a creator's erasure."""
    now = rooms.clock.now()
    event = CreatorErased(creator_id=creator_id, requested_at=now)
    name = f"erase:{creator_id}:{event.requested_at.isoformat()}"
    await rooms.outbox.publish("posts", event, id=name, time=now)
    return AcceptedAnswer(accepted=1, ids=[name])


async def _ingest(topic: Topic, body: object, rooms: Rooms) -> AcceptedAnswer:
    raws = body if isinstance(body, list) else [body]
    if len(raws) > MAX_EVENTS:
        raise invalid(f"{len(raws)} events; {MAX_EVENTS} at once are the most")
    report = await rooms.outbox.ingest(topic, raws, rooms.clock.now())
    if report.errors:
        errors = [item_error(index, error) for index, error in sorted(report.errors.items())]
        raise invalid(f"{len(errors)} of {len(raws)} events are not valid; none was taken", errors)
    if report.undelivered:
        index, reason = next(iter(sorted(report.undelivered.items())))
        taken = f"{len(report.accepted)} of {len(raws)} events were taken"
        raise Unavailable(f"Kafka: event {index}: {reason}; {taken}; a repeat is safe")
    return AcceptedAnswer(accepted=len(report.accepted), ids=list(report.accepted))


def item_error(index: int, error: InvalidEvent) -> dict[str, Any]:
    """What is wrong with one item: its place in the list, the code, and each field."""
    fields = [{"field": each.field, "message": each.message} for each in error.fields]
    return {"index": index, "code": str(error.reason), "message": error.detail, "fields": fields}
