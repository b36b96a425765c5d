"""What every codec does: JSON alone, Avro through the fake registry, Avro through Apicurio."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.examples import Example, examples
from tests.fakes.registry import FakeRegistry
from workers.adapters.registry import RegistryCodec, build_codec
from workers.config import Settings
from workers.domain.events import EVENT_TYPES, PostRemoved
from workers.domain.reasons import InvalidEvent
from workers.wire.cloudevents import Codec, JsonCodec

SCHEMAS = Path(__file__).parents[2] / "schemas"
REMOVED = PostRemoved(post_id="p", creator_id="c", revision=1)
NAME = REMOVED.type_name()
CODECS = ["json", "avro", pytest.param("apicurio", marks=pytest.mark.real)]


@pytest.fixture(scope="module", params=CODECS)
def codec(request: pytest.FixtureRequest) -> Iterator[Codec]:
    """Each codec in turn."""
    if request.param == "json":
        yield JsonCodec()
    elif request.param == "avro":
        with FakeRegistry() as registry:
            yield RegistryCodec(registry.url, SCHEMAS)
    else:
        stack: Settings = request.getfixturevalue("stack")
        built = build_codec(stack)
        assert isinstance(built, RegistryCodec)
        yield built


def refusal(codec: Codec, value: bytes, name: str = NAME) -> str:
    """The reason why a value cannot be read."""
    with pytest.raises(InvalidEvent) as error:
        codec.decode(name, value)
    assert error.value.detail
    return error.value.reason


@pytest.mark.parametrize("example", examples("valid"), ids=str)
def test_every_event_comes_back_equal(codec: Codec, example: Example) -> None:
    """Every valid example of every event."""
    event = example.event.model_validate_json(example.data)
    assert codec.decode(event.type_name(), codec.encode(event)) == event


@pytest.mark.parametrize("example", examples("valid"), ids=str)
def test_plain_json_is_read(codec: Codec, example: Example) -> None:
    """A scraper needs no registry, whatever we write with."""
    event = example.event.model_validate_json(example.data)
    assert codec.decode(event.type_name(), example.data) == event


@pytest.mark.parametrize("example", examples("invalid"), ids=str)
def test_invalid_json_is_refused(codec: Codec, example: Example) -> None:
    """With the reason that the example's name says."""
    assert refusal(codec, example.data, example.event.type_name()) == example.expected[0]


def test_equal_events_have_equal_bytes(codec: Codec) -> None:
    """What is hashed or compared downstream does not change by itself."""
    assert codec.encode(REMOVED) == codec.encode(REMOVED.model_copy())


def test_the_first_byte_tells_avro_from_json(codec: Codec) -> None:
    """0x00 or an opening brace."""
    assert codec.encode(REMOVED)[:1] == (b"{" if isinstance(codec, JsonCodec) else b"\x00")


def test_a_type_that_is_no_event_is_refused(codec: Codec) -> None:
    """In both forms."""
    assert refusal(codec, b"{}", "com.example.Order") == "unknown_type"
    if isinstance(codec, RegistryCodec):
        assert refusal(codec, codec.encode(REMOVED), "com.example.Order") == "unknown_type"


@pytest.mark.parametrize("value", [b"{", b"\xff", b"null", b"[]", b"3", b"x" * 1000])
def test_what_is_no_json_object_is_refused(codec: Codec, value: bytes) -> None:
    """Never another exception."""
    assert refusal(codec, value) in {"malformed_json", "invalid_event"}


@pytest.mark.parametrize("schema_id", [0, 2**30 + 17, 2**31 - 1, 2**31, 2**32 - 1])
def test_an_avro_value_of_a_schema_that_nobody_knows_is_refused(codec: Codec, schema_id: int) -> None:
    """Or of any schema, where no registry is set."""
    assert refusal(codec, struct.pack(">bI", 0, schema_id) + b"\x02p\x02c\x02") == "unknown_schema"


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.sampled_from(EVENT_TYPES), st.binary(max_size=100), st.data())
def test_no_bytes_can_do_more_than_be_refused(codec: Codec, event: type, value: bytes, data: st.DataObject) -> None:
    """Any bytes after a good schema id, a good value changed, cut off or added to: an event or a refusal."""
    good = codec.encode(REMOVED)
    spoilt = bytearray(good)
    spoilt[data.draw(st.integers(5, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    cut = good[: data.draw(st.integers(0, len(good) - 1))]
    for name, some in ((event.type_name(), good[:5] + value), (NAME, bytes(spoilt)), (NAME, cut), (NAME, good + value)):
        try:
            read = codec.decode(name, some).key()
        except InvalidEvent as error:
            read = error.detail
        assert read


def test_bytes_left_over_are_refused(codec: Codec) -> None:
    """A value is one event and nothing else."""
    assert refusal(codec, codec.encode(REMOVED) + b"\x00") in {"malformed_avro", "malformed_json"}


def test_json_may_leave_out_what_has_a_default(codec: Codec) -> None:
    """And must not leave out the rest."""
    assert refusal(codec, json.dumps({"post_id": "p", "creator_id": "c"}).encode()) == "invalid_event"
