"""What callers read about the calls: the description of the API, and the page."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from workers.match.app import PAGE
from workers.match.lookalikes import SIMILAR_WEIGHTS
from workers.match.ranking import DEFAULT_WEIGHTS
from workers.match.requests import SimilarWeights, Weights

PLAIN = {"language", "country", "category", "followers", "price", "filters", "weights", "limit"}
"""Fields that their names describe."""


async def described(api: httpx.AsyncClient) -> dict[str, Any]:
    """The schemas of /openapi.json."""
    found: dict[str, Any] = (await api.get("/openapi.json")).json()
    return found


@pytest.mark.parametrize("name", ["MatchRequest", "Filters", "Weights", "SimilarRequest"])
async def test_every_field_of_a_match_is_described(api: httpx.AsyncClient, name: str) -> None:
    """In /openapi.json, which /docs shows."""
    schema = (await described(api))["components"]["schemas"][name]
    assert schema["description"]
    told = {field for field, each in schema["properties"].items() if each.get("description")}
    assert set(schema["properties"]) - told <= PLAIN
    assert told


async def test_look_alikes_and_their_query_are_described(api: httpx.AsyncClient) -> None:
    """Both calls."""
    paths = (await described(api))["paths"]
    assert "requestBody" in paths["/v1/similar"]["post"]
    query = {each["name"]: each for each in paths["/v1/creators/{creator_id}/similar"]["get"]["parameters"]}
    assert query["also"]["description"]
    assert query["away"]["description"]


async def test_every_call_says_how_it_refuses(api: httpx.AsyncClient) -> None:
    """Problem documents, all of them; what is asked for by an id may not be there."""
    paths = (await described(api))["paths"]
    calls = [(path, call) for path, methods in paths.items() if path.startswith("/v1/") for call in methods.values()]
    assert len(calls) > 10
    for path, call in calls:
        assert {"401", "403", "422", "429", "503"} <= set(call["responses"]), path
        if "{" in path and "delete" not in paths[path]:
            assert "404" in call["responses"], path
    assert "404" in paths["/v1/match"]["post"]["responses"]
    assert "404" in paths["/v1/similar"]["post"]["responses"]


def test_every_part_of_the_score_has_a_weight_and_a_place_on_the_page() -> None:
    """A part that nobody can weigh would be hidden."""
    assert set(Weights.model_fields) == set(DEFAULT_WEIGHTS)
    assert set(SimilarWeights.model_fields) <= set(SIMILAR_WEIGHTS)
    page = PAGE.read_text()
    listed = re.search(r"const PARTS = \[(.*?)\];", page)
    assert listed is not None
    assert set(re.findall(r'"(\w+)"', listed[1])) == set(DEFAULT_WEIGHTS)
    for call in ("/v1/match", "/v1/similar"):
        assert f'send("{call}"' in page
