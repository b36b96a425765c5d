"""What the embedder says about what is stored. The same state is announced in the same bytes, fresh or read back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from workers.domain.events import (
    CreatorErased,
    CreatorProfiled,
    CreatorReinstated,
    ErasureExecuted,
    Event,
    PostEmbedded,
    PostRemoved,
    PostRetracted,
    ProfileEmbedded,
)
from workers.domain.ids import published_id
from workers.domain.parse import canonical_data
from workers.domain.safety.scoring import NEVER, PostSafety
from workers.domain.vectors import Array, to_bytes, unit_mean
from workers.embedder.content import event_hash
from workers.embedder.erasing import Deleted
from workers.embedder.objects import Embedded
from workers.embedder.plan import Keyframes, StoredPost
from workers.embedder.scores import stored_scores
from workers.wire.cloudevents import ASKED_BY, SOURCE_TIME, Wire, attributes, source_time
from workers.wire.records import InRecord, Item, OutRecord

TOPIC, AUDIT = "embeddings", "audit"
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999: a producer may date its records as it likes, ``datetime`` may not."""


def post_embedded(post: Embedded, model_version: str) -> PostEmbedded:
    """Of a post that was just stored."""
    event = post.event
    return PostEmbedded(
        post_id=event.post_id,
        creator_id=event.creator_id,
        revision=event.revision,
        published_at=event.published_at,
        model_version=model_version,
        visual=_mean(post.visuals),
        caption=_bytes(post.caption),
        event_hash=event_hash(event),
        visual_hashes=_looks(post.visuals),
        safety=dict(post.safety.post) if post.safety else {},
        safety_revision=post.safety.revision if post.safety else NEVER,
    )


def stored_announced(
    post: StoredPost, model_version: str, safety: PostSafety | None = None
) -> PostEmbedded | PostRetracted:
    """Of a post, or tombstone, as it was found in the store; with the scores that were just written, if any were."""
    if post.removed or post.published_at is None:
        return PostRetracted(
            post_id=post.post_id, creator_id=post.creator_id, revision=post.revision, model_version=model_version
        )
    scores, revision = stored_scores(post.object.properties if post.object else {})
    if safety is not None:
        scores, revision = dict(safety.post), safety.revision
    return PostEmbedded(
        post_id=post.post_id,
        creator_id=post.creator_id,
        revision=post.revision,
        published_at=post.published_at,
        model_version=model_version,
        visual=_mean(post.media()),
        caption=_bytes(post.caption),
        event_hash=post.event_hash or None,
        visual_hashes=_looks(post.media()),
        safety=scores,
        safety_revision=revision,
    )


def post_retracted(event: PostRemoved, model_version: str) -> PostRetracted:
    """Of a post that was just removed."""
    return PostRetracted(
        post_id=event.post_id, creator_id=event.creator_id, revision=event.revision, model_version=model_version
    )


def profile_embedded(event: CreatorProfiled, bio: Array | None, model_version: str) -> ProfileEmbedded:
    """The whole profile, with its bio's vector where there is a bio."""
    return ProfileEmbedded(
        creator_id=event.creator_id,
        revision=event.revision,
        model_version=model_version,
        profile=event.profile(),
        bio=_bytes(bio),
    )


Announced = PostEmbedded | PostRetracted | ProfileEmbedded | CreatorErased | CreatorReinstated


def record_of(wire: Wire, event: Announced, source: InRecord) -> OutRecord:
    """The record: named after its content, so that a repeat is the same CloudEvent; it carries the source's time on."""
    milliseconds = source_time(source)
    return wire.record(
        TOPIC,
        event,
        id=_name(event),
        time=datetime.fromtimestamp(min(max(int(milliseconds) / 1000, 0), _LAST_SECOND), UTC),
        extensions={SOURCE_TIME: milliseconds},
    )


def audit_record(
    wire: Wire, item: Item[Any], creator_hash: str, deleted: Deleted, repeated: bool, now: datetime
) -> OutRecord:
    """What is left of an erasure: no personal data. Asked for by a key of the API, else by the event's source."""
    said = attributes(item.record.headers)
    by = said.get(ASKED_BY) or said.get("source", "")
    event = ErasureExecuted(
        creator_hash=creator_hash,
        requested_at=item.event.requested_at,
        requested_by="".join(letter for letter in by if letter.isprintable() and letter != "|")[:256] or "unknown",
        executed_at=now,
        repeated=repeated,
        posts=deleted.posts,
        visuals=deleted.visuals,
    )
    name = published_id(AUDIT, event.type_name(), canonical_data(event))
    return wire.record(AUDIT, event, id=str(name), time=now)


def _name(event: Event) -> str:
    return str(published_id(TOPIC, event.type_name(), canonical_data(event)))


def _bytes(vector: Array | None) -> bytes | None:
    return None if vector is None else to_bytes(vector)


def _looks(media: Sequence[Keyframes]) -> tuple[str, ...]:
    """Of every visual; none where there is nothing to tell any by."""
    looks = tuple(keyframe.perceptual_hash or "" for keyframes in media for keyframe in keyframes)
    return looks if any(looks) else ()


def _mean(media: Sequence[Keyframes]) -> bytes | None:
    """The unit mean over the media, of a video over its keyframes first: it is one thing in the post as a picture is.

    None for a post without media, or whose media cancel each other out.
    """
    means = [mean for keyframes in media if (mean := _mean_of(keyframes)) is not None]
    try:
        return to_bytes(unit_mean(means)) if means else None
    except ValueError:
        return None


def _mean_of(keyframes: Keyframes) -> Array | None:
    """Of one keyframe itself; None where they cancel each other out."""
    if len(keyframes) == 1:
        return keyframes[0].vector
    try:
        return unit_mean([each.vector for each in keyframes])
    except ValueError:
        return None
