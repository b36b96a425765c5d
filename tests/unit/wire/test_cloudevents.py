"""Events on and off Kafka: headers, keys, and every way in which a record can be none of ours."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.events import Clicked, Event, FeedbackSignalled, Outcome, PostPublished, PostRemoved, Statistics
from workers.domain.reasons import InvalidEvent
from workers.wire.cloudevents import JsonCodec, Wire, attributes, source_time
from workers.wire.records import Headers, InRecord, OutRecord, Position

NOW = datetime(2026, 5, 4, 18, 30, 0, 250_999, tzinfo=timezone(timedelta(hours=2)))
REMOVED = PostRemoved(post_id="p", creator_id="c-ü", revision=3)
WIRE = Wire(JsonCodec(), "test", "spring")


def arrived(record: OutRecord, **changes: object) -> InRecord:
    """The record as a consumer reads it."""
    read = InRecord(Position(record.topic, 0, 7), record.key, record.value, record.headers, 1_777_912_200_000)
    return replace(read, **changes)  # type: ignore[arg-type]


def removed(**changes: object) -> InRecord:
    """A good record, changed."""
    return arrived(WIRE.record("posts", REMOVED, id="1", time=NOW), **changes)


def refusal(record: InRecord, accepted: Collection[type[Event]] = (PostRemoved,)) -> InvalidEvent:
    """The error of a record that cannot be read."""
    with pytest.raises(InvalidEvent) as error:
        WIRE.read(record, accepted)
    return error.value


def test_a_record_is_a_cloudevent_in_binary_mode() -> None:
    """Topic with the namespace, key of the event, every attribute as a header."""
    record = WIRE.record("posts", REMOVED, id="ce-1", time=NOW, extensions={"sourcetime": "17"})
    assert (record.topic, record.key, record.partition) == ("spring.posts", "c-ü".encode(), None)
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"ce-1",
        "ce_source": b"test",
        "ce_type": b"io.streamscout.PostRemoved",
        "ce_time": b"2026-05-04T16:30:00.250Z",
        "ce_sourcetime": b"17",
        "content-type": b"application/json",
    }
    assert json.loads(record.value or b"") == {"post_id": "p", "creator_id": "c-ü", "revision": 3}


def test_without_a_namespace_a_topic_has_its_plain_name() -> None:
    """As scrapers know it."""
    assert Wire(JsonCodec(), "test", "").record("posts", REMOVED, id="1", time=NOW).topic == "posts"


def test_what_was_written_is_read() -> None:
    """The same event."""
    assert WIRE.read(removed(), (PostPublished, PostRemoved)) == REMOVED


def test_a_base_type_accepts_its_events() -> None:
    """``Outcome`` stands for all four."""
    click = Clicked(event_id="e", brand_id="b", campaign_id="k", creator_id="c", occurred_at=NOW)
    assert WIRE.read(arrived(WIRE.record("outcomes", click, id="e", time=NOW)), (Outcome,)) == click


def test_a_key_of_two_ids_is_joined_with_a_bar() -> None:
    """As the list of topics says of ``signals``."""
    statistics = Statistics(landmark=NOW, half_life_days=90)
    signal = FeedbackSignalled(brand_id="b", creator_id="c", statistics=statistics, events=0, last_at=NOW)
    record = WIRE.record("signals", signal, id="1", time=NOW)
    assert record.key == b"b|c"
    assert WIRE.read(arrived(record), (FeedbackSignalled,)) == signal


def without(name: str) -> Headers:
    """The headers of a good record but for one."""
    return tuple(header for header in removed().headers if header[0] != name)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (removed(headers=()), "missing_type"),
        (removed(headers=without("ce_type")), "missing_type"),
        (removed(headers=(("ce_type", b""),)), "missing_type"),
        (removed(headers=(("ce_type", None),)), "missing_type"),
        (removed(headers=(("ce_type", b"com.example.Order"),)), "unknown_type"),
        (removed(headers=(("ce_type", b"\xff\xfe"),)), "unknown_type"),
        (removed(headers=(("ce_type", b"io.streamscout.Outcome"),)), "unknown_type"),
        (removed(headers=(("ce_type", b"io.streamscout.Clicked"),)), "unexpected_type"),
        (removed(headers=(("ce_type", b"io.streamscout.PostRemoved"), ("ce_type", b"x"))), "unknown_type"),
        (removed(value=None), "empty_value"),
        (removed(value=b""), "empty_value"),
        (removed(value=b"{"), "malformed_json"),
        (removed(value=b"\xff\xfe"), "malformed_json"),
        (removed(value=b"[" * 100_000), "malformed_json"),
        (removed(value=b"null"), "invalid_event"),
        (removed(value=b"[]"), "invalid_event"),
        (removed(value=b'{"post_id": "p"}'), "invalid_event"),
        (removed(value=b'{"post_id": "p", "creator_id": "c", "revision": NaN}'), "invalid_event"),
        (removed(value=b"\x00\x00\x00\x00\x01abc"), "unknown_schema"),
        (removed(key=None), "missing_key"),
        (removed(key=b""), "key_mismatch"),
        (removed(key=b"someone-else"), "key_mismatch"),
        (removed(key=b"\xff\xfe" * 500), "key_mismatch"),
    ],
)
def test_a_record_that_is_no_event_says_why(record: InRecord, reason: str) -> None:
    """Each with its own reason of the closed list."""
    assert refusal(record).reason == reason


def test_only_the_type_is_asked_of_the_headers() -> None:
    """A producer that leaves out the id or the time is still understood."""
    assert WIRE.read(removed(headers=(("ce_type", b"io.streamscout.PostRemoved"),)), (PostRemoved,)) == REMOVED


def test_a_tombstone_is_known_before_it_is_read() -> None:
    """A compacted topic's reader asks first."""
    tombstone = arrived(WIRE.tombstone("signals", "b|c"))
    assert (tombstone.position.topic, tombstone.key) == ("spring.signals", b"b|c")
    assert WIRE.is_tombstone(tombstone)
    assert not WIRE.is_tombstone(removed())
    assert refusal(tombstone).reason == "empty_value"


def test_the_last_of_a_repeated_header_counts() -> None:
    """As Kafka's ``lastHeader`` has it."""
    assert attributes((("ce_id", b"1"), ("other", b"x"), ("ce_id", b"2"))) == {"id": "2"}


@pytest.mark.parametrize(
    ("carried", "expected"),
    [((), "1777912200000"), ((("ce_sourcetime", b"17"),), "17"), ((("ce_sourcetime", b"-1"),), "1777912200000"),
     ((("ce_sourcetime", b"soon"),), "1777912200000"), ((("ce_sourcetime", "١٧".encode()),), "1777912200000"),
     ((("ce_sourcetime", b"9" * 400),), "1777912200000")],
)  # fmt: skip
def test_the_source_time_is_carried_on_or_begins_here(carried: Headers, expected: str) -> None:
    """What is no number of milliseconds is not carried on."""
    assert source_time(removed(headers=carried)) == expected


NAMES = st.sampled_from(["ce_type", "ce_id", "content-type", "é"])
TEXTS = st.sampled_from([b"io.streamscout.PostRemoved", b"\xff", b""])
VALUES = st.none() | st.binary(max_size=200) | st.just(b'{"post_id": "p", "creator_id": "c", "revision": 1}')


@given(st.none() | st.binary(max_size=40), VALUES, st.lists(st.tuples(NAMES, TEXTS)))
def test_no_record_can_do_more_than_be_refused(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    """Any bytes in key, value and headers: an event, or InvalidEvent."""
    record = InRecord(Position("posts", 0, 0), key, value, tuple(headers), 0)
    try:
        read: object = WIRE.read(record, (PostRemoved,))
    except InvalidEvent as error:
        read = error
    assert isinstance(read, (PostRemoved, InvalidEvent))


def test_the_time_of_a_record_is_in_utc_with_milliseconds() -> None:
    """Whatever zone the caller lives in."""
    record = WIRE.record("posts", REMOVED, id="1", time=datetime(2026, 1, 1, tzinfo=UTC))
    assert attributes(record.headers)["time"] == "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "value", [b"[" * 50_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b'{"post_id": ' + b"9" * 20_000 + b"}", b"NaN"]
)
def test_a_value_made_to_break_a_parser_is_refused(value: bytes) -> None:
    """Neither the depth of a nest nor the length of a number ends the process."""
    assert refusal(removed(value=value)).reason in ("malformed_json", "invalid_event")


@pytest.mark.parametrize("ahead", [timedelta(days=365), timedelta(days=40_000)])
def test_a_time_a_year_ahead_of_its_record_is_refused_by_name(ahead: timedelta) -> None:
    """However late it is read: Kafka's time of the record counts. A time zone's worth ahead is taken."""

    def clicked(offset: timedelta) -> InRecord:
        event = Clicked(event_id="e", brand_id="b", campaign_id="c", creator_id="a", occurred_at=NOW + offset)
        return arrived(WIRE.record("outcomes", event, id="1", time=NOW), timestamp_ms=int(NOW.timestamp() * 1000))

    error = refusal(clicked(ahead), (Outcome,))
    assert (error.reason, [field.field for field in error.fields]) == ("invalid_event", ["occurred_at"])
    assert WIRE.read(clicked(timedelta(days=1)), (Outcome,)).key() == "b"
