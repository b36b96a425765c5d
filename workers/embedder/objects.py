"""Stored objects of a post: built from vectors, and read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from workers.domain.events import PostPublished, PostRemoved
from workers.domain.ids import post_object_id, visual_id
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array
from workers.embedder.content import content_hash, event_hash
from workers.embedder.plan import StoredPost, StoredVisual

COPIED = ("creator_id", "revision", "url", "platform", "published_at", "model_version", "language")
"""What ``_copies`` writes on a post and on each of its visuals."""
MAX_MEDIA = 20
"""What ``PostPublished`` allows: positions of visuals are below it."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A published post with all its vectors: centred, float32 (d,), ``visuals`` one per media in their order."""

    event: PostPublished
    media_hashes: tuple[str, ...]
    visuals: tuple[Array, ...]
    caption_hash: str
    caption: Array | None


def visual_objects(post: Embedded, model_version: str) -> list[StoredObject]:
    """One object per picture. ``url`` is the post's, which a hit shows: a picture's own may be signed and expire.

    ``media_url`` is that one, as the post said it: good enough to look at.
    """
    event = post.event
    shared = _copies(event, model_version) | {"post_id": event.post_id}
    return [
        StoredObject(
            visual_id(event.post_id, position, 0, model_version),
            shared | {"position": position, "timestamp_ms": 0, "media_hash": media_hash, "media_url": media.url},
            {"visual": vector},
        )
        for position, (media_hash, vector, media) in enumerate(
            zip(post.media_hashes, post.visuals, event.media, strict=True)
        )
    ]


def post_object(post: Embedded, model_version: str) -> StoredObject:
    """The post itself: written after its visuals, so that it marks them complete."""
    event = post.event
    properties = _copies(event, model_version) | {
        "post_id": event.post_id,
        "removed": False,
        "complete": True,
        "event_hash": event_hash(event),
        "content_hash": content_hash(post.caption_hash, post.media_hashes),
        "caption_hash": post.caption_hash,
        "media_hashes": list(post.media_hashes),
        "visuals": len(post.visuals),
        "caption": event.caption,
        "hashtags": list(event.hashtags),
    }
    vectors = {} if post.caption is None else {"caption": post.caption}
    return StoredObject(post_object_id(event.post_id, model_version), properties, vectors)


def tombstone(event: PostRemoved, model_version: str) -> StoredObject:
    """What is left of a removed post: its revision, so that nothing older brings it back, and nothing it said."""
    return StoredObject(
        post_object_id(event.post_id, model_version),
        {
            "post_id": event.post_id,
            "creator_id": event.creator_id,
            "revision": event.revision,
            "removed": True,
            "complete": False,
            "event_hash": event_hash(event),
            "visuals": 0,
            "model_version": model_version,
        },
    )


def expected_visual(post: StoredObject, position: int) -> dict[str, PropertyValue]:
    """What the visual at this position must say, as far as its stored post tells: all but the picture's own address."""
    properties = post.properties
    copies = {name: properties[name] for name in COPIED if name in properties}
    hashes = cast("list[str]", properties.get("media_hashes", []))
    named: dict[str, PropertyValue] = {"media_hash": hashes[position]} if position < len(hashes) else {}
    return copies | named | {"post_id": properties["post_id"], "position": position, "timestamp_ms": 0}


def visual_ids(post_id: str, positions: Sequence[int], model_version: str) -> list[UUID]:
    """The ids of a post's pictures at these positions."""
    return [visual_id(post_id, position, 0, model_version) for position in positions]


def stored_visual_ids(post: StoredObject, model_version: str) -> list[UUID]:
    """The ids of the visuals that a stored post counts."""
    count = int(cast("int", post.properties.get("visuals", 0)))
    return visual_ids(str(post.properties["post_id"]), range(count), model_version)


def read_post(post: StoredObject, visuals: Mapping[UUID, StoredObject], model_version: str) -> StoredPost:
    """A stored post, or tombstone, with those of its visuals that were found."""
    properties = post.properties
    return StoredPost(
        post_id=str(properties["post_id"]),
        creator_id=str(properties["creator_id"]),
        revision=int(cast("int", properties["revision"])),
        removed=bool(properties["removed"]),
        event_hash=str(properties.get("event_hash", "")),
        caption_hash=str(properties.get("caption_hash", "")),
        media_hashes=tuple(cast("list[str]", properties.get("media_hashes", []))),
        published_at=cast("datetime | None", properties.get("published_at")),
        caption=post.vectors.get("caption"),
        visuals=dict(_found(post, visuals, model_version)),
    )


def _found(
    post: StoredObject, visuals: Mapping[UUID, StoredObject], model_version: str
) -> Iterator[tuple[int, StoredVisual]]:
    for position, id_ in enumerate(stored_visual_ids(post, model_version)):
        if (visual := visuals.get(id_)) is not None and "visual" in visual.vectors:
            yield position, StoredVisual(str(visual.properties["media_hash"]), visual.vectors["visual"])


def _copies(event: PostPublished, model_version: str) -> dict[str, PropertyValue]:
    """What a post and each of its visuals both carry, so that either can be filtered and shown alone."""
    copies: dict[str, PropertyValue] = {
        "creator_id": event.creator_id,
        "revision": event.revision,
        "url": event.url,
        "platform": event.platform,
        "published_at": event.published_at,
        "model_version": model_version,
    }
    return copies if event.language is None else copies | {"language": event.language}
