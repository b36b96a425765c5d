"""Who may do what: keys, scopes, anonymous callers, and how often."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.match.test_ingest import POST
from tests.unit.match.world import NOW, World
from workers.match.access import OPEN, Keyring, needed
from workers.match.app import create_app
from workers.match.keys import ApiKey, KeyFileError, Scope, find_key, new_key, read_keys, write_keys
from workers.match.throttle import CALLERS_KEPT, Throttle

ERASURE = {"type": "CreatorErased", "creator_id": "ann", "requested_at": NOW.isoformat()}
CALLS: list[tuple[str, str, object, set[Scope]]] = [
    ("GET", "/v1/search?q=bread", None, {Scope.SEARCH}),
    ("POST", "/v1/match", {"brief": "bread"}, {Scope.SEARCH}),
    ("POST", "/v1/similar", {"like": ["ann"]}, {Scope.SEARCH}),
    ("GET", "/v1/creators/ann", None, {Scope.SEARCH}),
    ("GET", "/v1/posts/p1", None, {Scope.SEARCH}),
    ("GET", "/v1/brands", None, {Scope.SEARCH}),
    ("GET", "/media/a.png", None, {Scope.SEARCH}),
    ("POST", "/v1/posts", POST, {Scope.INGEST}),
    ("POST", "/v1/outcomes", {}, {Scope.INGEST}),
    ("POST", "/v1/decisions", {}, {Scope.SEARCH, Scope.INGEST}),
    ("DELETE", "/v1/creators/ann", None, {Scope.ADMIN}),
    ("PUT", "/v1/anything/new", None, {Scope.ADMIN}),
]


@pytest.fixture
def keys(world: World, tmp_path: Path) -> dict[Scope, str]:
    """A key of each scope; nothing is open without one."""
    made = {scope: new_key(f"for-{scope}", [scope], NOW, None) for scope in Scope}
    path = tmp_path / "keys.json"
    write_keys(path, [kept for _, kept in made.values()])
    world.keyring, world.anonymous = Keyring(path), frozenset()
    return {scope: key for scope, (key, _) in made.items()}


@pytest.fixture
async def api(world: World, keys: dict[Scope, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, made after the keys."""
    transport = httpx.ASGITransport(create_app(world.rooms()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(("method", "path", "body", "opening"), CALLS)
async def test_a_call_opens_to_its_scopes_alone(
    api: httpx.AsyncClient, keys: dict[Scope, str], method: str, path: str, body: object, opening: set[Scope]
) -> None:
    """401 without a key, 403 with one of another scope."""
    nobody = await api.request(method, path, json=body)
    assert (nobody.status_code, nobody.json()["type"]) == (401, "/problems/unauthorized")
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    for scope, key in keys.items():
        answer = await api.request(method, path, json=body, headers=bearer(key))
        assert (answer.status_code == 403) == (scope not in opening), (scope, answer.text)
        assert answer.status_code != 401


async def test_what_holds_no_data_is_open(api: httpx.AsyncClient) -> None:
    """The page, the description of the calls, probes and metrics."""
    assert {(await api.get(path)).status_code for path in OPEN} == {200}


def test_every_call_of_the_application_has_a_rule_or_is_open(world: World) -> None:
    """A call that nobody thought of asks for ``admin``, and is then missing here."""
    paths = create_app(world.rooms()).openapi()["paths"]
    calls = {(method.upper(), path) for path, methods in paths.items() for method in methods if path not in OPEN}
    assert len(calls) > 10
    closed = {call for call in calls if needed(*call) == {Scope.ADMIN}}
    assert closed == {("DELETE", "/v1/creators/{creator_id}")}


@pytest.mark.parametrize(
    "shown", [{"authorization": "Bearer wrong"}, {"authorization": "Basic YTpi"}, {"x-api-key": ""}]
)
async def test_a_wrong_key_is_refused_even_where_none_is_needed(world: World, shown: dict[str, str]) -> None:
    """It is a mistake, and silence would hide it."""
    transport = httpx.ASGITransport(create_app(world.rooms()))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        assert (await client.get("/v1/brands")).status_code == 200
        assert (await client.get("/v1/brands", headers=shown)).status_code == 401


async def test_a_key_may_come_in_its_own_header(api: httpx.AsyncClient, keys: dict[Scope, str]) -> None:
    """X-API-Key, as many gateways send it."""
    assert (await api.get("/v1/brands", headers={"x-api-key": keys[Scope.SEARCH]})).status_code == 200


async def test_a_refused_caller_s_body_is_not_read(api: httpx.AsyncClient) -> None:
    """Nobody fills the memory without a key."""
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(50):
            read += 1
            yield b"x" * 1000

    answer = await api.post("/v1/posts", content=chunks(), headers={"content-type": "application/json"})
    assert (answer.status_code, read) == (401, 0)


@pytest.mark.parametrize("body", [ERASURE, [POST, ERASURE], {**ERASURE, "type": "CreatorReinstated"}])
@pytest.mark.parametrize("prefix", ["", "io.streamscout."])
async def test_an_erasure_among_posts_needs_admin_too(
    api: httpx.AsyncClient, keys: dict[Scope, str], world: World, body: object, prefix: str
) -> None:
    """Nothing of the list is taken."""
    text = json.dumps(body).replace('"type": "', f'"type": "{prefix}')
    headers = {**bearer(keys[Scope.INGEST]), "content-type": "application/json"}
    answer = await api.post("/v1/posts", content=text, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")
    assert world.outbox.published == []


async def test_whose_key_asks_for_an_erasure_goes_with_it(
    api: httpx.AsyncClient, keys: dict[Scope, str], world: World
) -> None:
    """For its audit: the key's name."""
    headers = bearer(keys[Scope.ADMIN])
    assert (await api.delete("/v1/creators/ann", headers=headers)).status_code == 202
    assert world.outbox.asked_by == "for-admin"


async def test_a_revoked_key_ends_at_the_next_request(
    api: httpx.AsyncClient, keys: dict[Scope, str], world: World, tmp_path: Path
) -> None:
    """Without a restart; and a broken file opens nothing."""
    path, shown = tmp_path / "keys.json", bearer(keys[Scope.SEARCH])
    assert (await api.get("/v1/brands", headers=shown)).status_code == 200
    kept = read_keys(path)
    write_keys(path, [key for key in kept if key.name != "for-search"])
    assert (await api.get("/v1/brands", headers=shown)).status_code == 401
    write_keys(path, kept)
    assert (await api.get("/v1/brands", headers=shown)).status_code == 200
    path.write_text("{broken")
    assert (await api.get("/v1/brands", headers=shown)).status_code == 401
    path.unlink()
    assert (await api.get("/v1/brands", headers=shown)).status_code == 401


def test_an_expired_key_is_no_key() -> None:
    """From its very moment on."""
    key, kept = new_key("a", [Scope.SEARCH], NOW, NOW + timedelta(days=1))
    assert find_key([kept], key, NOW + timedelta(hours=23)) == kept
    assert find_key([kept], key, NOW + timedelta(days=1)) is None


def test_the_file_holds_hashes_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    """What is written is read back; the key is nowhere."""
    path = tmp_path / "keys.json"
    key, kept = new_key("a", [Scope.SEARCH, Scope.INGEST], NOW, None)
    write_keys(path, [kept])
    assert path.stat().st_mode & 0o777 == 0o600
    assert key not in path.read_text()
    assert read_keys(path) == (kept,)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "not a file of keys"),
        ('{"keys": [{"name": "a"}]}', "keys.0.scopes"),
        ('{"keys": [], "more": 1}', "more"),
    ],
)
def test_a_file_that_is_none_says_what_is_wrong_and_repeats_nothing(tmp_path: Path, body: str, said: str) -> None:
    """Nor one in which a name stands twice."""
    path = tmp_path / "keys.json"
    path.write_text(body)
    with pytest.raises(KeyFileError, match=said):
        read_keys(path)
    kept: list[ApiKey] = [new_key("a", [Scope.SEARCH], NOW, None)[1] for _ in range(2)]
    write_keys(path, kept)
    with pytest.raises(KeyFileError, match="twice"):
        read_keys(path)


async def test_who_asks_too_often_waits_and_others_do_not(world: World, keys: dict[Scope, str]) -> None:
    """429 with Retry-After; a wrong key counts against its address."""
    world.throttle = Throttle(rate=0.5, burst=2)
    transport = httpx.ASGITransport(create_app(world.rooms()))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        eager = bearer(keys[Scope.SEARCH])
        statuses = [(await client.get("/v1/brands", headers=eager)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = await client.get("/v1/brands", headers=eager)
        assert (refused.json()["type"], refused.headers["retry-after"]) == ("/problems/throttled", "2")
        assert (await client.post("/v1/posts", json=POST, headers=bearer(keys[Scope.INGEST]))).status_code == 202
        guesses = [(await client.get("/v1/brands", headers=bearer(f"{n}"))).status_code for n in range(3)]
        assert guesses == [401, 401, 429]
        assert (await client.get("/livez")).status_code == 200
        world.clock.time += timedelta(seconds=2)
        assert (await client.get("/v1/brands", headers=eager)).status_code == 200


@given(
    st.lists(st.floats(0, 10), max_size=200),
    st.floats(0.1, 50),
    st.integers(1, 20),
)
def test_a_caller_never_gets_more_than_burst_and_rate_allow(gaps: list[float], rate: float, burst: int) -> None:
    """Over any stretch of time, and a wait that is said is enough."""
    throttle, now, granted, wait = Throttle(rate, burst), 0.0, 0, 0.0
    for gap in gaps:
        now += gap
        wait = throttle.take("a", now)
        granted += not wait
    assert granted <= burst + rate * sum(gaps) + 1e-6
    if wait:
        assert throttle.take("a", now + wait + 1e-6) == 0.0


def test_callers_are_forgotten_in_the_end() -> None:
    """Whoever comes from ever new addresses fills no memory."""
    throttle = Throttle(1.0, 1)
    for number in range(CALLERS_KEPT + 100):
        throttle.take(str(number), 0.0)
    assert len(throttle._buckets) == CALLERS_KEPT
