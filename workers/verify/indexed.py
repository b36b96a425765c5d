"""What ``creators`` says of a creator against the objects that the indexer keeps."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from workers.domain.events import CreatorUpdated
from workers.domain.stored import StoredObject
from workers.indexer.objects import CreatorObjects, creator_objects
from workers.verify.differences import Difference, Kind, What, unlike

Wanted = dict[tuple[Kind, UUID], StoredObject]


def wanted(event: CreatorUpdated, min_share: float, dimensions: int) -> Wanted:
    """The objects of a creator by kind and id. Raises InvalidEvent for an event that the indexer does not take."""
    objects: CreatorObjects = creator_objects(event, min_share, dimensions)
    found: Wanted = {("facet", facet.id): facet for facet in objects.facets}
    if objects.bio is not None:
        found["bio", objects.bio.id] = objects.bio
    return found | {("creator", objects.creator.id): objects.creator}


def compare_objects(event: CreatorUpdated, expected: Wanted, found: Mapping[UUID, StoredObject]) -> list[Difference]:
    """Each of a creator's objects as it is in the store, or is not."""
    differences = []
    for (kind, id_), one in expected.items():
        stored = found.get(id_)
        if stored is None:
            detail = f"of revision {event.revision}"
            differences.append(Difference("missing", kind, str(id_), event.creator_id, detail))
        elif wrong := unlike(one, stored):
            what: What = "stale" if _revision(stored) < event.revision else "drifted"
            differences.append(Difference(what, kind, str(id_), event.creator_id, "; ".join(wrong)))
    return differences


def _revision(stored: StoredObject) -> int:
    for name in ("revision_exact", "creator_revision", "revision"):
        value = stored.properties.get(name)
        if isinstance(value, str | int) and str(value).isdigit():
            return int(value)
    return 0
