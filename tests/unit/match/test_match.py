"""Matching over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.unit.match.world import MODEL, NOW, PRIOR, WORDS, World
from workers.domain.events import FeedbackSignalled, MatchServed, Statistics
from workers.domain.feedback import decay_factor, posterior
from workers.match.problems import BUSY
from workers.match.ranking import DEFAULT_WEIGHTS

LANDMARK = NOW - timedelta(days=300)
CLEAN = {"alcohol": 0.0}


@pytest.fixture(autouse=True)
def creators(world: World) -> None:
    """Four creators, and a brand that wants bread."""
    world.creator("ann", {"bread": 0.7, "sport": 0.3}, platforms=["tiktok"], followers=900, country="AT", safety=CLEAN)
    world.creator(
        "bea", {"bread": 0.7, "sport": 0.3}, platforms=["instagram"], followers=5000, country="DE", safety=CLEAN
    )
    world.creator("cid", {"sport": 1.0}, platforms=["tiktok"], exclusive_brands=["oat"], safety=CLEAN)
    world.creator("dan", {"chess": 0.9, "bread cat": 0.1}, safety={"alcohol": 0.8})
    world.brand("rye", "bread for everyone", competitors=["oat"], safety={"alcohol": 0.5})


def signal(world: World, creator_id: str, **sums: float) -> Statistics:
    """Tell the API what outcomes taught, as the outcomes worker would."""
    weight = decay_factor(LANDMARK, 90.0, NOW)
    statistics = Statistics(
        landmark=LANDMARK, half_life_days=90.0, **{name: value * weight for name, value in sums.items()}
    )
    world.signals.put(
        FeedbackSignalled(brand_id="rye", creator_id=creator_id, statistics=statistics, events=3, last_at=NOW)
    )
    return statistics


async def matched(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """A match's answer."""
    answer = await api.post("/v1/match", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def who(answer: dict[str, Any]) -> list[str]:
    """The creators, in order."""
    return [hit["creator_id"] for hit in answer["hits"]]


async def test_a_brief_finds_the_creators_who_fit_with_parts_and_evidence(api: httpx.AsyncClient) -> None:
    """Best first, every part visible, real posts as evidence."""
    answer = await matched(api, brief="bread")
    assert who(answer) == ["ann", "bea", "dan", "cid"]
    best = answer["hits"][0]
    assert best["rank"] == 1
    assert best["evidence"] == ["ann-bread", "ann-sport"]
    assert set(best["parts"]) == set(DEFAULT_WEIGHTS)
    assert answer["weights"] == DEFAULT_WEIGHTS
    for hit in answer["hits"]:
        assert hit["score"] == sum(answer["weights"][name] * part for name, part in hit["parts"].items())
    assert (answer["policy"], answer["model"], answer["model_version"]) == ("score.v2", "none", MODEL)


async def test_what_was_served_is_on_kafka_before_the_answer(api: httpx.AsyncClient, world: World) -> None:
    """A booking made from the answer finds its match; places are certain under this policy."""
    answer = await matched(api, brand_id="rye", limit=2, filters={"platform": ["instagram", "tiktok"]})
    ((topic, name, event),) = world.outbox.published
    assert (topic, name) == ("matches", answer["match_id"])
    assert isinstance(event, MatchServed)
    assert event.key() == "rye"
    assert [(one.creator_id, one.rank, one.propensity) for one in event.shortlist] == [("ann", 1, 1.0), ("bea", 2, 1.0)]
    assert event.shortlist[0].features == answer["hits"][0]["parts"]
    assert event.filters_json == '{"platform":["instagram","tiktok"]}'
    assert event.aspects[0].text == "bread for everyone"


async def test_an_anonymous_brief_is_keyed_by_its_match(api: httpx.AsyncClient, world: World) -> None:
    """Those never teach."""
    answer = await matched(api, brief="bread")
    assert world.outbox.published[0][2].key() == answer["match_id"]


async def test_a_match_that_kafka_did_not_take_is_not_answered(api: httpx.AsyncClient, world: World) -> None:
    """A booking could not join it."""
    world.outbox.gone = True
    answer = await api.post("/v1/match", json={"brief": "bread"})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    assert answer.headers["retry-after"]


async def test_a_signal_moves_the_next_match(api: httpx.AsyncClient, world: World) -> None:
    """Equal creators part ways once outcomes speak; for this brand only."""
    assert who(await matched(api, brand_id="rye"))[:2] == ["ann", "bea"]
    signal(world, "bea", impressions=5000, clicks=60, conversions=9)
    after = await matched(api, brand_id="rye", explain=True)
    assert who(after)[:2] == ["bea", "ann"]
    assert after["hits"][0]["parts"]["feedback"] > 0
    assert after["hits"][0]["explanation"]["posterior"]["lift"] > 0
    assert who(await matched(api, brief="bread"))[:2] == ["ann", "bea"]
    signal(world, "bea", impressions=5000, clicks=60, conversions=9, refunds=9)
    assert who(await matched(api, brand_id="rye"))[:2] == ["ann", "bea"]


async def test_what_outcomes_taught_is_carried_to_creators_alike(api: httpx.AsyncClient, world: World) -> None:
    """Of this brand alone, and not to the one it was learned of: that has its own feedback."""
    for name in ("gil", "hal"):
        world.creator(name, {"bread": 0.7, "chess": 0.3}, safety={"alcohol": 0.1})
    neutral = await matched(api, brand_id="rye")
    assert {hit["parts"]["affinity"] for hit in neutral["hits"]} == {0.0}
    signal(world, "gil", impressions=5000, clicks=60, conversions=9)
    parts = {hit["creator_id"]: hit["parts"] for hit in (await matched(api, brand_id="rye"))["hits"]}
    assert parts["hal"]["affinity"] > parts["ann"]["affinity"] > 0
    assert (parts["gil"]["affinity"], parts["hal"]["feedback"]) == (0.0, 0.0)
    anonymous = await matched(api, brief="bread")
    assert {hit["parts"]["affinity"] for hit in anonymous["hits"]} == {0.0}


async def test_a_true_bio_moves_its_creator_up_and_a_lying_one_moves_nobody(
    api: httpx.AsyncClient, world: World
) -> None:
    """Equal in all else; a bio that boasts of bread does not bring a chess player nearer to it."""
    world.creator("zoe", {"bread": 0.7, "sport": 0.3}, bio="bread")
    world.creator("zac", {"chess": 0.9, "cat": 0.1}, bio="bread")
    answer = await matched(api, brief="bread")
    assert who(answer)[:3] == ["zoe", "ann", "bea"]
    parts = {hit["creator_id"]: hit["parts"] for hit in answer["hits"]}
    assert parts["zoe"]["bio"] > 0.65
    assert parts["ann"]["bio"] == parts["zac"]["bio"] == 0.5


async def test_hard_filters_refuse_and_say_how_many(api: httpx.AsyncClient) -> None:
    """Each reason counted on its own; the brand's competitors and safety policy are filters too."""
    answer = await matched(api, brand_id="rye", filters={"followers": {"min": 1000}})
    assert who(answer) == ["bea"]
    assert answer["filtered_out"] == {"followers": 3, "competitor": 1, "safety.alcohol": 1}
    answer = await matched(api, brand_id="rye")
    assert who(answer) == ["ann", "bea"]
    assert answer["filtered_out"] == {"competitor": 1, "safety.alcohol": 1}


async def test_the_wanted_audience_moves_the_score_and_refuses_nobody(api: httpx.AsyncClient, world: World) -> None:
    """Unknown stands in the middle."""
    world.creator("eva", {"bread": 0.7, "sport": 0.3}, audience={"gender": {"women": 0.8, "men": 0.2}})
    world.creator("fay", {"bread": 0.7, "sport": 0.3}, audience={"gender": {"women": 0.1, "men": 0.9}})
    answer = await matched(api, brief="bread", audience={"gender": {"women": 0.9, "men": 0.1}}, limit=4)
    assert who(answer) == ["eva", "ann", "bea", "fay"]


async def test_a_known_audience_can_be_asked_for(api: httpx.AsyncClient, world: World) -> None:
    """Whatever it is; of the others nothing is known."""
    world.creator("eva", {"bread": 1.0}, audience={"gender": {"men": 0.9}})
    answer = await matched(api, brief="bread", filters={"known_audience": "gender"})
    assert who(answer) == ["eva"]
    assert answer["filtered_out"] == {"audience.gender.known": 4}
    both = await matched(api, brief="bread", filters={"known_audience": ["gender", "age"]})
    assert (who(both), both["filtered_out"]["audience.age.known"]) == ([], 5)


async def test_block_lists_and_competitors_exclusive_creators_are_left_out(
    api: httpx.AsyncClient, world: World
) -> None:
    """Of the request and of the brand; a brand's own exclusive creators stay."""
    world.creator("eva", {"bread": 1.0}, exclusive_brands=["rye"], safety={"alcohol": 0.1})
    answer = await matched(api, brand_id="rye", filters={"exclude_creators": ["ann"], "competitors": ["wheat"]})
    assert who(answer) == ["eva", "bea"]
    assert answer["filtered_out"] == {"excluded": 1, "competitor": 1, "safety.alcohol": 1}
    exclusive = await matched(api, brief="bread", filters={"competitors": ["rye", "oat"]})
    assert who(exclusive) == ["ann", "bea", "dan"]


async def test_language_price_and_activity_refuse(api: httpx.AsyncClient, world: World) -> None:
    """What is unknown meets none of them."""
    world.creator("eva", {"bread": 1.0}, language="de", price={"amount": 300, "currency": "EUR"})
    for filters in ({"language": "de"}, {"price": {"max": 300}}):
        assert who(await matched(api, brief="bread", filters=filters)) == ["eva"]
    assert who(await matched(api, brief="bread", filters={"price": {"max": 299}})) == []
    assert len(who(await matched(api, brief="bread", filters={"active_within_days": 2}))) == 5
    assert who(await matched(api, brief="bread", filters={"active_within_days": 1})) == []


async def test_weights_are_the_callers_to_choose(api: httpx.AsyncClient) -> None:
    """What is left out stands at its default."""
    answer = await matched(api, brief="bread", weights={"semantic": 0, "freshness": 0}, explain=True)
    assert answer["explanation"]["weights"] == {**DEFAULT_WEIGHTS, "semantic": 0, "freshness": 0}
    assert {round(hit["score"], 6) for hit in answer["hits"]} == {round(answer["hits"][0]["score"], 6)}


async def test_an_explanation_says_what_the_answer_rests_on(api: httpx.AsyncClient) -> None:
    """Aspects, how many were allowed, each facet's part."""
    answer = await matched(api, brief="bread at home; chess", filters={"platform": "tiktok"}, explain=True)
    told = answer["explanation"]
    assert [(one["text"], one["weight"]) for one in told["aspects"]] == [("bread at home", 0.5), ("chess", 0.5)]
    assert (told["creators"], told["allowed"], told["candidates"]) == (4, 2, 2)
    assert told["search"] == {"facets": 7, "allowed": 3, "cutoff": 40_000, "method": "exact"}
    assert sum(answer["hits"][0]["explanation"]["facets"].values()) == pytest.approx(1.0)


async def test_pictures_are_an_aspect(api: httpx.AsyncClient, world: World) -> None:
    """Alone, or beside words; a brand's own stand in only where nothing else is said."""
    assert who(await matched(api, images=["https://x/bread.png"]))[0] == "ann"
    world.brand("pic", "chess club", images=["https://x/bread.png"])
    own = await matched(api, brand_id="pic", explain=True)
    assert [one["text"] for one in own["explanation"]["aspects"]] == ["chess club", "reference pictures"]
    said = await matched(api, brand_id="pic", brief="sport", explain=True)
    assert [one["text"] for one in said["explanation"]["aspects"]] == ["sport"]
    both = await matched(api, brand_id="pic", brief="sport", stored_brief=True, images_weight=0.5, explain=True)
    assert [(one["text"], one["weight"]) for one in both["explanation"]["aspects"]] == [
        ("sport", 0.4),
        ("chess club", 0.4),
        ("reference pictures", 0.2),
    ]


async def test_a_brand_that_is_not_known_is_not_found(api: httpx.AsyncClient) -> None:
    """Its name is said."""
    answer = await api.post("/v1/match", json={"brand_id": "who"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "no brand 'who' is known")


async def test_a_brief_without_a_word_is_refused(api: httpx.AsyncClient) -> None:
    """And says what is needed."""
    answer = await api.post("/v1/match", json={"brief": " ... "})
    assert answer.status_code == 422
    assert "words, aspects or pictures" in answer.json()["detail"]
    aspects = [{"text": "bread", "weight": 0.5}, {"text": "...", "weight": 0.5}]
    (error,) = (await api.post("/v1/match", json={"aspects": aspects})).json()["errors"]
    assert (error["field"], error["message"]) == ("aspects.1.text", "an aspect needs words")


async def test_another_model_version_is_refused_clearly(api: httpx.AsyncClient, world: World) -> None:
    """A vector of one model says nothing about those of another."""
    world.index.served = "other_v9"
    for answer in (
        await api.post("/v1/match", json={"brief": "bread"}),
        await api.get("/v1/search", params={"q": "bread"}),
        await api.get("/v1/creators/ann"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/model_version_mismatch")
        assert answer.json()["index_model_version"] == "other_v9"
        assert answer.json()["encoder_model_version"] == MODEL


async def test_a_server_that_is_gone_is_a_problem_that_says_so(api: httpx.AsyncClient, world: World) -> None:
    """503, and to be asked again; which server it is, and where, is for the log."""
    world.encoder.gone = True
    answer = await api.post("/v1/match", json={"brief": "bread"})
    assert (answer.status_code, answer.json()["detail"]) == (503, BUSY)
    world.index.gone = True
    answer = await api.get("/v1/search", params={"q": "bread"})
    assert (answer.status_code, answer.json()["detail"]) == (503, BUSY)
    assert answer.headers["retry-after"]


async def test_a_creator_is_shown_with_facets_profile_and_outcomes(api: httpx.AsyncClient, world: World) -> None:
    """Vectors only where asked for, as lists of numbers."""
    statistics = signal(world, "ann", impressions=100, conversions=1)
    answer = (await api.get("/v1/creators/ann", params={"vectors": "true"})).json()
    assert (answer["creator_id"], answer["revision"], answer["posts"], answer["model_version"]) == (
        "ann",
        12,
        14,
        MODEL,
    )
    assert [(facet["share"], facet["exemplar_post_id"]) for facet in answer["facets"]] == [
        (0.7, "ann-bread"),
        (0.3, "ann-sport"),
    ]
    assert answer["facets"][0]["vector"] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert answer["profile"]["followers"] == 900
    (outcome,) = answer["outcomes"]
    assert outcome["brand_id"] == "rye"
    assert outcome["posterior"]["lift"] == pytest.approx(posterior(statistics, PRIOR, NOW).lift)
    bare = (await api.get("/v1/creators/ann")).json()
    assert bare["facets"][0]["vector"] is None
    assert (await api.get("/v1/creators/nobody")).status_code == 404


async def test_look_alikes_post_about_the_same_things_and_never_include_the_creator(api: httpx.AsyncClient) -> None:
    """The creator's facets are the brief."""
    answer = (await api.get("/v1/creators/ann/similar", params={"limit": 9})).json()
    assert who(answer)[0] == "bea"
    assert sorted(who(answer)) == ["bea", "cid", "dan"]
    assert (await api.get("/v1/creators/nobody/similar")).status_code == 404


async def test_an_id_may_hold_a_slash_and_anything_else_that_ids_may(api: httpx.AsyncClient, world: World) -> None:
    """Some platforms' ids are addresses."""
    world.creator("https://x/@ann?a=1", {"bread": 1.0})
    path = quote("https://x/@ann?a=1", safe="")
    assert (await api.get(f"/v1/creators/{path}")).json()["creator_id"] == "https://x/@ann?a=1"
    assert (await api.get(f"/v1/creators/{path}/similar")).json()["creator_id"] == "https://x/@ann?a=1"


async def test_brands_are_listed_in_the_order_of_their_ids(api: httpx.AsyncClient, world: World) -> None:
    """With their standing briefs."""
    world.brand("ash", "skis")
    brands = (await api.get("/v1/brands")).json()["brands"]
    assert [brand["brand_id"] for brand in brands] == ["ash", "rye"]
    assert (await api.get("/v1/brands/rye")).json()["competitors"] == ["oat"]
    assert (await api.get("/v1/brands/none")).status_code == 404


async def test_brands_come_in_pages(api: httpx.AsyncClient, world: World) -> None:
    """However many there are, no answer holds more than asked for; each brand is on one page."""
    for name in ("oat", "zen"):
        world.brand(name, "bread")
    seen: list[list[str]] = []
    after: str | None = ""
    while after is not None:
        answer = (await api.get("/v1/brands", params={"limit": 2, "after": after})).json()
        seen, after = [*seen, [one["brand_id"] for one in answer["brands"]]], answer["next"]
    assert seen == [["oat", "rye"], ["zen"]]
    assert (await api.get("/v1/brands", params={"limit": 1001})).status_code == 422


async def test_a_post_has_a_state(api: httpx.AsyncClient, world: World) -> None:
    """Embedded, removed, or not known (yet)."""
    world.post("here", visual="bread")
    world.post("gone", removed=True)
    here = (await api.get("/v1/posts/here")).json()
    assert (here["state"], here["pictures"]) == ("embedded", ["https://x/here"])
    assert (await api.get("/v1/posts/gone")).json()["state"] == "removed"
    assert (await api.get("/v1/posts/none")).status_code == 404


async def test_who_posts_little_else_is_found_behind_many_who_hardly_post_it(
    api: httpx.AsyncClient, world: World
) -> None:
    """Small facets may be nearer by the hundred: a search of its own looks among the large ones."""
    for number in range(200):
        world.creator(f"light-{number:03d}", {"bread": 0.05, "chess": 0.95}, safety={"alcohol": 0.1})
    for name in ("eva", "ann", "bea"):
        world.creator(name, {"bread cat": 0.9, "dog": 0.1}, safety={"alcohol": 0.1})
    answer = await matched(api, aspects=[{"text": "bread", "weight": 1.0}], limit=3, weights={"bio": 0})
    assert who(answer) == ["ann", "bea", "eva"]


async def test_creators_of_many_near_facets_do_not_shorten_a_list(api: httpx.AsyncClient, world: World) -> None:
    """A brief to which every facet of forty creators is as near: what one search answers is fifteen of them."""
    for number in range(40):
        world.creator(f"every {number}", dict.fromkeys(WORDS, 0.2))
    answer = await matched(api, brief=" ".join(WORDS), limit=30)
    assert len(answer["hits"]) == 30
