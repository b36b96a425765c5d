"""Posts that could not be used: the newest death of each, from ``embedder.dead``, and what operators did about it.

Bounded, in memory and in what is read at a start: the last ``LETTERS`` of each partition are read, and of more posts
than ``MOST`` those are forgotten of which nothing was heard for longest. They look unknown again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime
from sys import intern
from typing import Final, Literal, TypeVar

from workers.domain.events import DeadLetterResolved, Event, PostPublished, PostRemoved
from workers.domain.events.dead_letters import covers
from workers.domain.masking import masked
from workers.wire.cloudevents import Wire
from workers.wire.letters import read_letter
from workers.wire.records import InRecord, InvalidEvent

MOST: Final = 50_000
LETTERS: Final = 12_500
WORKER: Final = "embedder"
_DETAIL: Final = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeadPost:
    """A revision of a post that died, and why. ``state``: what an operator did about it, if it has not died since."""

    post_id: str
    creator_id: str
    revision: int
    dead_id: str
    reason: str
    detail: str
    first_seen: datetime | None
    died_at: datetime
    attempts: int
    replays: int
    state: Literal["dead", "replayed", "dropped"] = "dead"


@dataclass(frozen=True, slots=True)
class _Resolved:
    """As much of a resolution as a post's state needs."""

    action: Literal["replayed", "dropped"]
    replays: int


class DeadPosts:
    """Written by the follower's thread, read by anyone. The view of ``dead.resolutions``."""

    accepted: type[Event] = DeadLetterResolved

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._posts: OrderedDict[str, DeadPost] = OrderedDict()
        self._resolutions: OrderedDict[str, _Resolved] = OrderedDict()

    def get(self, post_id: str) -> DeadPost | None:
        """The newest death of a post, and what was done about it."""
        post = self._posts.get(post_id)
        resolution = self._resolutions.get(f"{WORKER}|{post.dead_id}") if post else None
        if post is None or resolution is None or not covers(resolution.action, resolution.replays, post.replays):
            return post
        return replace(post, state=resolution.action)

    def put(self, event: Event) -> None:
        """Take a resolution over; those of other workers' letters are not of posts."""
        assert isinstance(event, DeadLetterResolved)
        if event.worker == WORKER:
            _keep(self._resolutions, event.key(), _Resolved(event.action, event.replays), self._most)

    def drop(self, key: str) -> None:
        """Forget a resolution: its key was deleted."""
        self._resolutions.pop(key, None)

    def bury(self, post: DeadPost) -> None:
        """Take a death over, unless one of a newer revision, or a later one, is known."""
        known = self._posts.get(post.post_id)
        if known is None or _rank(post) >= _rank(known):
            _keep(self._posts, post.post_id, post, self._most)


class PostLetters:
    """The view of ``embedder.dead``: letters that hold a post, or the removal of one. Others are no post's state."""

    def __init__(self, posts: DeadPosts) -> None:
        self._posts = posts

    def take(self, record: InRecord, wire: Wire) -> None:
        """Take a letter over; what holds no post was refused for that already. May raise Unavailable."""
        try:
            event = wire.event(record, (PostPublished, PostRemoved))
        except InvalidEvent:
            return
        assert isinstance(event, PostPublished | PostRemoved)
        letter = read_letter(record, WORKER)
        self._posts.bury(
            DeadPost(
                post_id=event.post_id,
                creator_id=event.creator_id,
                revision=event.revision,
                dead_id=letter.id,
                reason=intern(letter.reason),
                detail=masked(letter.detail)[:_DETAIL],
                first_seen=letter.first_seen,
                died_at=letter.died_at,
                attempts=letter.attempts,
                replays=letter.replays,
            )
        )


def _rank(post: DeadPost) -> tuple[int, int, datetime]:
    return post.revision, post.replays, post.died_at


def _keep(kept: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    """Keep a value, and the ``most`` that were heard of last."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
