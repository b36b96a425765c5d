"""What ``creators`` says of a creator against the objects that the indexer keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from workers.domain.events import CreatorUpdated
from workers.domain.stored import StoredObject
from workers.indexer.objects import CreatorObjects, creator_objects
from workers.indexer.settling import Thresholds, bio_may_wait, may_wait, moved
from workers.verify.differences import Difference, Kind, What, unlike, unlike_properties

Wanted = dict[tuple[Kind, UUID], StoredObject]


def wanted(event: CreatorUpdated, min_share: float, dimensions: int) -> Wanted:
    """The objects of a creator by kind and id. Raises InvalidEvent for an event that the indexer does not take."""
    objects: CreatorObjects = creator_objects(event, min_share, dimensions)
    found: Wanted = {("facet", facet.id): facet for facet in objects.facets}
    if objects.bio is not None:
        found["bio", objects.bio.id] = objects.bio
    return found | {("creator", objects.creator.id): objects.creator}


def compare_objects(
    event: CreatorUpdated,
    kind: Kind,
    expected: Mapping[UUID, StoredObject],
    found: Mapping[UUID, StoredObject],
    thresholds: Thresholds,
) -> Iterator[Difference]:
    """A creator's objects of one kind as they must be, and as they are in the store or are not."""
    for id_, one in expected.items():
        stored = found.get(id_)
        if stored is None:
            yield Difference("missing", kind, str(id_), event.creator_id, f"of revision {event.revision}")
        elif wrong := unlike(one, stored):
            what: What = "stale" if _revision(stored) < event.revision else "drifted"
            waits = _waits(kind, one, stored, thresholds)
            yield Difference(what, kind, str(id_), event.creator_id, "; ".join(wrong), waits=waits)


def _waits(kind: Kind, expected: StoredObject, stored: StoredObject, thresholds: Thresholds) -> bool:
    """Whether it is no farther off than it may be while its creator is open: Creator says its revision at once."""
    if kind == "facet":
        return may_wait(expected, stored, thresholds)
    if kind == "bio":
        return bio_may_wait(expected, stored, thresholds)
    return not any(unlike_properties(expected.properties, stored.properties)) and not moved(
        expected, stored, thresholds
    )


def _revision(stored: StoredObject) -> int:
    for name in ("revision_exact", "creator_revision", "revision"):
        value = stored.properties.get(name)
        if isinstance(value, str | int) and str(value).isdigit():
            return int(value)
    return 0
