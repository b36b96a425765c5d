"""Events from what people and programs write: a line of a file, a body of the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import orjson
from pydantic import ValidationError

from workers.domain.events import (
    EVENT_BY_TYPE,
    BrandBriefed,
    Clicked,
    Converted,
    CreatorBooked,
    CreatorErased,
    CreatorOpened,
    CreatorProfiled,
    CreatorReinstated,
    CreatorShortlisted,
    Event,
    ImpressionsCounted,
    PostPublished,
    PostRemoved,
    Refunded,
    ShortlistViewed,
)
from workers.domain.events.envelope import NAMESPACE
from workers.domain.reasons import FieldError, InvalidEvent, Reason

_POSTS = (PostPublished, PostRemoved, CreatorErased, CreatorReinstated)
PUBLISHABLE: Final[Mapping[str, tuple[type[Event], ...]]] = MappingProxyType(
    {
        "posts": _POSTS,
        "posts.backfill": _POSTS,
        "profiles": (CreatorProfiled,),
        "brands": (BrandBriefed,),
        "decisions": (ShortlistViewed, CreatorOpened, CreatorShortlisted, CreatorBooked),
        "outcomes": (ImpressionsCounted, Clicked, Converted, Refunded),
    }
)
"""The topics that people may write to, and their events."""
DEFAULT_TYPE: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {"posts": PostPublished, "posts.backfill": PostPublished, "profiles": CreatorProfiled, "brands": BrandBriefed}
)
ENVELOPE: Final = frozenset({"type", "id", "key"})
"""What stands beside an event's own fields: its type, its CloudEvents id, and (checked, never needed) its key."""
_SHOWN: Final = 10


def parse_event(topic: str, raw: object) -> Event:
    """The event that ``raw`` (a JSON object) describes for ``topic``, which must be one of ``PUBLISHABLE``.

    ``type`` is the event's name, short or full; a topic with one usual event does without. Raises InvalidEvent naming
    every wrong field by its path, and ValueError for another topic.
    """
    if topic not in PUBLISHABLE:
        raise ValueError(f"{topic!r} is not a topic to publish to; there are: {', '.join(PUBLISHABLE)}")
    if not isinstance(raw, Mapping):
        raise InvalidEvent(Reason.INVALID_EVENT, f"an event is an object, not {_kind_of(raw)}")
    event_type = _type_of(topic, raw.get("type"))
    try:
        event = event_type.model_validate({name: value for name, value in raw.items() if name not in ENVELOPE})
    except ValidationError as error:
        raise invalid_event(error) from error
    if "key" in raw and raw["key"] != event.key():
        raise InvalidEvent(
            Reason.KEY_MISMATCH,
            f"key: {event_type.__name__} has the key {event.key()!r}",
            (FieldError("key", f"must be {event.key()!r}, or left out"),),
        )
    return event


def canonical_data(event: Event) -> bytes:
    """The event as JSON with sorted keys: equal events give equal bytes, however they were written."""
    return orjson.dumps(event.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)


def invalid_event(error: ValidationError) -> InvalidEvent:
    """Pydantic's errors as ours. Wrong values are not repeated: they may be personal data, and are in the record."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    if errors[0]["type"] == "json_invalid":
        return InvalidEvent(Reason.MALFORMED_JSON, errors[0]["msg"])
    fields = tuple(FieldError(".".join(map(str, item["loc"])), item["msg"]) for item in errors)
    shown = "; ".join(f"{field.field}: {field.message}" if field.field else field.message for field in fields[:_SHOWN])
    more = f"; and {len(fields) - _SHOWN} more" if len(fields) > _SHOWN else ""
    return InvalidEvent(Reason.INVALID_EVENT, shown + more, fields)


def _type_of(topic: str, name: object) -> type[Event]:
    allowed = PUBLISHABLE[topic]
    names = ", ".join(kind.__name__ for kind in allowed)
    if name is None:
        if topic in DEFAULT_TYPE:
            return DEFAULT_TYPE[topic]
        raise _wrong_type(Reason.MISSING_TYPE, f"{topic} needs one of {names}")
    if not isinstance(name, str):
        raise _wrong_type(Reason.UNKNOWN_TYPE, f"must be one of {names}")
    found = EVENT_BY_TYPE.get(name) or EVENT_BY_TYPE.get(f"{NAMESPACE}.{name}")
    if found is None:
        raise _wrong_type(Reason.UNKNOWN_TYPE, f"{name[:100]!r} is no event; {topic} takes {names}")
    if found not in allowed:
        raise _wrong_type(Reason.UNEXPECTED_TYPE, f"{found.__name__} does not belong on {topic}, which takes {names}")
    return found


def _wrong_type(reason: Reason, message: str) -> InvalidEvent:
    return InvalidEvent(reason, f"type: {message}", (FieldError("type", message),))


def _kind_of(value: object) -> str:
    if value is None or isinstance(value, bool):
        return orjson.dumps(value).decode()
    if isinstance(value, (list, str)):
        return "a list" if isinstance(value, list) else "a text"
    return "a number"
