"""What briefs filter by, derived from a profile."""

from __future__ import annotations

from workers.adapters.weaviate.schema import load_collections
from workers.config import REPOSITORY
from workers.domain.events import SAFETY_CATEGORIES, Audience, Profile
from workers.domain.filters import AGES, AUDIENCE_PROPERTIES, FILTER_FIELDS, SAFETY_PROPERTIES, age_bands, filter_fields
from workers.domain.safety.prompts import CATEGORIES


def test_the_fields_are_those_that_the_collections_list() -> None:
    """A field without a property would be refused by the store; a property without a field would never hold."""
    assert list(load_collections(REPOSITORY / "schemas").filter_fields) == list(FILTER_FIELDS)


def test_what_is_unknown_has_no_field() -> None:
    """No filter holds on it: an unknown audience is not one of no women."""
    assert filter_fields(None) == {}
    fields = filter_fields(Profile(name="Ada"))
    assert fields == {"platforms": [], "followers": 0, "exclusive_brands": []}


def test_a_share_of_zero_is_known() -> None:
    """Nobody is not unknown."""
    fields = filter_fields(Profile(name="Ada", audience=Audience(gender={"men": 0.0})))
    assert fields["audience_gender_men"] == 0.0
    assert "audience_gender_women" not in fields


def test_the_kinds_of_which_something_is_known_are_listed() -> None:
    """So that a brand can ask for them; an audience without a share is not known."""
    audience = Audience(gender={"women": 0.5}, country={"AT": 0.2})
    assert filter_fields(Profile(name="Ada", audience=audience))["audience_known"] == ["gender", "country"]
    assert "audience_known" not in filter_fields(Profile(name="Ada", audience=Audience()))


def test_each_band_has_its_property() -> None:
    """Names that a store takes: letters, digits, underscores."""
    assert AUDIENCE_PROPERTIES["age", "18-24"] == "audience_age_18_24"
    assert AUDIENCE_PROPERTIES["age", "65+"] == "audience_age_65_plus"
    assert AUDIENCE_PROPERTIES["gender", "women"] == "audience_gender_women"


def test_an_age_range_is_made_of_whole_bands() -> None:
    """Of nothing else: not from within a band, not backwards, and no other label."""
    assert age_bands("18-34") == ("18-24", "25-34")
    assert age_bands("45+") == ("45-54", "55-64", "65+")
    assert all(age_bands(band) == (band,) for band in AGES)
    assert not any(age_bands(label) for label in ("18-30", "20-34", "34-18", "18", "women", "", "-", "+", "18-24+"))


def test_shares_under_other_labels_are_kept_as_json() -> None:
    """They can be read, not filtered; the order of a mapping changes nothing."""
    one, other = ({"child": 0.1, "18-24": 0.2}, {"18-24": 0.2, "child": 0.1})
    fields = [filter_fields(Profile(name="Ada", audience=Audience(age=age))) for age in (one, other)]
    assert fields[0] == fields[1]
    assert "child" in str(fields[0]["audience_json"])


def test_policies_and_filters_know_the_categories_that_posts_are_scored_for() -> None:
    """A rule about what is never scored would refuse everybody; one that cannot be said would let everybody pass."""
    assert SAFETY_CATEGORIES == CATEGORIES
    assert list(SAFETY_PROPERTIES) == list(CATEGORIES)
    fields = filter_fields(None, None, {"alcohol": 0.0, "heights": 0.5})
    assert fields == {"safety_alcohol": 0.0}, "nought is known, and what has no property is left out"
