"""A brand's policy as hard filters of a match: who is removed, by what, and what the answer says of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.unit.match.world import MODEL, NOW, World
from workers.domain.events import MatchServed
from workers.domain.ids import creator_object_id
from workers.match import retrieval

CLEAN = {"alcohol": 0.05, "gambling": 0.0}


@pytest.fixture(autouse=True)
def creators(world: World) -> None:
    """Four creators of bread, more and less sober; of one nothing is known."""
    world.creator("ann", {"bread": 1.0}, safety=CLEAN)
    world.creator("bea", {"bread": 1.0}, safety={"alcohol": 0.3, "gambling": 0.0}, safety_posts=[cause("wine", 0.3)])
    world.creator("cid", {"bread": 1.0}, safety={"alcohol": 0.8, "gambling": 0.1}, safety_posts=[cause("beer", 0.8)])
    world.creator("dan", {"bread": 1.0})


def cause(post_id: str, probability: float, days: int = 200, share: float = 0.05) -> dict[str, object]:
    """A post of alcohol that fills a creator's tail, so many days old."""
    at = (NOW - timedelta(days=days)).isoformat()
    return {"post_id": post_id, "published_at": at, "share": share, "scores": {"alcohol": probability}}


def rule(threshold: float, **fields: object) -> dict[str, object]:
    """A rule about alcohol."""
    return {"category": "alcohol", "threshold": threshold, **fields}


async def matched(api: httpx.AsyncClient, world: World, *rules: object, **fields: Any) -> dict[str, Any]:
    """The answer for a brand with a policy of these rules; ``asked`` is what the request says besides."""
    asked, safety = fields.pop("asked", {}), fields.pop("safety", {})
    policy = {"version": 5, "rules": rules, **fields}
    known = world.brands.get("rye")
    revision = known.revision + 1 if known else 1
    world.brand("rye", "bread for everyone", revision=revision, safety_policy=policy, safety=safety)
    response = await api.post("/v1/match", json={"brand_id": "rye", **asked})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def who(answer: dict[str, Any]) -> list[str]:
    """The creators, sorted."""
    return sorted(hit["creator_id"] for hit in answer["hits"])


async def test_a_rule_removes_whom_it_refuses_and_whom_nobody_has_scored(api: httpx.AsyncClient, world: World) -> None:
    """Counted over the whole index, under its category; the match says under which policy it was made."""
    answer = await matched(api, world, rule(0.8))
    assert who(answer) == ["ann", "bea"], "at the threshold is refused"
    assert answer["filtered_out"] == {"safety.alcohol": 2}
    assert answer["safety_policy_version"] == 5
    (_, _, event) = world.outbox.published[-1]
    assert isinstance(event, MatchServed)
    assert event.safety_policy_version == 5


@pytest.mark.parametrize("fields", [{"unknown": "allow"}, {"allow_unknown": ["alcohol"]}])
async def test_a_policy_may_let_pass_what_is_not_known(
    api: httpx.AsyncClient, world: World, fields: dict[str, object]
) -> None:
    """It says so itself; a request may take it back."""
    answer = await matched(api, world, rule(0.5), **fields)
    assert who(answer) == ["ann", "bea", "dan"]
    assert answer["filtered_out"] == {"safety.alcohol": 1}
    strict = await matched(api, world, rule(0.5), asked={"filters": {"unknown_safety": "refuse"}}, **fields)
    assert who(strict) == ["ann", "bea"]


async def test_of_several_rules_about_one_category_the_strictest_holds(api: httpx.AsyncClient, world: World) -> None:
    """It alone is asked of the store, however many there are."""
    answer = await matched(api, world, rule(0.9), rule(0.3), rule(0.8), asked={"explain_creator_id": "cid"})
    assert who(answer) == ["ann"]
    assert [each["wanted"] for each in answer["why"]["refused"]] == [["safety_alcohol at most 0.3"]]


async def test_a_request_cannot_loosen_a_policy(api: httpx.AsyncClient, world: World) -> None:
    """The strictest holds, and what the policy does not know stays refused."""
    lax = {"filters": {"safety": {"alcohol": 1.0}, "unknown_safety": "allow"}}
    assert who(await matched(api, world, rule(0.5), asked=lax)) == ["ann", "bea"]
    strict = {"filters": {"safety": {"alcohol": 0.1}}}
    assert who(await matched(api, world, rule(0.5), asked=strict)) == ["ann"]
    assert who(await matched(api, world, rule(0.5), safety={"alcohol": 0.1})) == ["ann"]


async def test_a_limit_of_the_request_alone_refuses_what_is_not_known(api: httpx.AsyncClient) -> None:
    """Unless the request says otherwise."""

    async def asked(**filters: object) -> list[str]:
        answer = await api.post("/v1/match", json={"brief": "bread", "filters": filters})
        return who(answer.json())

    assert await asked(safety={"alcohol": 0.3}) == ["ann", "bea"], "the highest that is tolerated"
    assert await asked(safety={"alcohol": 0.3}, unknown_safety="allow") == ["ann", "bea", "dan"]


async def test_a_cleared_creator_passes_every_rule_and_a_blocked_one_none(api: httpx.AsyncClient, world: World) -> None:
    """Clearing concerns the brand's rules, not what a request says itself."""
    lists = {"cleared": ["cid", "dan"], "blocked": ["ann"]}
    answer = await matched(api, world, rule(0.2), rule(0.01, look_back_days=365), **lists)
    assert who(answer) == ["cid", "dan"]
    assert answer["filtered_out"] == {"safety.alcohol": 1, "safety.blocked": 1}
    strict = {"filters": {"safety": {"alcohol": 0.5}}}
    assert who(await matched(api, world, rule(0.2), asked=strict, **lists)) == []
    assert who(await matched(api, world, blocked=["ann"])) == ["bea", "cid", "dan"], "without any rule, too"


async def test_scores_stand_beside_each_creator_and_those_in_the_review_band_ask_for_a_look(
    api: httpx.AsyncClient, world: World
) -> None:
    """With the posts that caused them. A score that is not known is not there."""
    answer = await matched(api, world, rule(0.7, review_from=0.2), unknown="allow")
    hits = {hit["creator_id"]: (hit["safety"], hit["review"]) for hit in answer["hits"]}
    assert hits == {
        "ann": (CLEAN, []),
        "bea": (
            {"alcohol": 0.3, "gambling": 0.0},
            [{"category": "alcohol", "score": 0.3, "posts": ["wine"]}],
        ),
        "dan": ({}, []),
    }


async def test_a_rule_that_looks_back_forgives_what_is_older(api: httpx.AsyncClient, world: World) -> None:
    """Its refusals are counted among the creators near the brief; the store's are not counted twice."""
    recent = await matched(api, world, rule(0.7, look_back_days=250))
    assert who(recent) == ["ann", "bea"]
    assert recent["filtered_out"] == {"safety.alcohol": 2}
    long_ago = await matched(api, world, rule(0.7, look_back_days=150))
    assert who(long_ago) == ["ann", "bea", "cid"]
    assert long_ago["filtered_out"] == {"safety.alcohol": 1}
    both = await matched(api, world, rule(0.7, look_back_days=150), rule(0.7))
    assert who(both) == ["ann", "bea"]
    assert both["filtered_out"] == {"safety.alcohol": 2}


async def test_only_creators_in_doubt_are_looked_at_one_by_one(
    api: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose whole score is under the threshold passes whatever is looked back on."""
    asked: list[list[str]] = []
    original = retrieval.Retrieval.safety_of

    async def watched(self: retrieval.Retrieval, creators: list[str]) -> Any:
        asked.append(sorted(creators))
        return await original(self, creators)

    monkeypatch.setattr(retrieval.Retrieval, "safety_of", watched)
    await matched(api, world, rule(0.7, look_back_days=150), unknown="allow")
    assert asked == [["cid"], ["dan"]], "first for the rule, then for the review list: of dan posts may be known"
    asked.clear()
    await matched(api, world, rule(0.7))
    assert asked == [[]]


async def test_a_policy_that_lets_pass_what_is_not_known_shows_what_is(api: httpx.AsyncClient, world: World) -> None:
    """Too few posts are scored for a score, and one of them is over the rule: it is said, without a number."""
    world.creator("eve", {"bread": 1.0}, safety_posts=[cause("rum", 0.9)])
    answer = await matched(api, world, rule(0.7), unknown="allow")
    reviews = {hit["creator_id"]: hit["review"] for hit in answer["hits"] if hit["review"]}
    assert reviews == {"eve": [{"category": "alcohol", "score": None, "posts": ["rum"]}]}


async def test_nothing_is_forgiven_of_whom_the_causes_are_not_there_yet(api: httpx.AsyncClient, world: World) -> None:
    """Facets are written before their Creator: the score that they say stands."""
    name = creator_object_id("cid", MODEL)
    lax = {"unknown": "allow", "asked": {"explain_creator_id": "cid"}}
    assert "cid" in who(await matched(api, world, rule(0.7, look_back_days=150), **lax))
    del world.index.collections["Creator"][name]
    answer = await matched(api, world, rule(0.7, look_back_days=150), **lax)
    assert "cid" not in who(answer)
    assert answer["why"]["refused"][0]["found"] == {"safety_alcohol": 0.8}


async def test_refusals_on_our_side_do_not_starve_a_shortlist(
    api: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again without those who were refused, until there are enough."""
    monkeypatch.setattr(retrieval, "MOST_FETCHED", 4)
    for number in range(9):
        bad = [cause(f"rum-{number}", 0.9, days=3)]
        world.creator(f"bad-{number}", {"bread": 1.0}, safety={"alcohol": 0.9}, safety_posts=bad)
    world.creator("eve", {"bread cat": 1.0}, safety=CLEAN)
    answer = await matched(api, world, rule(0.7, look_back_days=30), asked={"limit": 4})
    assert who(answer) == ["ann", "bea", "cid", "eve"]
    assert answer["filtered_out"]["safety.alcohol"] == 10, "and dan, of whom nothing is known"


async def test_explain_shows_the_policy_its_rules_and_what_each_removed(api: httpx.AsyncClient, world: World) -> None:
    """And over what it was counted."""
    rules = (rule(0.7, review_from=0.2), {"category": "gambling", "threshold": 0.5, "look_back_days": 30})
    answer = await matched(api, world, *rules, blocked=["ann"], asked={"explain": True})
    assert answer["explanation"]["safety"] == {
        "policy_version": 5,
        "rules": [
            {**rule(0.7, review_from=0.2), "removed": 2, "counted": "over_the_index"},
            {
                "category": "gambling",
                "threshold": 0.5,
                "look_back_days": 30,
                "removed": 0,
                "counted": "near_the_brief",
            },
        ],
        "unknown": "refuse",
        "allow_unknown": [],
        "cleared": 0,
        "blocked": {"creators": 1, "removed": 1},
    }
    plain = await api.post("/v1/match", json={"brief": "bread", "explain": True})
    assert "safety" not in plain.json()["explanation"]


async def test_why_a_creator_is_refused_names_the_rule_and_the_posts(api: httpx.AsyncClient, world: World) -> None:
    """Of a condition of the store as of a rule that looks back."""
    answer = await matched(api, world, rule(0.7), asked={"explain_creator_id": "cid"})
    (refused,) = answer["why"]["refused"]
    assert refused["reason"] == "safety.alcohol"
    assert refused["found"] == {"safety_alcohol": 0.8, "posts": ["beer"]}
    answer = await matched(api, world, rule(0.7, look_back_days=250), asked={"explain_creator_id": "cid"})
    assert answer["why"]["verdict"] == "refused"
    assert answer["why"]["refused"] == [
        {
            "reason": "safety.alcohol",
            "wanted": ["safety_alcohol below 0.7 in the last 250 days"],
            "found": {"safety_alcohol": 0.8, "posts": ["beer"]},
        }
    ]
    unknown = await matched(api, world, rule(0.7, look_back_days=250), asked={"explain_creator_id": "dan"})
    assert unknown["why"]["refused"][0]["found"] == {"safety_alcohol": None}


async def test_a_creator_is_shown_with_scores_causes_and_what_is_not_known(api: httpx.AsyncClient) -> None:
    """What is not known is named: it is not safe."""
    shown = (await api.get("/v1/creators/bea")).json()
    assert shown["safety"] == {"alcohol": 0.3, "gambling": 0.0}
    assert shown["safety_coverage"] == {"alcohol": 1.0, "gambling": 1.0}
    assert (shown["safety_tail"], shown["safety_revision"]) == (0.05, 14)
    assert [(post["post_id"], post["scores"]) for post in shown["safety_posts"]] == [("wine", {"alcohol": 0.3})]
    assert "violence" in shown["safety_unknown"]
    assert "alcohol" not in shown["safety_unknown"]
    nothing = (await api.get("/v1/creators/dan")).json()
    assert (nothing["safety"], len(nothing["safety_unknown"])) == ({}, 10)


async def test_look_alikes_come_with_their_scores(api: httpx.AsyncClient) -> None:
    """Whoever is shown is shown with what is known of them."""
    answer = (await api.get("/v1/creators/ann/similar")).json()
    assert {hit["creator_id"]: hit["safety"].get("alcohol") for hit in answer["hits"]} == {
        "bea": 0.3,
        "cid": 0.8,
        "dan": None,
    }


async def test_a_brand_is_shown_with_its_policy(api: httpx.AsyncClient, world: World) -> None:
    """As it stands."""
    await matched(api, world, rule(0.7))
    policy = (await api.get("/v1/brands/rye")).json()["safety_policy"]
    assert (policy["version"], policy["unknown"], policy["rules"][0]["threshold"]) == (5, "refuse", 0.7)


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"version": 1, "rules": [{"category": "cannabis", "threshold": 0.5}]}, "safety_policy.rules.0.category"),
        ({"version": 1, "rules": [rule(0.5, review_from=0.6)]}, "safety_policy.rules.0"),
        ({"rules": []}, "safety_policy.version"),
        ({"version": 1, "cleared": ["a"], "blocked": ["a"]}, "safety_policy"),
    ],
)
async def test_a_policy_that_cannot_be_meant_is_refused_with_its_field(
    api: httpx.AsyncClient, policy: dict[str, object], field: str
) -> None:
    """Nothing of it is taken."""
    brand = {"brand_id": "oat", "revision": 1, "name": "Oat", "brief": "milk", "safety_policy": policy}
    response = await api.post("/v1/brands", json=brand)
    assert response.status_code == 422
    assert response.json()["errors"][0]["fields"][0]["field"] == field


async def test_a_newer_brief_never_takes_its_policy_back_to_an_older_version(
    api: httpx.AsyncClient, world: World
) -> None:
    """The version names the rules in what was served: the same rules may stand on, other rules are another version."""

    async def published(revision: int, version: int, threshold: float, others: int = 0) -> tuple[int, list[str]]:
        policy = {"version": version, "rules": [rule(threshold)]}
        brand = {"brand_id": "rye", "revision": revision, "name": "Rye", "brief": "bread", "safety_policy": policy}
        other = {"brand_id": "oat", "revision": 1, "name": "Oat", "brief": "milk"}
        answer = await api.post("/v1/brands", json=[*[other] * others, brand])
        errors = answer.json().get("errors", [])
        return answer.status_code, [f"{each['index']} {each['fields'][0]['field']}" for each in errors]

    await matched(api, world, rule(0.7))
    taken = len(world.outbox.published)
    assert await published(9, 4, 0.7, others=1) == (422, ["1 safety_policy.version"])
    assert await published(9, 5, 0.6) == (422, ["0 safety_policy.version"])
    assert len(world.outbox.published) == taken, "nothing of a list with a wrong item is taken"
    assert await published(9, 5, 0.7) == (202, [])
    assert await published(9, 6, 0.6) == (202, [])
    assert await published(0, 4, 0.6) == (202, []), "an older brief changes nothing"


async def test_policies_of_one_list_follow_each_other(api: httpx.AsyncClient) -> None:
    """None of them stands yet: each is held against those before it."""

    async def published(*versions: tuple[int, int | None]) -> list[int]:
        briefs = [
            {
                "brand_id": "oat",
                "revision": revision,
                "name": "Oat",
                "brief": "milk",
                "safety_policy": own and {"version": own},
            }
            for revision, own in versions
        ]
        answer = await api.post("/v1/brands", json=briefs)
        return [each["index"] for each in answer.json().get("errors", [])]

    assert await published((1, 2), (2, 3), (1, 1)) == []
    assert await published((1, 2), (2, 1)) == [1]
    assert await published((1, 2), (2, None), (3, 1)) == [], "a brief without a policy ends it"
