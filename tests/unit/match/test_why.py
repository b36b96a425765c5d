"""Why a named creator is not in the list: one test for each cause."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.match.test_match import matched
from tests.unit.match.world import NOW, World, axis
from workers.domain.erasure import recorded
from workers.domain.events import CreatorErased
from workers.domain.ids import creator_object_id
from workers.domain.stored import StoredObject
from workers.match import search
from workers.match.ranking import DEFAULT_WEIGHTS


@pytest.fixture(autouse=True)
def creators(world: World) -> None:
    """Bakers of whom each does less of it, and a brand whose competitor has one of them."""
    for number, name in enumerate(("ann", "bea", "cid", "dan"), start=1):
        facets = {"bread": 1 - number / 10, "sport": number / 10}
        world.creator(name, facets, platforms=["tiktok"], followers=1000 * number, country="AT")
    world.creator("eva", {"bread": 1.0}, exclusive_brands=["oat"], audience={"country": {"AT": 0.2}}, followers=10)
    world.brand("rye", "bread", competitors=["oat"])


async def why(api: httpx.AsyncClient, creator_id: str, **body: Any) -> dict[str, Any]:
    """What a match says of a creator."""
    answer = await matched(api, **{"brief": "bread", **body}, explain_creator_id=creator_id)
    told: dict[str, Any] = answer["why"]
    assert told["creator_id"] == creator_id
    return told


async def test_nothing_is_said_of_nobody(api: httpx.AsyncClient) -> None:
    """It costs questions of its own, and is answered where it is asked."""
    assert (await matched(api, brief="bread"))["why"] is None


async def test_a_creator_nobody_knows(api: httpx.AsyncClient) -> None:
    """Neither posts nor a profile."""
    told = await why(api, "nobody")
    assert (told["verdict"], told["own"], told["refused"]) == ("unknown", None, [])
    assert "not known" in told["text"]


async def test_an_erased_creator(api: httpx.AsyncClient, world: World) -> None:
    """From the moment the erasure is acknowledged, though the index still has them; nothing else is said."""
    erased = CreatorErased(creator_id="ann", requested_at=NOW)
    world.erasures.put(recorded(erased, world.erasures.key))
    told = await why(api, "ann")
    assert (told["verdict"], told["own"], told["nearest"], told["refused"]) == ("erased", None, [], [])


async def test_a_creator_without_searchable_facets(api: httpx.AsyncClient, world: World) -> None:
    """Known by profile alone; the filters they do not meet are told too."""
    name = creator_object_id("fay", world.encoder.model_version)
    world.index.put("Creator", StoredObject(name, {"creator_id": "fay", "followers": 5}))
    told = await why(api, "fay", filters={"followers": {"min": 6}})
    assert (told["verdict"], [each["reason"] for each in told["refused"]]) == ("not_searchable", ["followers"])


async def test_hard_filters_that_refuse_are_told_with_what_they_want_and_what_is_known(
    api: httpx.AsyncClient,
) -> None:
    """All of them, in the store and on our side; and where the creator would stand without."""
    filters = {"followers": {"min": 500}, "country": ["AT"], "audience": {"country": {"AT": 0.5}}}
    told = await why(api, "eva", brand_id="rye", filters=filters)
    assert told["verdict"] == "refused"
    assert told["refused"] == [
        {"reason": "country", "wanted": ["country any of AT"], "found": {"country": None}},
        {"reason": "followers", "wanted": ["followers at least 500"], "found": {"followers": 10}},
        {
            "reason": "competitor",
            "wanted": ["exclusive_brands none of oat"],
            "found": {"exclusive_brands": ["oat"]},
        },
        {
            "reason": "audience.country.AT",
            "wanted": ["country.AT at least 0.5, and known"],
            "found": {"audience_json.country.AT": 0.2},
        },
    ]
    assert "refused by country, followers, competitor, audience.country.AT" in told["text"]
    assert (told["own"]["rank"], told["of"], told["last"]) == (1, 0, None)


async def test_a_creator_whose_facets_are_too_far_from_the_brief(
    api: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cosine of the nearest, and the one that was needed."""
    monkeypatch.setattr(search, "LEAST_FETCHED", 6)
    world.creator("far", {"chess": 0.5, "bread chess sport cat": 0.5})
    told = await why(api, "far", limit=1)
    assert told["verdict"] == "not_near"
    (nearest,) = told["nearest"]
    assert (nearest["aspect"], nearest["exemplar_post_id"]) == ("bread", "far-bread chess sport cat")
    assert nearest["cosine"] == pytest.approx(0.5)
    assert nearest["cut"] == pytest.approx(1.0)
    assert "0.500, where 1.000 was needed" in told["text"]
    assert (told["own"]["rank"], told["of"]) == (4, 3)
    assert told["last"]["rank"] == 1


async def test_a_creator_below_the_shortlist_has_a_place_and_parts_beside_the_last_ones(
    api: httpx.AsyncClient,
) -> None:
    """What was missing is the difference of the scores."""
    answer = await matched(api, brand_id="rye", limit=2, explain_creator_id="dan")
    told = answer["why"]
    assert (told["verdict"], told["own"]["rank"], told["of"]) == ("ranked", 4, 4)
    last = answer["hits"][-1]
    assert told["last"] == {name: last[name] for name in ("creator_id", "rank", "score", "parts")}
    own = told["own"]
    assert own["score"] == sum(DEFAULT_WEIGHTS[name] * part for name, part in own["parts"].items())
    assert told["text"] == f"dan stands at 4 of 4: {last['score'] - own['score']:.4f} less than bea at 2"
    whole = await matched(api, brand_id="rye", limit=9)
    assert [(hit["rank"], hit["score"]) for hit in whole["hits"] if hit["creator_id"] == "dan"] == [(4, own["score"])]


async def test_a_creator_who_is_in_the_list(api: httpx.AsyncClient) -> None:
    """Nothing is amiss, and it says so."""
    told = await why(api, "ann")
    assert (told["verdict"], told["text"]) == ("shortlisted", "ann is in the list, at 2 of 5")


async def test_a_facet_that_the_search_passed_over_is_told_as_that(
    api: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph may miss what is near enough."""
    everywhere = type(world.index).near

    async def missing_ann(*given: Any, **asked: Any) -> Any:
        found = await everywhere(*given, **asked)
        return [each for each in found if each.object.properties["creator_id"] != "ann"]

    monkeypatch.setattr(type(world.index), "near", missing_ann)
    told = await why(api, "ann")
    assert told["verdict"] == "not_near"
    assert "approximate" in told["text"]
    assert axis("bread")[0] == told["nearest"][0]["cosine"]


async def test_a_search_that_found_nothing_at_all_has_no_cut(
    api: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the last facets that a filter allows are written in this moment."""

    async def nothing(*given: Any, **asked: Any) -> list[Any]:
        return []

    monkeypatch.setattr(type(world.index), "near", nothing)
    told = await why(api, "ann")
    assert (told["verdict"], told["nearest"][0]["cut"], told["of"], told["last"]) == ("not_near", None, 0, None)
    assert "found nothing" in told["text"]
