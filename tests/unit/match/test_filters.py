"""A request's hard filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from pydantic import ValidationError

from workers.domain.events import BrandBriefed
from workers.domain.filters import AGES, GENDERS
from workers.domain.queries import Condition, all_hold
from workers.domain.stored import PropertyValue
from workers.match.filters import creator_filters, post_filters
from workers.match.requests import Filters, MatchRequest, SearchFilters

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BRAND = BrandBriefed(
    brand_id="rye", revision=1, name="Rye", brief="bread", competitors=("oat",), safety={"alcohol": 0.3}
)
ANN: dict[str, PropertyValue] = {
    "creator_id": "ann",
    "platforms": ["instagram"],
    "language": "de",
    "country": "AT",
    "category": "food",
    "followers": 5000,
    "price_amount": 400.0,
    "price_currency": "EUR",
    "last_published_at": NOW - timedelta(days=3),
    "audience_gender_women": 0.7,
    "audience_json": orjson.dumps({"gender": {"women": 0.7}, "country": {"AT": 0.5}}).decode(),
    "safety_alcohol": 0.2,
    "exclusive_brands": ["spelt"],
}


def passes(filters: dict[str, object], brand: BrandBriefed | None = None, **other: PropertyValue) -> bool:
    """Whether Ann passes, as she is or otherwise."""
    hard = creator_filters(Filters.model_validate(filters), brand, NOW)
    properties = {**ANN, **other}
    return all_hold(hard.all_conditions(), properties) and hard.refusal(properties) is None


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"platform": ["instagram", "tiktok"]}, {"platform": "tiktok"}),
        ({"language": "de"}, {"language": ["en"]}),
        ({"country": ["AT", "DE"]}, {"country": "DE"}),
        ({"category": "food"}, {"category": "sport"}),
        ({"followers": {"min": 5000, "max": 5000}}, {"followers": {"min": 5001}}),
        ({"followers": {"max": 6000}}, {"followers": {"max": 4999}}),
        ({"audience": {"gender": {"women": 0.6}}}, {"audience": {"gender": {"women": 0.8}}}),
        ({"audience": {"country": {"AT": 0.4}}}, {"audience": {"country": {"AT": 0.6}}}),
        ({"price": {"max": 400}}, {"price": {"max": 399}}),
        ({"price": {"max": 500, "currency": "EUR"}}, {"price": {"max": 500, "currency": "USD"}}),
        ({"active_within_days": 4}, {"active_within_days": 2}),
        ({"exclude_creators": ["bob"]}, {"exclude_creators": ["ann"]}),
        ({"competitors": ["rye"]}, {"competitors": ["spelt"]}),
        ({"safety": {"alcohol": 0.2}}, {"safety": {"alcohol": 0.1}}),
        ({"safety": {"gambling": 0.2}, "unknown_safety": "allow"}, {"safety": {"gambling": 0.2}}),
    ],
)
def test_each_filter_lets_through_and_refuses(good: dict[str, object], bad: dict[str, object]) -> None:
    """At the bound is within."""
    assert passes(good)
    assert not passes(bad)


def test_what_is_unknown_of_a_creator_does_not_meet_a_minimum() -> None:
    """An audience that nobody measured is not 60 % women."""
    assert not passes({"audience": {"country": {"CH": 0.01}}})
    assert not passes({"audience": {"gender": {"other": 0.01}}})


def test_a_brand_brings_its_competitors_and_its_safety_limits() -> None:
    """The stricter of two bounds holds."""
    assert passes({}, BRAND)
    assert not passes({}, BRAND, exclusive_brands=["oat"])
    assert not passes({}, BRAND, safety_alcohol=0.4)
    assert not passes({"safety": {"alcohol": 0.9}}, BRAND, safety_alcohol=0.4)


def test_every_refusal_has_its_reason() -> None:
    """The names under which ``filtered_out`` counts."""
    asked = {"platform": "tiktok", "audience": {"gender": {"women": 0.9}, "country": {"DE": 0.2}}, "price": {"max": 1}}
    hard = creator_filters(Filters.model_validate(asked), BRAND, NOW)
    assert set(hard.conditions) == {"platform", "audience.gender.women", "price", "competitor", "safety.alcohol"}
    assert set(hard.checks) == {"audience.country.DE"}
    assert hard.refusal(ANN) == "audience.country.DE"


def test_no_filters_are_no_conditions() -> None:
    """Nothing asked, nothing refused."""
    hard = creator_filters(Filters(), None, NOW)
    assert (hard.all_conditions(), hard.checks) == ((), {})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"brief": "x", "filters": {"platfrom": ["x"]}}, "filters.platfrom"),
        ({"brief": "x", "filters": {"audience": {"hair": {"red": 1}}}}, "filters.audience.hair.[key]"),
        ({"brief": "x", "filters": {"audience": {"gender": {"woman": 0.6}}}}, "filters.audience"),
        ({"brief": "x", "filters": {"audience": {"country": {"Austria": 0.6}}}}, "filters.audience"),
        ({"brief": "x", "audience": {"age": {"18-25": 0.6}}}, "audience"),
        ({"brief": "x", "filters": {"followers": {"min": 2, "max": 1}}}, "filters.followers"),
        ({"brief": "x", "filters": {"followers": {"min": 10**30}}}, "filters.followers.min"),
        ({"brief": "x", "filters": {"safety": {"cannabis": 0.5}}}, "filters.safety.cannabis.[key]"),
        ({"brief": "x", "limit": 101}, "limit"),
        ({"brief": "x", "weights": {"semantic": -1}}, "weights.semantic"),
        ({"brief": "x" * 5001}, "brief"),
        ({"brief": "x", "stored_brief": True}, "stored_brief"),
        ({"brief": "x", "images_weight": 0}, "images_weight"),
        ({"brief": "x", "explain_creator_id": "a|b"}, "explain_creator_id"),
        ({"brief": "x", "filters": {"known_audience": ["hair"]}}, "filters.known_audience.0"),
        ({}, ""),
    ],
)
def test_a_wrong_request_is_refused_with_its_field(body: dict[str, object], field: str) -> None:
    """A misspelt filter must not be lost."""
    with pytest.raises(ValidationError) as caught:
        MatchRequest.model_validate(body)
    assert ".".join(str(step) for step in caught.value.errors()[0]["loc"]) == field


def test_a_misspelt_key_of_an_audience_is_told_with_those_there_are() -> None:
    """It would leave out every creator, and say nothing."""
    with pytest.raises(ValidationError, match=r"gender\.woman: no such key; there are women, men, other"):
        Filters.model_validate({"audience": {"gender": {"woman": 0.6}}})
    every = {"gender": dict.fromkeys(GENDERS, 0.1), "age": dict.fromkeys(AGES, 0.1), "country": {"AT": 0.1}}
    assert Filters.model_validate({"audience": every}).audience == every


def test_ages_are_wanted_by_bands_or_by_ranges_of_them() -> None:
    """Each band once, and no band cut in two."""
    wanted = {"gender": {"women": 0.7}, "age": {"18-34": 0.6, "45+": 0.1}}
    assert MatchRequest.model_validate({"brief": "x", "audience": wanted}).audience == wanted
    with pytest.raises(ValidationError, match=r"age: 25-34 is wanted twice, in two ranges"):
        MatchRequest.model_validate({"brief": "x", "audience": {"age": {"18-34": 0.6, "25-44": 0.1}}})
    with pytest.raises(ValidationError, match=r"age\.18-30: no such key"):
        MatchRequest.model_validate({"brief": "x", "audience": {"age": {"18-30": 0.6}}})


def test_a_search_filters_posts_by_platform_language_creator_and_time() -> None:
    """The properties that ``Visual`` and ``Post`` share."""
    asked = {"platform": "tiktok", "language": ["de"], "creator_id": "ann", "published_after": "2026-01-01T00:00:00Z"}
    assert post_filters(SearchFilters.model_validate(asked)) == (
        Condition("platform", "any_of", ("tiktok",)),
        Condition("language", "any_of", ("de",)),
        Condition("creator_id", "any_of", ("ann",)),
        Condition("published_at", "at_least", datetime(2026, 1, 1, tzinfo=UTC)),
    )
