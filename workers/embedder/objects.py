"""Stored objects of a post: built from vectors, and read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import cast
from uuid import UUID

from workers.domain.events import PostPublished, PostRemoved
from workers.domain.ids import post_object_id, visual_id
from workers.domain.media import MOST_KEYFRAMES
from workers.domain.safety.scoring import PostSafety
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array
from workers.embedder.content import content_hash, event_hash
from workers.embedder.plan import Keyframe, Keyframes, StoredPost, StoredVisual
from workers.embedder.scores import post_properties, visual_properties

COPIED = ("creator_id", "revision", "url", "platform", "published_at", "model_version", "language")
"""What ``_copies`` writes on a post and on each of its visuals."""
MAX_MEDIA = 20
"""What ``PostPublished`` allows: positions of visuals are below it."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A published post with all its vectors: centred, float32 (d,); ``visuals`` of each medium in their order.

    ``safety`` is there once it is scored.
    """

    event: PostPublished
    media_hashes: tuple[str, ...]
    visuals: tuple[Keyframes, ...]
    caption_hash: str
    caption: Array | None
    safety: PostSafety | None = None


def visual_objects(post: Embedded, model_version: str) -> list[StoredObject]:
    """One object per picture or keyframe. ``url`` is the post's, which a hit shows: a medium's own may be signed.

    ``media_url`` is that one, as the post said it: good enough to look at.
    """
    event = post.event
    shared = _copies(event, model_version) | {"post_id": event.post_id}
    return [
        StoredObject(
            visual_id(event.post_id, position, ordinal, model_version),
            shared
            | {"position": position, "timestamp_ms": keyframe.timestamp_ms}
            | {"media_hash": media_hash, "media_url": media.url, "perceptual_hash": keyframe.perceptual_hash or ""}
            | visual_properties(post.safety, position, ordinal),
            {"visual": keyframe.vector},
        )
        for position, (media_hash, keyframes, media) in enumerate(
            zip(post.media_hashes, post.visuals, event.media, strict=True)
        )
        for ordinal, keyframe in enumerate(keyframes)
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
        "frames": [" ".join(str(keyframe.timestamp_ms) for keyframe in keyframes) for keyframes in post.visuals],
        "visuals": sum(map(len, post.visuals)),
        "caption": event.caption,
        "hashtags": list(event.hashtags),
        **post_properties(post.safety),
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


def expected_visual(post: StoredObject, position: int, ordinal: int) -> dict[str, PropertyValue]:
    """What this visual must say, as far as its stored post tells: all but the medium's own address."""
    properties = post.properties
    copies = {name: properties[name] for name in COPIED if name in properties}
    hashes = cast("list[str]", properties.get("media_hashes", []))
    named: dict[str, PropertyValue] = {"media_hash": hashes[position]} if position < len(hashes) else {}
    at = stored_frames(post)[position][ordinal]
    return copies | named | {"post_id": properties["post_id"], "position": position, "timestamp_ms": at}


def all_visual_ids(post_id: str, model_version: str) -> list[UUID]:
    """The ids of all visuals that a post can have or have had."""
    places = product(range(MAX_MEDIA), range(MOST_KEYFRAMES))
    return [visual_id(post_id, position, ordinal, model_version) for position, ordinal in places]


def stored_frames(post: StoredObject) -> tuple[tuple[int, ...], ...]:
    """Of each medium of a stored post the times of its keyframes, in milliseconds; none where that cannot be read.

    A post that says nothing of frames has a picture, at 0 ms, for each of the visuals that it counts.
    """
    said = cast("list[str] | None", post.properties.get("frames"))
    if said is None:
        return ((0,),) * min(int(cast("int", post.properties.get("visuals", 0))), MAX_MEDIA)
    try:
        frames = tuple(tuple(int(at) for at in each.split(" ")) for each in said)
    except ValueError:
        return ()
    return frames if len(frames) <= MAX_MEDIA and max(map(len, frames), default=0) <= MOST_KEYFRAMES else ()


def stored_places(post: StoredObject) -> list[tuple[int, int]]:
    """Position and ordinal of the visuals that a stored post names."""
    return [(position, ordinal) for position, each in enumerate(stored_frames(post)) for ordinal in range(len(each))]


def stored_visual_ids(post: StoredObject, model_version: str) -> list[UUID]:
    """Their ids, in the same order."""
    post_id = str(post.properties["post_id"])
    return [visual_id(post_id, position, ordinal, model_version) for position, ordinal in stored_places(post)]


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
        frames=stored_frames(post),
        published_at=cast("datetime | None", properties.get("published_at")),
        caption=post.vectors.get("caption"),
        visuals=dict(_found(post, visuals, model_version)),
        object=post,
    )


def _found(
    post: StoredObject, visuals: Mapping[UUID, StoredObject], model_version: str
) -> Iterator[tuple[tuple[int, int], StoredVisual]]:
    for place, id_ in zip(stored_places(post), stored_visual_ids(post, model_version), strict=True):
        if (visual := visuals.get(id_)) is not None and "visual" in visual.vectors:
            at = int(cast("int", visual.properties.get("timestamp_ms", 0)))
            look = cast("str | None", visual.properties.get("perceptual_hash"))
            keyframe = Keyframe(at, visual.vectors["visual"], look)
            yield place, StoredVisual(str(visual.properties["media_hash"]), keyframe, visual)


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
