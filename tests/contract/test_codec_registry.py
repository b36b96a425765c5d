"""Avro through a registry: what is asked of it, how often, and what happens when it is gone."""

from __future__ import annotations

import copy
import io
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import fastavro
import httpx
import pytest

from tests.fakes.registry import FakeRegistry
from workers.adapters.registry import RegistryCodec, build_codec
from workers.config import load_settings
from workers.domain.avro_schema import avro_schema
from workers.domain.events import CreatorProfiled, PostPublished, PostRemoved
from workers.domain.reasons import InvalidEvent
from workers.wire.cloudevents import JsonCodec, RegistryUnavailable
from workers.wire.records import Unavailable

SCHEMAS = Path(__file__).parents[2] / "schemas"
REMOVED = PostRemoved(post_id="p", creator_id="c", revision=1)
POST = PostPublished.model_validate(
    {
        "post_id": "p",
        "creator_id": "c",
        "revision": 1,
        "platform": "instagram",
        "url": "https://example.com/p",
        "published_at": "2026-05-04T18:30:00.250Z",
        "hashtags": ["brot"],
    }
)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """An empty registry."""
    with FakeRegistry() as registry:
        yield registry


@pytest.fixture(params=["fake", pytest.param("apicurio", marks=pytest.mark.real)])
def registry_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The fake one and the real one."""
    if request.param == "apicurio":
        yield request.getfixturevalue("stack").schema_registry_url
    else:
        yield request.getfixturevalue("registry").url


def register(url: str, schema: dict[str, Any]) -> int:
    """Register another team's schema under a subject of its own; its id."""
    answer = httpx.post(f"{url}/subjects/test-{uuid4()}/versions", json={"schema": json.dumps(schema)})
    return int(answer.raise_for_status().json()["id"])


def written(schema_id: int, schema: dict[str, Any], fields: dict[str, Any]) -> bytes:
    """A value as another producer writes it."""
    stream = io.BytesIO()
    stream.write(struct.pack(">bI", 0, schema_id))
    fastavro.schemaless_writer(stream, fastavro.parse_schema(copy.deepcopy(schema)), fields)
    return stream.getvalue()


def changed(change: Callable[[list[dict[str, Any]]], object]) -> dict[str, Any]:
    """The schema of a post with its fields changed."""
    schema = avro_schema(PostPublished)
    change(schema["fields"])
    return schema


def test_a_newer_writers_extra_field_is_left_out(registry_url: str) -> None:
    """A producer may be ahead of us; in JSON the same field would be refused as a misspelling."""
    schema = changed(lambda fields: fields.append({"name": "location", "type": "string"}))
    value = written(register(registry_url, schema), schema, {**POST.model_dump(), "location": "Berlin"})
    assert RegistryCodec(registry_url, SCHEMAS).decode(POST.type_name(), value) == POST


def test_an_older_writers_missing_field_gets_its_default(registry_url: str) -> None:
    """By Avro's resolution."""
    schema = changed(lambda fields: fields.pop(next(i for i, each in enumerate(fields) if each["name"] == "hashtags")))
    value = written(register(registry_url, schema), schema, POST.model_dump())
    read = RegistryCodec(registry_url, SCHEMAS).decode(POST.type_name(), value)
    assert read == POST.model_copy(update={"hashtags": ()})


def test_a_writers_microseconds_are_the_same_time(registry_url: str) -> None:
    """Java's newer clients default to them."""

    def to_micros(fields: list[dict[str, Any]]) -> None:
        at = next(each for each in fields if each["name"] == "published_at")
        at["type"] = {"type": "long", "logicalType": "timestamp-micros"}

    schema = changed(to_micros)
    value = written(register(registry_url, schema), schema, POST.model_dump())
    assert RegistryCodec(registry_url, SCHEMAS).decode(POST.type_name(), value) == POST


def test_a_value_of_another_record_is_refused(registry_url: str) -> None:
    """The schema's name must be the event's, whatever the header says."""
    codec = RegistryCodec(registry_url, SCHEMAS)
    with pytest.raises(InvalidEvent, match=r"is of io.streamscout.PostRemoved, and cannot be read as CreatorProfiled"):
        codec.decode(CreatorProfiled.type_name(), codec.encode(REMOVED))


@pytest.mark.parametrize("schema", ["string", ["null", "string"], {"type": "map", "values": "long"}])
def test_a_schema_that_is_no_record_is_refused(registry_url: str, schema: Any) -> None:
    """Whatever else a registry may hold."""
    value = struct.pack(">bI", 0, register(registry_url, schema)) + b"\x02p"
    with pytest.raises(InvalidEvent) as error:
        RegistryCodec(registry_url, SCHEMAS).decode(REMOVED.type_name(), value)
    assert error.value.reason == "malformed_avro"


def test_values_in_avro_are_validated_as_values_in_json_are(registry_url: str) -> None:
    """A revision of -1 is a long too."""
    schema = avro_schema(PostRemoved)
    value = written(register(registry_url, schema), schema, {**REMOVED.model_dump(), "revision": -1})
    with pytest.raises(InvalidEvent) as error:
        RegistryCodec(registry_url, SCHEMAS).decode(REMOVED.type_name(), value)
    assert (error.value.reason, error.value.fields[0].field) == ("invalid_event", "revision")


def test_a_time_out_of_range_is_refused(registry_url: str) -> None:
    """Any long is a valid timestamp in Avro, not in ours."""
    schema = changed(lambda fields: next(each for each in fields if each["name"] == "published_at").update(type="long"))
    plain = register(registry_url, schema)
    codec = RegistryCodec(registry_url, SCHEMAS)
    ours = struct.unpack_from(">bI", codec.encode(POST))[1]
    for schema_id in (plain, ours):
        value = written(schema_id, schema, {**POST.model_dump(), "published_at": 2**62})
        with pytest.raises(InvalidEvent):
            codec.decode(POST.type_name(), value)


def test_our_schemas_have_their_record_name_as_subject(registry_url: str) -> None:
    """One subject per event, whatever the topic; found again by a second codec under the same id."""
    first, second = (RegistryCodec(registry_url, SCHEMAS).encode(REMOVED) for _ in range(2))
    assert first == second
    latest = httpx.get(f"{registry_url}/subjects/io.streamscout.PostRemoved/versions/latest")
    if latest.is_success:
        assert latest.json()["id"] == struct.unpack_from(">bI", first)[1]


def test_the_registry_is_asked_once_per_schema(registry: FakeRegistry) -> None:
    """Not once per event."""
    codec = RegistryCodec(registry.url, SCHEMAS)
    for _ in range(5):
        assert codec.decode(REMOVED.type_name(), codec.encode(REMOVED)) == REMOVED
    subject = f"POST /subjects/{REMOVED.type_name()}"
    assert registry.asked == [subject, f"{subject}/versions", "GET /schemas/ids/1"]


def test_an_unknown_schema_is_not_asked_for_with_every_event(registry: FakeRegistry) -> None:
    """A stream of broken records must not become a stream of requests."""
    codec = RegistryCodec(registry.url, SCHEMAS)
    for _ in range(5):
        with pytest.raises(InvalidEvent, match="knows no schema 9"):
            codec.decode(REMOVED.type_name(), b"\x00\x00\x00\x00\x09abc")
    assert registry.asked == ["GET /schemas/ids/9"]


def test_an_unknown_schema_is_asked_for_again_after_a_while(registry: FakeRegistry) -> None:
    """It may have been registered since."""
    now = [0.0]
    codec = RegistryCodec(registry.url, SCHEMAS, monotonic=lambda: now[0])
    value = b"\x00\x00\x00\x00\x01\x02p\x02c\x02"
    with pytest.raises(InvalidEvent, match="knows no schema 1"):
        codec.decode(REMOVED.type_name(), value)
    registry.register("test", json.dumps(avro_schema(PostRemoved)))
    now[0] = 60.0
    assert codec.decode(REMOVED.type_name(), value) == REMOVED


def test_known_schemas_survive_the_registry(registry: FakeRegistry) -> None:
    """What was looked up stays; what was not makes the record come again later, and is found when it is back."""
    codec = RegistryCodec(registry.url, SCHEMAS)
    removed = codec.encode(REMOVED)
    assert codec.decode(REMOVED.type_name(), removed) == REMOVED
    post = RegistryCodec(registry.url, SCHEMAS).encode(POST)
    registry.status = 503
    assert codec.decode(REMOVED.type_name(), codec.encode(REMOVED)) == REMOVED
    with pytest.raises(RegistryUnavailable):
        codec.decode(POST.type_name(), post)
    with pytest.raises(RegistryUnavailable):
        codec.encode(POST)
    registry.status = None
    assert codec.decode(POST.type_name(), post) == POST


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_registry_is_unavailable(registry: FakeRegistry, status: int) -> None:
    """Which is never the record's fault."""
    registry.status = status
    with pytest.raises(RegistryUnavailable, match=str(status)):
        RegistryCodec(registry.url, SCHEMAS).decode(REMOVED.type_name(), b"\x00\x00\x00\x00\x01abc")


def test_a_registry_that_is_gone_is_unavailable(registry: FakeRegistry) -> None:
    """Its address is said, its password is not."""
    registry.close()
    codec = RegistryCodec(registry.url.replace("//", "//scout:secret@"), SCHEMAS, seconds=1.0)
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:\d+ does not answer") as error:
        codec.check()
    assert "secret" not in str(error.value)
    with pytest.raises(RegistryUnavailable):
        codec.encode(REMOVED)


def test_json_needs_no_registry(registry: FakeRegistry) -> None:
    """It is read while the registry is gone."""
    registry.status = 503
    assert (
        RegistryCodec(registry.url, SCHEMAS).decode(REMOVED.type_name(), REMOVED.model_dump_json().encode()) == REMOVED
    )
    assert registry.asked == []


def test_without_a_registry_in_the_settings_events_are_json(tmp_path: Path) -> None:
    """And Avro values are refused with the reason."""
    codec = build_codec(load_settings(data_dir=tmp_path))
    assert isinstance(codec, JsonCodec)
    with pytest.raises(InvalidEvent, match="no schema registry is set"):
        codec.decode(REMOVED.type_name(), b"\x00\x00\x00\x00\x01abc")


def test_a_worker_does_not_start_while_its_registry_is_gone(registry: FakeRegistry, tmp_path: Path) -> None:
    """It says so, instead of waiting for its first event."""
    registry.status = 503
    with pytest.raises(RegistryUnavailable):
        build_codec(load_settings(data_dir=tmp_path, schema_registry_url=registry.url))


def test_a_folder_without_schemas_is_refused_at_once(tmp_path: Path) -> None:
    """With the first event that has none."""
    with pytest.raises(FileNotFoundError, match="PostPublished"):
        RegistryCodec("http://127.0.0.1:9", tmp_path)
