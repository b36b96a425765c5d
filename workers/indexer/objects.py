"""A creator's objects as a function of their newest event."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from workers.domain.events import CreatorUpdated, Facet
from workers.domain.filters import canonical_json, filter_fields
from workers.domain.ids import bio_object_id, creator_object_id
from workers.domain.reasons import InvalidEvent, Reason
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array, from_bytes

Version = tuple[int, int]
"""A creator's revision, and that of their safety scores: a post that is scored anew changes the second alone."""
_SAFETY: Final = {
    "safety": "scores",
    "safety_coverage": "coverage",
    "safety_posts": "posts",
    "safety_tail": "tail",
    "safety_revision": "revision",
}


@dataclass(frozen=True, slots=True)
class CreatorObjects:
    """Everything that is to be stored of a creator; what is stored beside it is to go."""

    facets: tuple[StoredObject, ...]
    bio: StoredObject | None
    creator: StoredObject


def creator_objects(event: CreatorUpdated, min_share: float, dimensions: int) -> CreatorObjects:
    """The objects of an event: its facets of at least ``min_share``, exact vectors of ``dimensions`` float32.

    Raises InvalidEvent for a vector that is none and for a facet whose id is no UUID.
    """
    filters = filter_fields(event.profile, event.last_published_at, event.safety)
    facets = [_facet(event, facet, filters, dimensions) for facet in event.facets if facet.share >= min_share]
    return CreatorObjects(tuple(facets), _bio(event, filters, dimensions), _creator(event, filters, dimensions))


def safety_json(event: CreatorUpdated) -> str:
    """All that is known of a creator's safety: categories that filters do not know as well, and what caused it."""
    values = event.model_dump(mode="json", include=set(_SAFETY))
    return canonical_json({short: values[name] for name, short in _SAFETY.items()})


def revision_of(creator: StoredObject) -> int:
    """The revision of a stored Creator, exactly: as a number Weaviate keeps it only up to 2^53."""
    return int(str(creator.properties["revision_exact"]))


def version_of(event: CreatorUpdated) -> Version:
    """Which of a creator's events it is; of one version two may differ all the same (a post of revision 0)."""
    return event.revision, event.safety_revision


def is_of(creator: StoredObject, event: CreatorUpdated) -> bool:
    """Whether a stored Creator is of this event, as far as it tells."""
    if revision_of(creator) != event.revision:
        return False
    scores = json.loads(str(creator.properties.get("safety_json", "{}")))
    return bool(scores.get(_SAFETY["safety_revision"], 0) == event.safety_revision)


def _facet(event: CreatorUpdated, facet: Facet, filters: dict[str, PropertyValue], dimensions: int) -> StoredObject:
    try:
        object_id = UUID(facet.facet_id)
    except ValueError as error:
        raise InvalidEvent(Reason.INVALID_EVENT, f"facet {facet.facet_id!r}: its id is no UUID") from error
    properties: dict[str, PropertyValue] = {
        **filters,
        "facet_id": facet.facet_id,
        "creator_id": event.creator_id,
        "share": facet.share,
        "posts": facet.posts,
        "exemplar_post_id": facet.exemplar_post_id,
        "last_at": facet.last_at,
        "creator_revision": event.revision,
        "model_version": event.model_version,
    }
    vector = _vector(f"facet {facet.facet_id}", facet.vector, dimensions)
    return StoredObject(object_id, properties, {"facet": vector})


def _bio(event: CreatorUpdated, filters: dict[str, PropertyValue], dimensions: int) -> StoredObject | None:
    if event.bio is None:
        return None
    properties: dict[str, PropertyValue] = {
        **filters,
        "creator_id": event.creator_id,
        "revision": event.revision,
        "model_version": event.model_version,
    }
    if event.profile is not None:
        properties["bio"] = event.profile.bio
    object_id = bio_object_id(event.creator_id, event.model_version)
    return StoredObject(object_id, properties, {"bio": _vector("bio", event.bio, dimensions)})


def _creator(event: CreatorUpdated, filters: dict[str, PropertyValue], dimensions: int) -> StoredObject:
    properties: dict[str, PropertyValue] = {
        **filters,
        "creator_id": event.creator_id,
        "revision": event.revision,
        "revision_exact": str(event.revision),
        "posts": event.posts,
        "model_version": event.model_version,
    }
    if event.profile is not None:
        properties |= {
            "name": event.profile.name,
            "bio": event.profile.bio,
            "profile_json": canonical_json(event.profile.model_dump(mode="json")),
        }
    if event.safety_coverage or event.safety_posts or event.safety:
        properties["safety_json"] = safety_json(event)
    vectors: dict[str, Array] = {}
    if event.recency_mean is not None:
        vectors["creator"] = _vector("recency_mean", event.recency_mean, dimensions)
    return StoredObject(creator_object_id(event.creator_id, event.model_version), properties, vectors)


def _vector(where: str, data: bytes, dimensions: int) -> Array:
    try:
        vector = from_bytes(data, dimensions)
    except ValueError as error:
        raise InvalidEvent(Reason.INVALID_EVENT, f"{where}: {error}") from error
    if not vector.any():
        raise InvalidEvent(Reason.INVALID_EVENT, f"{where}: a vector of no length")
    return vector
