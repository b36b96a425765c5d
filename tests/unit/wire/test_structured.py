"""CloudEvents in structured mode: the same events as in binary mode, and every way in which an envelope is wrong."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from workers.domain.events import EVENT_TYPES, Event, PostRemoved
from workers.domain.reasons import InvalidEvent
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import InRecord, Position

WIRE = Wire(JsonCodec(), "test", "")
WHEN = datetime(2026, 5, 4, tzinfo=UTC)
REMOVED = PostRemoved(post_id="p", creator_id="c-ü", revision=3)
CONTENT_TYPES = [
    "application/cloudevents+json",
    "application/cloudevents+json; charset=utf-8",
    "Application/CloudEvents+JSON;charset=UTF-8",
]


def envelope(event: Event = REMOVED, **changes: Any) -> dict[str, Any]:
    """A good envelope, changed; what is changed to ``...`` is gone."""
    data = json.loads(event.model_dump_json())
    good = {"specversion": "1.0", "id": "1", "source": "scraper", "type": event.type_name(), "data": data}
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def record(value: bytes, content_type: str = CONTENT_TYPES[0], key: bytes = REMOVED.key().encode()) -> InRecord:
    """A record in structured mode."""
    headers = (("ce_type", b"io.streamscout.SomethingElse"), ("content-type", content_type.encode()))
    return InRecord(Position("posts", 0, 7), key, value, headers, 1_777_912_200_000)


def refusal(value: bytes, content_type: str = CONTENT_TYPES[0]) -> InvalidEvent:
    """The error of an envelope that cannot be read."""
    with pytest.raises(InvalidEvent) as error:
        WIRE.read(record(value, content_type), (PostRemoved,))
    return error.value


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_an_envelope_is_read_whatever_stands_beside_its_media_type(content_type: str) -> None:
    """Parameters and capitals; headers in binary mode's names do not count."""
    assert WIRE.read(record(json.dumps(envelope()).encode(), content_type), (PostRemoved,)) == REMOVED


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.__name__)
def test_an_event_is_the_same_fact_in_both_modes(kind: type[Event]) -> None:
    """Every valid example of every event, as JSON and as base64: equal in canonical data, so in every hash of it."""
    of_this_kind = [example.data for example in examples("valid") if example.event is kind]
    assert of_this_kind
    for raw in of_this_kind:
        event = kind.model_validate_json(raw)
        key = event.key().encode()
        binary = WIRE.record("posts", event, id="1", time=WHEN)
        read = InRecord(Position("posts", 0, 7), key, binary.value, binary.headers, 1_777_912_200_000)
        canonical = WIRE.read(read, (kind,)).model_dump_json()
        packed = envelope(event, data=..., data_base64=base64.b64encode(raw).decode())
        for whole in (envelope(event, data=json.loads(raw)), packed):
            structured = WIRE.read(record(json.dumps(whole).encode(), key=key), (kind,))
            assert structured.model_dump_json() == canonical


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"specversion": "0.3"}, "invalid_event", "specversion: '0.3' where '1.0'"),
        ({"specversion": ...}, "invalid_event", "specversion: 'None'"),
        ({"id": ...}, "invalid_event", "id: "),
        ({"source": ""}, "invalid_event", "source: "),
        ({"type": ...}, "missing_type", "the envelope's type"),
        ({"type": "io.streamscout.Nothing"}, "unknown_type", "io.streamscout.Nothing"),
        ({"type": "io.streamscout.PostPublished"}, "unexpected_type", "PostPublished where PostRemoved"),
        ({"type": 7}, "invalid_event", "type: "),
        ({"data": ...}, "empty_value", "neither data nor data_base64"),
        ({"data_base64": "AAAA"}, "invalid_event", "data and data_base64"),
        ({"data": ..., "data_base64": "no base64!"}, "invalid_event", "data_base64: "),
        ({"data": ..., "data_base64": 5}, "invalid_event", "data_base64: "),
        ({"data": "text"}, "invalid_event", ""),
        ({"data": {"post_id": "p"}}, "invalid_event", "creator_id"),
        ({"datacontenttype": "application/avro"}, "invalid_event", "data: of 'application/avro'"),
        ({"subject": {"of": "an object"}}, "invalid_event", "subject: "),
        ({"data": ..., "data_base64": "AAAAAAE="}, "unknown_schema", "Avro"),
    ],
)
def test_a_wrong_envelope_is_refused_by_what_is_wrong_with_it(changes: dict[str, Any], code: str, where: str) -> None:
    """A code of the closed list, and the place."""
    error = refusal(json.dumps(envelope(**changes)).encode())
    assert error.reason == code
    assert where in str(error)


@pytest.mark.parametrize("value", [b"{no json", b'{"specversion": NaN}', b"\xff\xfe"])
def test_an_envelope_that_is_no_json_is_refused(value: bytes) -> None:
    """NaN is none either."""
    error = refusal(value)
    assert (error.reason, str(error).count("envelope") > 0) == ("malformed_json", True)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents-batch+json",
        "application/cloudevents-batch+json; charset=utf-8",
        "application/cloudevents+avro",
        "application/cloudevents",
    ],
)
def test_a_batch_or_another_format_is_refused(content_type: str) -> None:
    """Several events have no one key: each must be a record of its own."""
    error = refusal(json.dumps([envelope()]).encode(), content_type)
    assert error.reason == "envelope_unsupported"
    assert content_type.partition(";")[0] in str(error)


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda found: json.dumps(found).encode())
)
def test_whatever_the_bytes_are_the_answer_is_an_event_or_a_refusal(value: bytes) -> None:
    """Nothing else escapes."""
    with suppress(InvalidEvent):
        assert isinstance(WIRE.read(record(value), (PostRemoved,)), PostRemoved)
