"""What is to be done about a post's event, given what is stored of the post. Pure: law 6 is decided here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from workers.domain.events import PostPublished, PostRemoved, SafetyRevised
from workers.domain.safety.scoring import PostSafety
from workers.domain.stored import StoredObject
from workers.domain.vectors import Array
from workers.embedder.content import event_hash

Rank = tuple[int, bool, str]
"""(revision, removed, hash of the event): the greatest of a post's events is the one that stands."""


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A picture, at 0 ms, or a video's keyframe, when it is shown, with its centred vector, float32 (d,).

    ``perceptual_hash``: how it looks; empty for a plain one, None of what was stored before there were any.
    """

    timestamp_ms: int
    vector: Array
    perceptual_hash: str | None = ""


Keyframes = tuple[Keyframe, ...]
"""Of one medium, in the order of their ordinals: one of a picture, one or more of what moves."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredVisual:
    """A keyframe as it is stored, with the hash of its medium's bytes; ``object`` is what lies in the store."""

    media_hash: str
    keyframe: Keyframe
    object: StoredObject | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StoredPost:
    """A post, or its tombstone, as it is stored, with those of its visuals that were found, by position and ordinal.

    ``frames``: of each medium the times, in milliseconds, of the keyframes that the post names.
    """

    post_id: str
    creator_id: str
    revision: int
    removed: bool
    event_hash: str
    caption_hash: str = ""
    media_hashes: tuple[str, ...] = ()
    frames: tuple[tuple[int, ...], ...] = ()
    published_at: datetime | None = None
    caption: Array | None = None
    visuals: Mapping[tuple[int, int], StoredVisual] = field(default_factory=dict)
    object: StoredObject | None = None

    def rank(self) -> Rank:
        """Where its event stands among all of this post's."""
        return self.revision, self.removed, self.event_hash

    def whole(self) -> bool:
        """Whether the visuals are those the post names: not so between the two writes of an edit."""
        return not self.removed and all(self.own(position) for position in range(len(self.media_hashes)))

    def own(self, position: int) -> Keyframes:
        """The keyframes of a medium where all that the post names are there, and no others lie under them; or none."""
        if position >= len(self.frames):
            return ()
        found = [self.visuals.get((position, ordinal)) for ordinal in range(len(self.frames[position]))]
        keyframes = tuple(each.keyframe for each in found if each and each.media_hash == self.media_hashes[position])
        return keyframes if tuple(each.timestamp_ms for each in keyframes) == self.frames[position] else ()

    def media(self) -> list[Keyframes]:
        """Whatever was found, medium by medium: of a whole post its own."""
        positions = sorted({position for position, _ in self.visuals})
        return [
            tuple(self.visuals[place].keyframe for place in sorted(self.visuals) if place[0] == position)
            for position in positions
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Republish:
    """The event changes nothing. What is stored, if it is whole, is announced again, in case its output was lost."""

    stored: StoredPost | None


@dataclass(frozen=True, slots=True, eq=False)
class Rescore:
    """The same, and its safety scores are older than they could be, or wrong: they are written anew, then announced."""

    stored: StoredPost
    safety: PostSafety


@dataclass(frozen=True, slots=True, eq=False)
class Retract:
    """The post is gone: its visuals are deleted and a tombstone takes its place."""

    event: PostRemoved


@dataclass(frozen=True, slots=True, eq=False)
class Embed:
    """The event stands. Vectors of content that is stored already are taken from there."""

    event: PostPublished
    stored: StoredPost | None
    visuals: Mapping[str, Keyframes]
    captions: Mapping[str, Array]


Plan = Republish | Rescore | Retract | Embed


def rank_of(event: PostPublished | PostRemoved) -> Rank:
    """Newer revisions win; of equal ones a removal, else the greater hash."""
    return event.revision, isinstance(event, PostRemoved), event_hash(event)


def plan(stored: StoredPost | None, event: PostPublished | PostRemoved | SafetyRevised) -> Republish | Retract | Embed:
    """Decide; the same set of events ends in the same stored state, in whatever order and however often they come.

    The event that stands already is applied again where that mends something (a removal whose visuals are still there,
    a post whose visuals are not all its own), else only announced again, so that a replay needs no media.
    """
    if isinstance(event, SafetyRevised):
        # Nothing is left to score of a post that is gone; one that is being written is scored by who writes it.
        return Republish(stored if stored and stored.creator_id == event.creator_id and stored.whole() else None)
    if isinstance(event, PostRemoved):
        if stored is None or rank_of(event) >= stored.rank():
            return Retract(event)
        return _repeat(stored)
    if stored is not None:
        rank = rank_of(event)
        if rank < stored.rank() or (rank == stored.rank() and stored.whole()):
            return _repeat(stored)
    return _embed(stored, event)


def _repeat(stored: StoredPost) -> Republish:
    """A post between two writes is announced by the event that is writing it, which will come again."""
    return Republish(stored if stored.removed or stored.whole() else None)


def _embed(stored: StoredPost | None, event: PostPublished) -> Embed:
    if stored is None:
        return Embed(event, None, {}, {})
    owned = {hash_: stored.own(position) for position, hash_ in enumerate(stored.media_hashes)}
    # What was stored before there were perceptual hashes is looked at again: its bytes have been fetched anyway.
    visuals = {
        hash_: each for hash_, each in owned.items() if each and all(k.perceptual_hash is not None for k in each)
    }
    captions = {stored.caption_hash: stored.caption} if stored.caption is not None else {}
    return Embed(event, stored, visuals, captions)
