"""A post's safety scores, as the API shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from tests.unit.match.world import MODEL, World
from workers.domain.ids import post_object_id, visual_id


async def scored(world: World, collection: str, id_: Any, **properties: Any) -> None:
    """Scores on a stored object."""
    stored = (await world.index.fetch(collection, [id_], vectors=True))[id_]
    world.index.put(collection, replace(stored, properties={**stored.properties, **properties}))


async def test_a_post_shows_its_scores_with_those_of_its_caption_and_visuals(
    world: World, api: httpx.AsyncClient
) -> None:
    """In the order of the visuals, with the calibration's revision."""
    world.post("bar", visual="chess|cat", caption="bread")
    whole = {"safety_json": '{"alcohol":0.9,"weapons":0.1}', "caption_safety_json": '{"alcohol":0.2}'}
    await scored(world, "Post", post_object_id("bar", MODEL), safety_revision=4, **whole)
    for position, own in enumerate(('{"alcohol":0.9}', '{"weapons":0.1}')):
        await scored(world, "Visual", visual_id("bar", position, 0, MODEL), safety_json=own, safety_revision=4)
    assert (await api.get("/v1/posts/bar")).json()["safety"] == {
        "revision": 4,
        "scores": {"alcohol": 0.9, "weapons": 0.1},
        "caption": {"alcohol": 0.2},
        "visuals": [{"alcohol": 0.9}, {"weapons": 0.1}],
    }


async def test_a_post_that_was_never_scored_says_so_and_a_removed_one_says_nothing(
    world: World, api: httpx.AsyncClient
) -> None:
    """Nothing known is not the same as nothing found."""
    world.post("plain", visual="cat")
    world.post("gone", removed=True)
    answer = (await api.get("/v1/posts/plain")).json()["safety"]
    assert answer == {"revision": 0, "scores": {}, "caption": {}, "visuals": [{}]}
    assert (await api.get("/v1/posts/gone")).json()["safety"] is None
