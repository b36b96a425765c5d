"""What people write becomes an event, or an error that says where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from workers.domain.events import EVENT_BY_TYPE, Clicked, CreatorProfiled, PostPublished, PostRemoved
from workers.domain.parse import DEFAULT_TYPE, PUBLISHABLE, canonical_data, parse_event
from workers.domain.reasons import InvalidEvent, Reason
from workers.domain.topics import load_topics

POST: dict[str, Any] = {
    "post_id": "p",
    "creator_id": "c",
    "revision": 1,
    "platform": "instagram",
    "url": "https://example.com/p",
    "published_at": "2026-05-04T18:30:00Z",
    "media": [{"url": "file:pictures/1.png", "kind": "image"}],
}
CLICK = {"event_id": "e", "brand_id": "b", "campaign_id": "k", "creator_id": "c", "occurred_at": "2026-05-04T18:30:00Z"}


def refusal(topic: str, raw: object) -> InvalidEvent:
    """The error of what is no event of a topic."""
    with pytest.raises(InvalidEvent) as error:
        parse_event(topic, raw)
    return error.value


@pytest.mark.parametrize("topic", ["posts", "posts.backfill"])
def test_a_line_without_a_type_is_the_usual_event_of_its_topic(topic: str) -> None:
    """A file of posts need not say so in every line."""
    assert parse_event(topic, POST) == PostPublished.model_validate_json(json.dumps(POST))


@pytest.mark.parametrize("name", ["PostRemoved", "io.streamscout.PostRemoved"])
def test_a_type_may_be_named_short_or_in_full(name: str) -> None:
    """As in the code, or as on the wire."""
    raw = {"type": name, "post_id": "p", "creator_id": "c", "revision": 2}
    assert isinstance(parse_event("posts", raw), PostRemoved)


@pytest.mark.parametrize(("topic", "raw"), [("outcomes", CLICK), ("decisions", {})])
def test_a_topic_of_many_events_needs_a_type(topic: str, raw: object) -> None:
    """The error lists them."""
    error = refusal(topic, raw)
    assert error.reason == Reason.MISSING_TYPE
    assert all(event.__name__ in error.detail for event in PUBLISHABLE[topic])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("PostPublishd", "unknown_type"),
        (7, "unknown_type"),
        ([], "unknown_type"),
        ("Clicked", "unexpected_type"),
        ("CreatorUpdated", "unexpected_type"),
    ],
)
def test_a_type_that_does_not_belong_on_the_topic_is_refused(name: object, reason: str) -> None:
    """Misspelt, or an event of another topic; the field to look at is ``type``."""
    error = refusal("posts", {**POST, "type": name})
    assert (error.reason, error.fields[0].field) == (reason, "type")


def test_every_wrong_field_is_named_by_its_path() -> None:
    """All of them at once, not the first alone, and without repeating what was written there."""
    error = refusal(
        "posts", {**POST, "revision": -1, "media": [{"url": "secret", "kind": "audio"}], "captoin": "secret"}
    )
    assert {field.field for field in error.fields} == {"revision", "media.0.kind", "captoin"}
    assert "secret" not in str(error)


def test_a_hundred_errors_are_told_in_a_few_lines() -> None:
    """The text is cut, the list of fields is whole."""
    error = refusal("posts", {**POST, "hashtags": [""] * 100})
    assert len(error.fields) == 100
    assert error.detail.endswith("and 90 more")


@pytest.mark.parametrize("raw", [None, True, 3, 1.5, "PostPublished", [], [POST]])
def test_what_is_no_object_is_no_event(raw: object) -> None:
    """A list of events is not an event."""
    assert refusal("posts", raw).reason == Reason.INVALID_EVENT


def test_the_envelope_is_not_part_of_the_event() -> None:
    """``id`` and ``key`` beside an event's fields change nothing."""
    assert parse_event("posts", {**POST, "id": "ce-1", "key": "c"}) == parse_event("posts", POST)


def test_a_key_that_is_not_the_events_own_is_refused() -> None:
    """Records are keyed by what the event says."""
    error = refusal("posts", {**POST, "key": "someone-else"})
    assert (error.reason, error.fields[0].field) == (Reason.KEY_MISMATCH, "key")


def test_file_addresses_are_left_as_they_are() -> None:
    """They are relative to the directory that the embedder may read."""
    event = parse_event("posts", POST)
    assert isinstance(event, PostPublished)
    assert event.media[0].url == "file:pictures/1.png"


@pytest.mark.parametrize("topic", ["embeddings", "signals", "embedder.dead", "post", ""])
def test_our_own_topics_are_not_to_be_published_to(topic: str) -> None:
    """The error lists those that are."""
    with pytest.raises(ValueError, match="outcomes"):
        parse_event(topic, POST)


def test_the_topics_to_publish_to_take_the_events_that_the_list_of_topics_says() -> None:
    """``schemas/topics.yaml`` and the parser agree."""
    listed = {topic.name: topic for topic in load_topics(Path(__file__).parents[3] / "schemas" / "topics.yaml")}
    for topic, events in PUBLISHABLE.items():
        ours = {event.__name__ for event in events}
        extra = set(listed[topic].events) - ours
        assert ours <= set(listed[topic].events)
        assert extra <= {"CreatorErased", "CreatorReinstated", "SafetyRevised"}, (
            "only our copies of erasures, and our requests to score again, are on a topic and not to be published there"
        )
    assert all(DEFAULT_TYPE[topic] in PUBLISHABLE[topic] for topic in DEFAULT_TYPE)


@pytest.mark.parametrize("example", examples("valid"), ids=str)
def test_every_example_of_a_publishable_event_can_be_published(example: Any) -> None:
    """On each topic that takes it, as a line of a file."""
    raw = json.loads(example.data)
    for topic, events in PUBLISHABLE.items():
        if example.event in events:
            parsed = parse_event(topic, {**raw, "type": example.event.__name__})
            assert parsed == example.event.model_validate_json(example.data)


@given(st.permutations(["women", "men", "other"]))
def test_equal_events_have_equal_canonical_data(order: list[str]) -> None:
    """However their maps were written."""
    shares = dict.fromkeys(order, 0.3)
    event = CreatorProfiled.model_validate(
        {"creator_id": "c", "revision": 1, "name": "n", "audience": {"gender": shares}}
    )
    sorted_event = event.model_copy(
        update={
            "audience": event.audience and event.audience.model_copy(update={"gender": dict(sorted(shares.items()))})
        }
    )
    assert canonical_data(event) == canonical_data(sorted_event)


def test_each_reason_has_a_code_of_its_own_and_a_meaning() -> None:
    """People read the meaning; dead letters carry the code."""
    assert len({reason.value for reason in Reason}) == len(list(Reason))
    assert all(reason.meaning and reason.value == str(reason) for reason in Reason)
    assert Reason("media_gone") is Reason.MEDIA_GONE


def test_a_click_is_not_a_post() -> None:
    """Types are found by their full name."""
    assert EVENT_BY_TYPE["io.streamscout.Clicked"] is Clicked
