"""One JSON line for each thing that is stored: the format of ``streamscout state dump``.

``{"kind", "id", "revision"?, …}``: kinds are bio, creator, dead, facet, post, signal, update (what ``creators`` says
of a creator) and visual. Times of the events themselves are there; when a thing was received or written is not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson

from workers.domain.events import CreatorUpdated, FeedbackSignalled
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import from_bytes


def line(values: dict[str, Any]) -> bytes:
    """The line of a thing, its end included."""
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def object_values(kind: str, stored: StoredObject) -> dict[str, Any]:
    """An object: its properties by name, then ``vectors`` by name; ``revision`` exactly, however it is called."""
    properties = {name: _plain(value) for name, value in sorted(stored.properties.items())}
    values: dict[str, Any] = {"kind": kind, "id": str(stored.id)}
    if "revision_exact" in properties:
        properties["revision"] = int(str(properties["revision_exact"]))
    if (revision := properties.get("revision", properties.get("creator_revision"))) is not None:
        values["revision"] = revision
    return values | properties | {"vectors": dict(sorted(stored.vectors.items()))}


def update_values(event: CreatorUpdated) -> dict[str, Any]:
    """What ``creators`` says of a creator, vectors as numbers."""
    values = event.model_dump(mode="json")
    for name, data in (("recency_mean", event.recency_mean), ("bio", event.bio)):
        values[name] = _numbers(data)
    for shown, facet in zip(values["facets"], event.facets, strict=True):
        shown["vector"] = _numbers(facet.vector)
    return {"kind": "update", "id": event.creator_id, "revision": event.revision} | values


def signal_values(event: FeedbackSignalled) -> dict[str, Any]:
    """What ``signals`` says of a brand and a creator."""
    return {"kind": "signal", "id": event.key()} | event.model_dump(mode="json")


def dead_values(id_: str, worker: str, reason: str) -> dict[str, Any]:
    """A dead letter. Copies are one line; an event that is dead in two workers, or for two reasons, is two."""
    return {"kind": "dead", "id": id_, "worker": worker, "reason": reason}


def unreadable_values(kind: str, id_: str, reason: str) -> dict[str, Any]:
    """The newest record of a key, where no reader can make an event of it."""
    return {"kind": kind, "id": id_, "unreadable": reason}


def _numbers(data: bytes | None) -> np.ndarray[Any, Any] | None:
    return None if data is None else from_bytes(data)


def _plain(value: PropertyValue) -> PropertyValue:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
