"""Creators near a creator, near several, and away from others."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.match.test_match import who
from tests.unit.match.world import World
from workers.match.lookalikes import SIMILAR_WEIGHTS


@pytest.fixture(autouse=True)
def creators(world: World) -> None:
    """Two whom one may like, one whom one may not, and others of each mixture."""
    world.creator("ann", {"bread": 1.0})
    world.creator("bob", {"sport": 1.0})
    world.creator("cat", {"bread": 0.5, "chess": 0.5})
    world.creator("baker", {"bread": 0.9, "dog": 0.1}, platforms=["tiktok"])
    world.creator("sporty baker", {"bread": 0.5, "sport": 0.5})
    world.creator("chess baker", {"bread": 0.55, "chess": 0.45})
    world.creator("runner", {"sport": 0.9, "dog": 0.1}, platforms=["tiktok"])


async def similar(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Look-alikes of a set."""
    answer = await api.post("/v1/similar", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_near_one_are_those_of_the_same_things_in_the_same_proportions(api: httpx.AsyncClient) -> None:
    """Each with the posts that are the evidence; the score is the sum of the parts."""
    answer = await similar(api, like="ann", limit=3)
    assert who(answer) == ["baker", "chess baker", "cat"]
    assert answer["hits"][0]["evidence"][0] == "baker-bread"
    assert answer["weights"] == SIMILAR_WEIGHTS
    for hit in answer["hits"]:
        assert hit["score"] == sum(answer["weights"][name] * part for name, part in hit["parts"].items())


async def test_near_several_are_those_who_are_like_each_of_them(api: httpx.AsyncClient) -> None:
    """One who does both comes before one who does either."""
    assert who(await similar(api, like=["ann", "bob"]))[0] == "sporty baker"


async def test_away_from_others_moves_down_those_who_are_like_them(api: httpx.AsyncClient) -> None:
    """By how much they are; those who are not, keep their score to the last bit."""
    near, apart = await similar(api, like=["ann"]), await similar(api, like=["ann"], unlike=["cat"])
    scores = {hit["creator_id"]: hit["score"] for hit in near["hits"]}
    assert who(near).index("chess baker") < who(near).index("sporty baker")
    assert who(apart).index("chess baker") > who(apart).index("sporty baker")
    parts = {hit["creator_id"]: hit["parts"] for hit in apart["hits"]}
    assert -1.0 <= parts["chess baker"]["away"] < parts["sporty baker"]["away"] < 0.0
    moved = {hit["creator_id"]: hit["score"] - scores[hit["creator_id"]] for hit in apart["hits"]}
    assert moved["runner"] == 0.0 > moved["sporty baker"] > moved["chess baker"] >= -SIMILAR_WEIGHTS["away"]
    none = await similar(api, like=["ann"], unlike=["cat"], weights={"away": 0})
    assert [one for one in who(none) if one != "cat"] == [one for one in who(near) if one != "cat"]


async def test_whoever_is_named_is_never_answered(api: httpx.AsyncClient) -> None:
    """Liked or not, however near they are to the others."""
    answer = await similar(api, like=["ann", "baker"], unlike=["cat", "chess baker"], limit=9)
    assert set(who(answer)) == {"bob", "runner", "sporty baker"}
    assert (answer["like"], answer["unlike"]) == (["ann", "baker"], ["cat", "chess baker"])


async def test_filters_are_those_of_a_match(api: httpx.AsyncClient) -> None:
    """All must hold."""
    assert who(await similar(api, like=["ann"], filters={"platform": "tiktok"})) == ["baker", "runner"]


async def test_the_call_of_one_creator_takes_others_too(api: httpx.AsyncClient) -> None:
    """The same answers as of the set."""
    query = {"also": ["bob"], "away": ["cat"], "limit": 2}
    answer = (await api.get("/v1/creators/ann/similar", params=query)).json()
    whole = await similar(api, like=["ann", "bob"], unlike=["cat"], limit=2)
    assert answer == {"creator_id": "ann", **whole}
    assert who(answer)[0] == "sporty baker"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"like": []}, "like"),
        ({}, "like"),
        ({"like": ["ann"], "unlike": ["ann"]}, "unlike"),
        ({"like": [str(number) for number in range(9)]}, "like"),
        ({"like": ["ann"], "weights": {"away": 11}}, "weights.away"),
        ({"like": ["ann"], "weights": {"audience": 1}}, "weights.audience"),
        ({"like": ["ann"], "filters": {"platfrom": "x"}}, "filters.platfrom"),
    ],
)
async def test_a_wrong_request_is_refused_with_its_field(
    api: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    """As every call does."""
    answer = await api.post("/v1/similar", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_a_creator_with_nothing_to_be_alike_is_not_found(api: httpx.AsyncClient) -> None:
    """Liked or not; and the query of one creator is checked as well."""
    for body in ({"like": ["ann", "who"]}, {"like": ["ann"], "unlike": ["who"]}):
        answer = await api.post("/v1/similar", json=body)
        assert (answer.status_code, answer.json()["detail"]) == (404, "no creator 'who' is known")
    twice = await api.get("/v1/creators/ann/similar", params={"away": "ann"})
    assert (twice.status_code, twice.json()["errors"][0]) == (
        422,
        {"field": "unlike", "in": "query", "message": "ann is in like too"},
    )
    assert (await api.get("/v1/creators/ann/similar", params={"nearby": "bob"})).status_code == 422
