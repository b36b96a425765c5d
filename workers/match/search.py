"""Content search over ``Visual`` and ``Post``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TypeVar

from workers.domain.ids import post_object_id
from workers.domain.media import MOST_KEYFRAMES
from workers.domain.queries import Condition
from workers.domain.stored import PropertyValue
from workers.domain.vectors import Array
from workers.match.content import BestVisual, Hit, against, best_visuals, blend_hits
from workers.match.filters import post_filters
from workers.match.ports import Index, QueryEncoder
from workers.match.problems import invalid, model_mismatch
from workers.match.requests import Search

T = TypeVar("T")
LEAST_FETCHED = 150
MOST_FETCHED = 500
MOST_VISUALS_FETCHED = MOST_FETCHED * MOST_KEYFRAMES
_VISUALS_OF_A_POST = 20 * MOST_KEYFRAMES
_POSTS_AT_ONCE = 60
"""So that the answer holds whatever visuals they have: the server's limit is ten thousand."""
_SHOWN = Condition("removed", "equal", False)


async def check_model(index: Index, encoder: QueryEncoder) -> None:
    """Raise the problem ``model_version_mismatch`` where the index serves another model than the encoder's."""
    served = await index.served_model()
    if served != encoder.model_version:
        raise model_mismatch(served, encoder.model_version)


def depth(limit: int) -> int:
    """How many objects one question asks for, so that ``limit`` posts or creators come out of it."""
    return min(max(3 * limit, LEAST_FETCHED), MOST_FETCHED)


class Searcher:
    """A text or a picture in; posts out, by what is on their pictures and in their captions."""

    def __init__(self, index: Index, encoder: QueryEncoder) -> None:
        self._index = index
        self._encoder = encoder

    async def search(self, search: Search, picture: bytes | None = None) -> list[Hit]:
        """The posts nearest to the picture, or to the text where there is none; best first."""
        await check_model(self._index, self._encoder)
        if picture is None and not search.text.strip():
            raise invalid("q: a search needs words or a picture")
        query = (
            await self._encoder.picture(picture)
            if picture is not None
            else (await self._encoder.texts([search.text]))[0]
        )
        return await self._nearest(query, search)

    async def _nearest(self, query: Array, search: Search) -> list[Hit]:
        conditions = post_filters(search.filters)
        visuals, caption_hits = await asyncio.gather(
            self._near_visuals(query, search, conditions) if search.blend < 1.0 else _nothing({}),
            self._index.near("Post", query, limit=depth(search.limit), conditions=(*conditions, _SHOWN))
            if search.blend > 0.0
            else _nothing([]),
        )
        captions = {str(found.object.properties["post_id"]): found.cosine for found in caption_hits}
        posts = await self._posts(sorted({*visuals, *captions}), query, captions)
        if search.blend < 1.0:
            visuals |= await self._missing_visuals(query, [post for post in posts if post not in visuals])
        return blend_hits(posts, visuals, captions, blend=search.blend, limit=search.limit)

    async def _near_visuals(
        self, query: Array, search: Search, conditions: Sequence[Condition]
    ) -> dict[str, BestVisual]:
        """Deeper where the nearest are many of few posts: a video's keyframes lie near each other."""
        fetched = depth(search.limit)
        while True:
            found = await self._index.near("Visual", query, limit=fetched, conditions=conditions)
            visuals = best_visuals(found)
            if len(visuals) >= search.limit or len(found) < fetched or fetched >= MOST_VISUALS_FETCHED:
                return visuals
            fetched = min(4 * fetched, MOST_VISUALS_FETCHED)

    async def _posts(
        self, post_ids: Sequence[str], query: Array, captions: dict[str, float]
    ) -> Mapping[str, Mapping[str, PropertyValue]]:
        """The posts as they are now, by id; fills in the caption scores that the search did not bring."""
        ids = [post_object_id(post_id, self._encoder.model_version) for post_id in post_ids]
        objects = (await self._index.fetch("Post", ids, vectors=True)).values()
        for found in against(query, objects, "caption"):
            captions.setdefault(str(found.object.properties["post_id"]), found.cosine)
        return {str(each.properties["post_id"]): each.properties for each in objects}

    async def _missing_visuals(self, query: Array, post_ids: Sequence[str]) -> dict[str, BestVisual]:
        parts = [tuple(post_ids[start : start + _POSTS_AT_ONCE]) for start in range(0, len(post_ids), _POSTS_AT_ONCE)]
        calls = (
            self._index.matching(
                "Visual", (Condition("post_id", "any_of", some),), limit=len(some) * _VISUALS_OF_A_POST, vectors=True
            )
            for some in parts
        )
        found = await asyncio.gather(*calls)
        return best_visuals(each for objects in found for each in against(query, objects, "visual"))


async def _nothing(answer: T) -> T:
    return answer
