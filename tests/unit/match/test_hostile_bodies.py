"""Bodies that are made to break a parser: each is a 4xx that says what is wrong."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from tests.unit.match.test_ingest import POST
from tests.unit.match.world import NOW

JSON = {"content-type": "application/json"}
DEEP = 20_000


@pytest.mark.parametrize("call", ["/v1/posts", "/v1/match", "/v1/similar", "/v1/outcomes"])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b"1" * 10_000,
        b'{"revision": ' + b"9" * 10_000 + b"}",
        b"NaN",
        b'{"brief": "x", "weights": {"semantic": NaN}}',
        b'{"brief": "x", "weights": {"semantic": 1e999}}',
        b'{"brief": "x", "filters": {"audience": {"gender": {"women": NaN}}}}',
        b'{"brief": "\xff\xfe"}',
        b'"\\ud800"',
        b'{"brief": "\\ud800"}',
        b'{"brief": "x", "brief": null}',
        b'{"like": ["\\ud800"], "brief": 1}',
        b'{"like": "a", "weights": {"away": NaN}, "brief": 1}',
        b'{"brief": "x", "explain_creator_id": "a|b", "like": "\\u0000"}',
        b"\x00",
        b"",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_a_body_made_to_break_a_parser_is_refused(api: httpx.AsyncClient, call: str, body: bytes) -> None:
    """Never a 500, and never taken."""
    answer = await api.post(call, content=body, headers=JSON)
    assert answer.status_code in (400, 413, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("query", ["blend=nan", "blend=inf", "limit=1e3", "limit=99999999999999999999", "blend="])
async def test_a_query_made_to_break_a_parser_is_refused(api: httpx.AsyncClient, query: str) -> None:
    """Not a number is no blend."""
    answer = await api.get(f"/v1/search?q=bread&{query}")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")


async def test_a_time_a_year_ahead_is_refused_by_its_name(api: httpx.AsyncClient) -> None:
    """A day ahead is a clock that is wrong by a time zone, and taken."""
    ahead = await api.post("/v1/posts", json=[POST, {**POST, "published_at": "2027-03-02T12:00:00Z"}])
    assert ahead.status_code == 422
    (error,) = ahead.json()["errors"]
    assert (error["index"], error["fields"][0]["field"]) == (1, "published_at")
    assert (await api.post("/v1/posts", json={**POST, "published_at": "2026-03-02T12:00:00Z"})).status_code == 202


async def test_an_outcome_more_than_a_day_ahead_is_refused_where_it_can_still_be_mended(api: httpx.AsyncClient) -> None:
    """The outcomes worker would make a dead letter of it; hours ahead, as another time zone is, it is taken."""
    sale = {"type": "Converted", "event_id": "e", "brand_id": "b", "campaign_id": "k", "creator_id": "c", "value": 1.0}
    answers = [
        await api.post("/v1/outcomes", json={**sale, "occurred_at": (NOW + timedelta(hours=hours)).isoformat()})
        for hours in (12, 25)
    ]
    assert [answer.status_code for answer in answers] == [202, 422]
    assert answers[1].json()["errors"][0]["fields"][0]["field"] == "occurred_at"
