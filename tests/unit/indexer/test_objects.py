"""A creator's objects as a function of their event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.indexer.events import MODEL, NOON, WIDTH, facet, updated, vector
from workers.domain.events import Audience, NotablePost, Price, Profile
from workers.domain.ids import bio_object_id, creator_object_id, facet_id
from workers.domain.reasons import InvalidEvent
from workers.domain.vectors import to_bytes
from workers.indexer.objects import creator_objects, revision_of

PROFILE = Profile(
    name="Ada",
    bio="Paints the sea",
    platforms=("instagram", "tiktok"),
    language="en",
    country="GB",
    category="art",
    followers=12_000,
    engagement=0.04,
    price=Price(amount=250.0, currency="EUR"),
    exclusive_brands=("acme",),
    audience=Audience(gender={"women": 0.7}, age={"18-24": 0.5, "25-34": 0.25}, country={"GB": 0.4}),
)


def test_every_object_says_whose_it_is_under_ids_of_its_natural_key() -> None:
    """Writing a creator twice writes them once."""
    objects = creator_objects(updated("c", 4, ("p", "q")), 0.0, WIDTH)
    assert [each.id for each in objects.facets] == [facet_id("c", post, MODEL) for post in ("p", "q")]
    assert objects.creator.id == creator_object_id("c", MODEL)
    assert objects.bio is not None
    assert objects.bio.id == bio_object_id("c", MODEL)
    for each in (*objects.facets, objects.bio, objects.creator):
        assert (each.properties["creator_id"], each.properties["model_version"]) == ("c", MODEL)


def test_vectors_are_the_events_own_bytes() -> None:
    """No rounding, no normalising: what was published is what is searched."""
    event = updated("c", 4, ("p",))
    objects = creator_objects(event, 0.0, WIDTH)
    assert to_bytes(objects.facets[0].vectors["facet"]) == event.facets[0].vector
    assert to_bytes(objects.creator.vectors["creator"]) == event.recency_mean
    assert objects.bio is not None
    assert to_bytes(objects.bio.vectors["bio"]) == event.bio


def test_a_facet_under_the_least_share_is_not_written() -> None:
    """It stays in the state of the creators worker, and is not searchable."""
    facets = (facet("c", "p", 0.98), facet("c", "q", 0.02), facet("c", "r", 0.0199))
    objects = creator_objects(updated(facets=facets), 0.02, WIDTH)
    assert [each.properties["exemplar_post_id"] for each in objects.facets] == ["p", "q"]


def test_facet_and_creator_carry_the_same_filter_fields() -> None:
    """Copies, so that one filtered search on either answers alone."""
    objects = creator_objects(updated(profile=PROFILE, safety={"alcohol": 0.25}), 0.0, WIDTH)
    expected = {
        "platforms": ["instagram", "tiktok"],
        "language": "en",
        "country": "GB",
        "category": "art",
        "followers": 12_000,
        "engagement": 0.04,
        "price_amount": 250.0,
        "price_currency": "EUR",
        "exclusive_brands": ["acme"],
        "last_published_at": NOON,
        "audience_gender_women": 0.7,
        "audience_age_18_24": 0.5,
        "audience_age_25_34": 0.25,
        "audience_known": ["gender", "age", "country"],
        "audience_json": '{"age":{"18-24":0.5,"25-34":0.25},"country":{"GB":0.4},"gender":{"women":0.7}}',
        "safety_alcohol": 0.25,
    }
    for each in (objects.facets[0], objects.creator):
        assert {name: each.properties[name] for name in expected} == expected
        assert "safety_gambling" not in each.properties
    assert Profile.model_validate(json.loads(str(objects.creator.properties["profile_json"]))) == PROFILE


def test_what_caused_a_safety_score_is_kept_with_the_creator_alone() -> None:
    """Facets are filtered by scores; the posts behind them are read of few creators."""
    post = NotablePost(post_id="p", published_at=NOON, share=0.02, scores={"alcohol": 0.9})
    event = updated(
        safety={"alcohol": 0.25, "heights": 0.5},
        safety_posts=(post,),
        safety_coverage={"alcohol": 1.0, "heights": 0.75},
        safety_tail=0.05,
        safety_revision=3,
    )
    objects = creator_objects(event, 0.0, WIDTH)
    assert objects.bio is not None
    assert not any("safety_json" in each.properties for each in (*objects.facets, objects.bio))
    assert json.loads(str(objects.creator.properties["safety_json"])) == {
        "scores": {"alcohol": 0.25, "heights": 0.5},
        "coverage": {"alcohol": 1.0, "heights": 0.75},
        "posts": [
            {
                "post_id": "p",
                "published_at": NOON.isoformat().replace("+00:00", "Z"),
                "share": 0.02,
                "scores": {"alcohol": 0.9},
            }
        ],
        "tail": 0.05,
        "revision": 3,
    }
    assert "safety_heights" not in objects.creator.properties, "only what the store has a property for"


def test_a_creator_without_profile_bio_or_posts_is_still_a_creator() -> None:
    """What there is not has no property, no vector and no object."""
    event = updated(facets=(), recency_mean=None, bio=None, profile=None, last_published_at=None)
    objects = creator_objects(event, 0.02, WIDTH)
    assert objects.facets == ()
    assert objects.bio is None
    assert objects.creator.vectors == {}
    assert "name" not in objects.creator.properties


def test_a_revision_beyond_a_double_is_kept_exactly() -> None:
    """Weaviate's numbers are doubles: the next revision must not look equal."""
    revision = 2**62 + 1
    assert revision_of(creator_objects(updated(revision=revision), 0.0, WIDTH).creator) == revision


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"recency_mean": vector(1)[:-4]}, "recency_mean: a vector of 7 dimensions where 8"),
        ({"bio": b"\x00" * 4 * WIDTH}, "bio: a vector of no length"),
        ({"facets": (facet("c", "p").model_copy(update={"facet_id": "mine"}),)}, "facet 'mine': its id is no UUID"),
    ],
)
def test_an_event_that_cannot_be_stored_says_why(fields: dict[str, Any], what: str) -> None:
    """It is dead before anything of it is written."""
    with pytest.raises(InvalidEvent, match=what):
        creator_objects(updated(**fields), 0.0, WIDTH)
