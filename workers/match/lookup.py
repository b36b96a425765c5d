"""Single things by id: a creator as the index has them, a post's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from workers.domain.ids import creator_object_id, post_object_id
from workers.domain.media import MOST_KEYFRAMES
from workers.domain.queries import Condition
from workers.domain.stored import PropertyValue, StoredObject
from workers.match.dead_posts import DeadPost
from workers.match.duplicates import NOT_COMPARED, Copies, copies_of
from workers.match.ports import DeadPosts, Index, QueryEncoder
from workers.match.problems import not_found
from workers.match.retrieval import Retrieval
from workers.match.search import check_model

MAX_VISUALS = 20 * MOST_KEYFRAMES
State = Literal["published", "embedded", "dead", "removed"]


@dataclass(frozen=True, slots=True)
class KnownCreator:
    """A creator's object, and their facets with vectors, the heaviest first."""

    creator: StoredObject
    facets: list[StoredObject]


@dataclass(frozen=True, slots=True)
class KnownPost:
    """A post's properties, None if nothing of it is stored; its visuals in its order; its newest death, if it has one.

    One of ``post`` and ``dead`` is there. ``state`` says which of them counts. ``copies``: of a post that is embedded.
    """

    post: Mapping[str, PropertyValue] | None
    visuals: list[Mapping[str, PropertyValue]]
    dead: DeadPost | None
    state: State
    model_version: str
    copies: Copies = NOT_COMPARED


class Lookup:
    """Reads the collections of the served model version."""

    def __init__(self, index: Index, encoder: QueryEncoder, dead: DeadPosts) -> None:
        self._index, self._encoder, self._dead = index, encoder, dead
        self._retrieval = Retrieval(index, encoder.model_version)

    async def creator(self, creator_id: str, vectors: bool) -> KnownCreator:
        """Raises the problem ``not_found``."""
        await check_model(self._index, self._encoder)
        name = creator_object_id(creator_id, self._encoder.model_version)
        found = await self._index.fetch("Creator", [name], vectors)
        if name not in found:
            raise not_found("creator", creator_id)
        return KnownCreator(found[name], await self._retrieval.facets_of(creator_id, vectors))

    async def post(self, post_id: str) -> KnownPost:
        """A post as it is now; raises the problem ``not_found``."""
        await check_model(self._index, self._encoder)
        name = post_object_id(post_id, self._encoder.model_version)
        stored = (await self._index.fetch("Post", [name])).get(name)
        post, dead = stored.properties if stored else None, self._dead.get(post_id)
        state = state_of(post, dead)
        if state is None:
            raise not_found("post", post_id)
        condition = Condition("post_id", "equal", post_id)
        embedded = state == "embedded"
        found = await self._index.matching("Visual", (condition,), limit=MAX_VISUALS, vectors=embedded) if post else []
        found = sorted(found, key=lambda each: _position(each.properties))
        copies = await copies_of(self._index, found) if embedded else NOT_COMPARED
        return KnownPost(post, [each.properties for each in found], dead, state, self._encoder.model_version, copies)


def _position(visual: Mapping[str, PropertyValue]) -> tuple[int, int]:
    return int(str(visual.get("position", 0))), int(str(visual.get("timestamp_ms", 0)))


def state_of(post: Mapping[str, PropertyValue] | None, dead: DeadPost | None) -> State | None:
    """The state of what is stored and what died; None where neither says anything.

    ``removed``, ``embedded``, or ``published`` while its pictures are still being written. ``dead`` is a revision that
    is newer than what is stored, or the same and never finished: a later success with either makes it embedded again.
    """
    stored = _stored_state(post)
    if dead is None or dead.state == "dropped":
        return stored
    if post is None:
        return "dead" if dead.state == "dead" else "published"
    revision = int(str(post["revision"]))
    newer = dead.revision > revision or (dead.revision == revision and stored == "published")
    return "dead" if newer and dead.state == "dead" else stored


def _stored_state(post: Mapping[str, PropertyValue] | None) -> State | None:
    if post is None:
        return None
    if post.get("removed"):
        return "removed"
    return "embedded" if post.get("complete") else "published"
