"""Events over HTTP, health, the page, and what every error looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.match.world import World, png
from workers.domain.events import Converted, CreatorErased, PostPublished
from workers.match.app import create_app
from workers.match.pictures import shown_url

POST: dict[str, Any] = {
    "post_id": "p1",
    "creator_id": "ann",
    "revision": 1,
    "platform": "tiktok",
    "url": "https://x/p1",
    "published_at": "2026-02-01T10:00:00Z",
}


async def test_one_event_or_a_list_is_taken_with_ids(api: httpx.AsyncClient, world: World) -> None:
    """202 once Kafka has them."""
    answer = await api.post("/v1/posts", json=POST)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    many = await api.post("/v1/posts", json=[POST, {**POST, "post_id": "p2", "id": "mine"}])
    assert many.json()["ids"] == [answer.json()["ids"][0], "mine"]
    assert [type(event) for _, _, event in world.outbox.published] == [PostPublished] * 3


async def test_where_one_is_wrong_none_is_taken_and_each_error_is_told(api: httpx.AsyncClient, world: World) -> None:
    """By its place in the list and the path of its field."""
    wrong = {**POST, "revision": -1, "media": [{"url": "https://x", "kind": "sound"}]}
    answer = await api.post("/v1/posts", json=[POST, wrong, 7])
    assert answer.status_code == 422
    assert world.outbox.published == []
    first, second = answer.json()["errors"]
    assert (first["index"], [field["field"] for field in first["fields"]]) == (1, ["revision", "media.0.kind"])
    assert (second["index"], second["code"]) == (2, "invalid_event")


async def test_kinds_of_outcomes_are_told_apart_by_type(api: httpx.AsyncClient, world: World) -> None:
    """And one that does not belong is refused."""
    sale = {
        "type": "Converted",
        "event_id": "e1",
        "brand_id": "rye",
        "campaign_id": "c1",
        "creator_id": "ann",
        "occurred_at": "2026-02-01T10:00:00Z",
        "value": 12.5,
    }
    assert (await api.post("/v1/outcomes", json=sale)).status_code == 202
    assert isinstance(world.outbox.published[0][2], Converted)
    answer = await api.post("/v1/decisions", json=sale)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unexpected_type")


async def test_an_erasure_is_taken(api: httpx.AsyncClient, world: World) -> None:
    """On the creator's own topic."""
    answer = await api.delete("/v1/creators/ann")
    assert answer.status_code == 202
    ((topic, _, event),) = world.outbox.published
    assert topic == "posts"
    assert isinstance(event, CreatorErased)


async def test_events_that_kafka_did_not_take_are_a_503(api: httpx.AsyncClient, world: World) -> None:
    """A repeat is safe: ids are of the content."""
    world.outbox.gone = True
    answer = await api.post("/v1/posts", json=POST)
    assert answer.status_code == 503
    assert "a repeat is safe" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/nothing", 404, "not_found"),
        ("PUT", "/v1/match", 405, "method_not_allowed"),
        ("GET", "/v1/posts/none", 404, "not_found"),
        ("POST", "/v1/match", 422, "invalid"),
    ],
)
async def test_every_error_is_a_problem_document(
    api: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    """RFC 9457: type, title, status, detail, instance."""
    answer = await api.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"], body["instance"]) == (f"/problems/{code}", status, path)
    assert body["title"]
    assert body["detail"]


async def test_malformed_json_is_a_problem(api: httpx.AsyncClient) -> None:
    """Not a stack trace; it says where the JSON ends to be JSON."""
    answer = await api.post("/v1/posts", content=b'[{"a" 1}]', headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    assert answer.json()["detail"] == "body: not JSON at character 6: Expecting ':' delimiter"


@pytest.mark.parametrize("call", ["/v1/posts", "/v1/outcomes", "/v1/match", "/v1/search"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", None])
async def test_a_body_of_another_kind_is_refused_with_the_kind_that_is_read(
    api: httpx.AsyncClient, call: str, kind: str | None
) -> None:
    """`curl -d` announces a form: what comes is not guessed at."""
    answer = await api.post(call, content=b'{"brief": "x"}', headers={"content-type": kind} if kind else {})
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported_media_type")
    assert ("multipart/form-data" if call == "/v1/search" else "application/json") in answer.json()["detail"]


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_refused_while_it_is_read(api: httpx.AsyncClient, declared: bool) -> None:
    """Whatever its Content-Length says."""

    async def chunks() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    content = b"x" * 2_000_000 if declared else chunks()
    answer = await api.post("/v1/posts", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too_large")


async def test_too_many_events_at_once_are_refused(api: httpx.AsyncClient) -> None:
    """1000 are the most."""
    answer = await api.post("/v1/posts", json=[1] * 1001)
    assert (answer.status_code, "1000" in answer.json()["detail"]) == (422, True)


async def test_an_unexpected_error_tells_nothing(world: World) -> None:
    """It is logged; the caller gets a problem document."""

    def broken() -> list[Any]:
        raise RuntimeError("secret: 42")

    world.brands.all = broken  # type: ignore[method-assign]
    transport = httpx.ASGITransport(create_app(world.rooms()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        answer = await client.get("/v1/brands")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "42" not in answer.text


async def test_readiness_says_no_until_the_views_are_read(api: httpx.AsyncClient, world: World) -> None:
    """Liveness is another question."""
    assert (await api.get("/readyz")).status_code == 200
    world.ready = False
    assert (await api.get("/readyz")).status_code == 503
    assert (await api.get("/livez")).status_code == 200


async def test_liveness_asks_no_server(api: httpx.AsyncClient, world: World) -> None:
    """A server that hangs must not get this process restarted."""
    assert (await api.get("/livez")).json() == {"live": True}
    assert world.servers_asked == 0


async def test_requests_are_counted_under_their_route(api: httpx.AsyncClient) -> None:
    """Ids do not become labels."""
    await api.get("/v1/posts/some-post")
    text = (await api.get("/metrics")).text
    assert 'streamscout_requests_total{call="/v1/posts/{post_id}",status="404"}' in text
    assert "some-post" not in text


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_page_is_one_file_that_loads_nothing_from_elsewhere(api: httpx.AsyncClient, path: str) -> None:
    """No content delivery network, no tracker: it works without a network."""
    page = await api.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert 'src="http' not in page.text
    assert "@import" not in page.text


async def test_pictures_of_the_allowed_directory_are_served_and_nothing_else(tmp_path: Path) -> None:
    """No way out by dots, links or types."""
    root = tmp_path / "media"
    root.mkdir()
    (root / "a b.png").write_bytes(png())
    (root / "page.html").write_text("<script>")
    (tmp_path / "secret.png").write_bytes(png())
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    transport = httpx.ASGITransport(create_app(World(media_root=root).rooms()))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        good = await client.get("/media/a%20b.png")
        assert (good.status_code, good.headers["content-type"]) == (200, "image/png")
        for path in (
            "page.html",
            "link.png",
            "..%2Fsecret.png",
            "%2e%2e/secret.png",
            "%00.png",
            "no.png",
            "",
            "a" * 300 + ".png",
        ):
            assert (await client.get(f"/media/{path}")).status_code == 404, path


async def test_a_file_that_a_browser_cannot_show_has_no_address(tmp_path: Path) -> None:
    """A TIFF is not served; a BMP is."""
    assert shown_url((tmp_path / "a.tif").as_uri(), tmp_path) is None
    assert shown_url((tmp_path / "a.bmp").as_uri(), tmp_path) == "/media/a.bmp"


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=abc&X-Amz-Expires=60",
        "w=640&sig=abc",
        "token=abc",
        "oh=00_AfB&oe=68C2F1A0",
        "Expires=1767225600&Key-Pair-Id=K",
    ],
)
def test_an_address_is_shown_without_its_signature(query: str) -> None:
    """The right to read was given to us, not to our callers; other queries belong to the address."""
    assert shown_url(f"https://cdn.example/a.jpg?{query}", None) == "https://cdn.example/a.jpg"
    assert shown_url("https://cdn.example/a.jpg?w=640&v=2", None) == "https://cdn.example/a.jpg?w=640&v=2"
