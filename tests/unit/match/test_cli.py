"""The command line against an API over a small world."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import uvicorn
from typer.testing import CliRunner

from tests.unit.creators.world import look
from tests.unit.match.world import NOW, World
from tests.waiting import eventually
from workers.domain.reasons import Reason
from workers.match import cli
from workers.match.app import create_app
from workers.match.client import ApiClient, find_api
from workers.match.dead_posts import DeadPost
from workers.match.ranking import DEFAULT_WEIGHTS
from workers.process.presence import presence
from workers.wire.records import Unavailable

runner = CliRunner()
app = typer.Typer()
for command in (cli.search, cli.match, cli.similar, cli.creator, cli.explain):
    app.command()(command)


@pytest.fixture(scope="module")
def world() -> World:
    """Posts and creators of bread and sport."""
    small = World()
    small.post("b1", visual="bread", caption="bread [bold]")
    for number, post_id in enumerate(["copied", *(f"copy {n}" for n in range(11))]):
        small.post(post_id, visual="dog", looks=[look(1)], hour=number)
    small.creator("ann", {"bread": 0.8, "sport": 0.2}, platforms=["tiktok"], followers=900)
    small.creator("cid", {"sport": 1.0}, platforms=["youtube"], followers=50)
    small.brand("rye", "bread")
    small.post("gone", removed=True)
    small.dead.bury(
        DeadPost("d1\x1b[2J", "ann", 4, "an-id", "media_gone", "media[0]: 404", None, NOW, attempts=2, replays=1)
    )
    return small


@pytest.fixture(scope="module")
def url(world: World) -> Iterator[str]:
    """An API on a free port."""
    server = uvicorn.Server(uvicorn.Config(create_app(world.rooms()), port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_a_search_prints_a_table_or_json(url: str) -> None:
    """What a caption says is no markup."""
    table = runner.invoke(app, ["search", "bread", "--api", url])
    assert table.exit_code == 0, table.output
    assert "b1" in table.output
    told = runner.invoke(app, ["search", "bread", "--api", url, "--json", "--platform", "tiktok"])
    assert json.loads(told.output)["hits"][0]["caption"] == "bread [bold]"


@pytest.fixture
def policy(world: World) -> Iterator[None]:
    """A brand with a safety policy, and two creators it speaks of, for as long as a test."""
    before = {name: dict(objects) for name, objects in world.index.collections.items()}
    world.brand(
        "sober",
        "sport",
        safety_policy={
            "version": 3,
            "rules": [
                {"category": "alcohol", "threshold": 0.7, "review_from": 0.2},
                {"category": "gambling", "threshold": 0.5, "look_back_days": 90},
            ],
        },
    )
    caused = {"post_id": "wine", "published_at": NOW.isoformat(), "share": 0.05, "scores": {"alcohol": 0.3}}
    world.creator("eve", {"chess": 1.0}, safety={"alcohol": 0.3, "gambling": 0.0}, safety_posts=[caused] * 12)
    many = [{**caused, "scores": {"alcohol": 0.9}}]
    world.creator("fay", {"chess": 1.0}, safety={"alcohol": 0.9, "gambling": 0.0}, safety_posts=many)
    yield
    world.index.collections = before


@pytest.mark.usefixtures("policy")
def test_a_match_under_a_policy_says_whom_to_look_at_and_what_each_rule_removed(url: str) -> None:
    """And why a creator was refused, by which posts."""
    table = runner.invoke(app, ["match", "--brand", "sober", "--explain", "--why", "fay", "--api", url])
    assert table.exit_code == 0, table.output
    said = " ".join(table.output.split())
    assert "to be looked at 1: alcohol 0.300, by wine" in said
    assert "safety policy: version 3 alcohol below 0.7, looked at from 0.2: removed 3 over the index" in said
    assert "gambling below 0.5, in the last 90 days: removed 0 near the brief" in said
    assert "safety.alcohol: wanted safety_alcohol at most 0.7; safety_alcohol is 0.9, posts is wine" in said
    plain = runner.invoke(app, ["match", "--brand", "sober", "--api", url])
    assert "safety policy: version 3" in plain.output


@pytest.mark.usefixtures("policy")
def test_a_creator_is_shown_with_how_safe_they_are_and_why(url: str) -> None:
    """What is not known is named as such, and not every cause."""
    told = " ".join(runner.invoke(app, ["creator", "eve", "--api", url], env={"COLUMNS": "200"}).output.split())
    assert "safety, by the worst 5% of the output: alcohol 0.300, gambling 0.000" in told
    assert "not known, so not safe: violence, nudity, tobacco" in told
    assert "wine, 5.0% of the output: alcohol 0.300" in told
    assert "and 2 posts more" in told


def test_a_match_takes_a_brief_or_a_brand_and_filters(url: str) -> None:
    """Shortlist with parts, evidence and what was filtered out."""
    table = runner.invoke(app, ["match", "bread", "--api", url, "--min-followers", "100"], env={"COLUMNS": "200"})
    assert table.exit_code == 0, table.output
    assert "ann-bread" in table.output
    assert "followers 1" in table.output
    narrow = runner.invoke(app, ["match", "bread", "--api", url], env={"COLUMNS": "80"})
    (place,) = (line for line in narrow.output.splitlines() if line.startswith("1 "))
    assert len(place.split()) == 3 + len(DEFAULT_WEIGHTS)
    told = runner.invoke(
        app, ["match", "--brand", "rye", "--filters", '{"platform": ["youtube"]}', "--api", url, "--json"]
    )
    assert [hit["creator_id"] for hit in json.loads(told.output)["hits"]] == ["cid"]


def test_a_match_says_why_somebody_is_not_in_it(url: str) -> None:
    """The sentence, and the values that make it so."""
    wide = {"COLUMNS": "300"}
    arguments = ["match", "bread", "--api", url, "--why", "cid", "--limit", "1", "--explain"]
    ranked = runner.invoke(app, arguments, env=wide)
    assert ranked.exit_code == 0, ranked.output
    assert "why: cid stands at 2 of 2" in ranked.output
    assert "last of the list: ann at 1" in ranked.output
    assert "allowed: 2 of 2 creators, 3 of 3 facets: by the whole graph, approximate; 2 candidates" in ranked.output
    refused = runner.invoke(app, ["match", "bread", "--api", url, "--why", "cid", "--min-followers", "100"], env=wide)
    assert "why: cid is refused by followers" in refused.output
    assert "followers: wanted followers at least 100; followers is 50" in refused.output
    assert "would have had cid at 2" in refused.output
    asked = ["match", "bread", "--api", url, "--exclude", "ann", "--brand", "rye", "--stored-brief"]
    unknown = runner.invoke(app, [*asked, "--why", "x[bold]"], env=wide)
    assert "why: x[bold] is not known" in unknown.output
    assert "excluded 1" in unknown.output


def test_weights_are_given_by_part(url: str) -> None:
    """As the table shows them."""
    told = runner.invoke(app, ["match", "bread", "--api", url, "--weight", "bio=0", "--weight", "semantic=2", "--json"])
    assert {name: json.loads(told.output)["weights"][name] for name in ("bio", "semantic")} == {"bio": 0, "semantic": 2}


def test_aspects_and_pictures_are_given_with_their_weights(url: str) -> None:
    """In place of a brief."""
    arguments = ["match", "--aspect", "bread=0.6", "--aspect", "sport=0.2", "--image", "https://x/a.png"]
    told = runner.invoke(app, [*arguments, "--api", url, "--explain", "--json"])
    aspects = json.loads(told.output)["explanation"]["aspects"]
    assert [each["text"] for each in aspects] == ["bread", "sport", "reference pictures"]
    assert [each["weight"] for each in aspects] == pytest.approx([0.5, 1 / 6, 1 / 3])


def test_look_alikes_are_near_some_and_away_from_others(url: str, world: World) -> None:
    """With evidence and parts; those of weight 0 are left out of the table."""
    world.creator("bea", {"bread": 0.6, "sport": 0.4})
    try:
        told = runner.invoke(app, ["similar", "ann", "--away", "cid", "--api", url], env={"COLUMNS": "200"})
        assert told.exit_code == 0, told.output
        for part in ("near ann, away from cid", "bea-bread", "semant.", "away"):
            assert part in told.output
        assert "fresh." not in told.output
        as_json = runner.invoke(app, ["similar", "ann", "cid", "--api", url, "--json"])
        assert [hit["creator_id"] for hit in json.loads(as_json.output)["hits"]] == ["bea"]
    finally:
        for collection in ("Facet", "Creator"):
            stored = world.index.collections[collection]
            for name in [key for key, each in stored.items() if each.properties["creator_id"] == "bea"]:
                del stored[name]


def test_a_creator_is_shown(url: str) -> None:
    """Facets by share."""
    told = runner.invoke(app, ["creator", "ann", "--api", url], env={"COLUMNS": "200"})
    assert told.exit_code == 0, told.output
    assert "0.800" in told.output


def test_a_posts_state_is_explained_in_words(url: str) -> None:
    """Embedded, removed, dead with why and what to do; nothing that steers a terminal."""
    told = {name: runner.invoke(app, ["explain", name, "--api", url]) for name in ("b1", "gone", "d1\x1b[2J")}
    assert [answer.exit_code for answer in told.values()] == [0, 0, 0]
    assert "is embedded" in told["b1"].output
    assert "is removed" in told["gone"].output
    dead = told["d1\x1b[2J"].output
    for part in ("is dead", "media_gone", Reason.MEDIA_GONE.what_to_do, "an-id", "media[0]: 404", "replayed 1 times"):
        assert part in dead
    assert "\x1b" not in dead
    as_json = runner.invoke(app, ["explain", "b1", "--api", url, "--json"])
    assert json.loads(as_json.output)["state"] == "embedded"


def test_who_shows_the_same_is_explained_too(url: str) -> None:
    """Earliest first, ten at most."""
    first = runner.invoke(app, ["explain", "copied", "--api", url]).output
    assert "11 other posts show the same; it was the first" in first
    assert "copy 9 of ann" in first
    assert "copy 10 of" not in first
    assert "and 1 more" in first
    later = runner.invoke(app, ["explain", "copy 3", "--api", url]).output
    assert "not the first" in later
    assert "copied of ann" in later
    assert later.count(", the first") == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["explain", "nothing"], 1),
        (["creator", "nobody"], 1),
        (["match", "--brand", "nobody"], 1),
        (["match"], 2),
        (["match", "bread", "--weight", "bio"], 2),
        (["match", "bread", "--weight", "bio=nan"], 2),
        (["match", "--aspect", "bread"], 2),
        (["match", "--aspect", "bread=7"], 2),
        (["match", "bread", "--weight", "colour=1"], 2),
        (["similar", "nobody"], 1),
        (["similar", "ann", "--away", "ann"], 2),
        (["similar"], 2),
        (["match", "bread", "--filters", "{"], 2),
        (["match", "bread", "--filters", "[]"], 2),
        (["match", "bread", "--filters", '{"colour": 1}'], 2),
        (["search", "bread", "--platform", "Tik Tok"], 2),
        (["search", "bread", "--limit", "0"], 2),
    ],
)
def test_failures_have_their_exit_codes(url: str, arguments: list[str], code: int) -> None:
    """1: nothing of that name; 2: a wrong request."""
    told = runner.invoke(app, [*arguments, "--api", url])
    assert told.exit_code == code, told.output


def test_an_api_that_is_gone_is_unavailable(url: str, world: World) -> None:
    """Which the command line answers with 3; so is one behind which a server is gone."""
    assert isinstance(runner.invoke(app, ["search", "x", "--api", "http://127.0.0.1:9"]).exception, Unavailable)
    world.index.gone = True
    try:
        with ApiClient(url) as client, pytest.raises(Unavailable, match="busy or gone"):
            client.search("bread")
    finally:
        world.index.gone = False


def test_the_api_is_found_by_the_note_of_a_process_that_runs(tmp_path: Path, url: str) -> None:
    """A note that a killed process left behind is passed over."""
    with pytest.raises(Unavailable, match="no match API"):
        find_api(tmp_path)
    with presence(tmp_path, "match", url):
        left = tmp_path / "workers" / "match-1.json"
        left.write_text(json.dumps({"name": "match", "pid": 2**22 + 1, "health_url": "http://gone"}))
        assert find_api(tmp_path) == url
