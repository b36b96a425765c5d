"""Content search over ``Visual`` and ``Post``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from workers.domain.ids import post_object_id
from workers.domain.queries import Condition, Found
from workers.domain.stored import PropertyValue
from workers.domain.vectors import Array
from workers.match.content import BestVisual, Hit, against, best_visuals, blend_hits
from workers.match.filters import post_filters
from workers.match.ports import Index, QueryEncoder
from workers.match.problems import invalid, model_mismatch
from workers.match.requests import Search

LEAST_FETCHED = 150
MOST_FETCHED = 500
_POSTS_AT_ONCE = 200
_VISUALS_OF_A_POST = 50
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
        conditions, fetched = post_filters(search.filters), depth(search.limit)
        asked = {"Visual": conditions} if search.blend < 1.0 else {}
        asked |= {"Post": (*conditions, _SHOWN)} if search.blend > 0.0 else {}
        near = (self._index.near(name, query, limit=fetched, conditions=own) for name, own in asked.items())
        found = dict(zip(asked, await asyncio.gather(*near), strict=True))
        visual_hits, caption_hits = found.get("Visual", []), found.get("Post", [])
        visuals = best_visuals(visual_hits)
        captions = {str(found.object.properties["post_id"]): found.cosine for found in caption_hits}
        posts = await self._posts(sorted({*visuals, *captions}), query, captions)
        if search.blend < 1.0:
            visuals |= await self._missing_visuals(query, [post for post in posts if post not in visuals])
        return blend_hits(posts, visuals, captions, blend=search.blend, limit=search.limit)

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
        found: list[Found] = []
        for start in range(0, len(post_ids), _POSTS_AT_ONCE):
            some = tuple(post_ids[start : start + _POSTS_AT_ONCE])
            objects = await self._index.matching(
                "Visual", (Condition("post_id", "any_of", some),), limit=len(some) * _VISUALS_OF_A_POST, vectors=True
            )
            found += against(query, objects, "visual")
        return best_visuals(found)
