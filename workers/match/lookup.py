"""Single things by id: a creator as the index has them, a post's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workers.domain.ids import creator_object_id, post_object_id
from workers.domain.queries import Condition
from workers.domain.stored import PropertyValue, StoredObject
from workers.match.ports import Index, QueryEncoder
from workers.match.problems import not_found
from workers.match.retrieval import Retrieval
from workers.match.search import check_model

MAX_VISUALS = 50


@dataclass(frozen=True, slots=True)
class KnownCreator:
    """A creator's object, and their facets with vectors, the heaviest first."""

    creator: StoredObject
    facets: list[StoredObject]


@dataclass(frozen=True, slots=True)
class KnownPost:
    """A post's properties, and those of its visuals in the post's order."""

    post: Mapping[str, PropertyValue]
    visuals: list[Mapping[str, PropertyValue]]


class Lookup:
    """Reads the collections of the served model version."""

    def __init__(self, index: Index, encoder: QueryEncoder) -> None:
        self._index, self._encoder = index, encoder
        self._retrieval = Retrieval(index)

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
        found = await self._index.fetch("Post", [name])
        if name not in found:
            raise not_found("post", post_id)
        condition = Condition("post_id", "equal", post_id)
        visuals = await self._index.matching("Visual", (condition,), limit=MAX_VISUALS)
        return KnownPost(found[name].properties, sorted((each.properties for each in visuals), key=_position))


def _position(visual: Mapping[str, PropertyValue]) -> tuple[int, int]:
    return int(str(visual.get("position", 0))), int(str(visual.get("timestamp_ms", 0)))


def state_of(post: Mapping[str, PropertyValue]) -> str:
    """``removed``, ``dead``, ``embedded``, or ``published`` while its pictures are still being written."""
    if post.get("removed"):
        return "removed"
    if post.get("dead_reason"):
        return "dead"
    return "embedded" if post.get("complete") else "published"
