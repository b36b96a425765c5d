"""Avro through a Confluent-compatible schema registry: the wire format is 0x00, the schema's id (4 bytes), the value.

Each event has one subject, its full name (Confluent's RecordNameStrategy), whatever the topic.
"""

from __future__ import annotations

import io
import json
import struct
import time
import weakref
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import fastavro
import httpx2  # what confluent-kafka's registry client speaks HTTP with, and whose errors it lets through
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException
from pydantic import ValidationError

from workers.adapters import security
from workers.adapters.avro_unions import naming
from workers.config import Settings, SettingsError
from workers.domain.avro_schema import same_form, schema_files
from workers.domain.events import EVENT_TYPES, Event
from workers.domain.parse import invalid_event
from workers.domain.reasons import InvalidEvent, Reason
from workers.wire.cloudevents import AVRO_MAGIC, Codec, JsonCodec, RegistryUnavailable, decode_json, event_type

_HEADER: Final = struct.Struct(">bI")
_LARGEST_ID: Final = 2**31 - 1
_UNKNOWN_SECONDS: Final = 10.0
_UNKNOWN_KEPT: Final = 1000
# What fastavro raises on bytes that are not what the schema says.
_UNREADABLE: Final = (EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError)
T = TypeVar("T")


class RegistryCodec:
    """Writes Avro with the newest schema of ``schemas_dir``; reads Avro of any schema the registry knows, and JSON.

    Schemas and ids are looked up once and kept. Nothing is retried here: what waits is the loop.
    """

    def __init__(
        self,
        url: str,
        schemas_dir: Path,
        *,
        seconds: float = 3.0,
        monotonic: Callable[[], float] = time.monotonic,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._address = urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()
        self._client = SchemaRegistryClient({"url": url, "timeout": seconds, "max.retries": 0, **(options or {})})
        # A codec is handed about and has no one owner: its connections end when it is no longer used.
        weakref.finalize(self, self._client.close)
        self._texts = {event.type_name(): _newest(schemas_dir, event) for event in EVENT_TYPES}
        self._readers = {name: fastavro.parse_schema(json.loads(text)) for name, text in self._texts.items()}
        self._named = {name: naming(schema) for name, schema in self._readers.items()}
        self._ids: dict[str, int] = {}
        self._writers: dict[tuple[int, str], tuple[Any, Any]] = {}
        self._unknown: dict[int, float] = {}
        self._monotonic = monotonic

    def check(self) -> None:
        """Raise RegistryUnavailable unless the registry answers, and SettingsError where it lets nobody in."""
        try:
            self._ask(self._client.get_schema_types)
        except SchemaRegistryError as error:
            if error.http_status_code not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise
            raise SettingsError(
                f"STREAMSCOUT_SCHEMA_REGISTRY_USERNAME: the schema registry at {self._address} lets nobody in "
                f"with that user and password ({error.http_status_code})"
            ) from error

    def encode(self, event: Event) -> bytes:
        """The event in the wire format. Raises RegistryUnavailable while its schema's id is not known."""
        name = event.type_name()
        if (schema_id := self._ids.get(name)) is None:
            schema_id = self._ids[name] = self._ask(lambda: self._id_of(name))
        stream = io.BytesIO()
        stream.write(_HEADER.pack(0, schema_id))
        fastavro.schemaless_writer(stream, self._readers[name], self._named[name](event.model_dump()))
        return stream.getvalue()

    def decode(self, type_name: str, value: bytes) -> Event:
        """The event of a value. Raises InvalidEvent, or RegistryUnavailable while its schema is not known."""
        if value[:1] != AVRO_MAGIC:
            return decode_json(type_name, value)
        kind = event_type(type_name)
        if len(value) < _HEADER.size:
            raise InvalidEvent(Reason.MALFORMED_AVRO, f"a value of {len(value)} bytes has no schema id")
        schema_id: int = _HEADER.unpack_from(value)[1]
        writer, reader = self._schemas(schema_id, type_name)
        stream = io.BytesIO(value)
        stream.seek(_HEADER.size)
        try:
            fields = fastavro.schemaless_reader(stream, writer, reader)
        except SchemaResolutionError as error:
            name = writer.get("name", "no record") if isinstance(writer, dict) else "no record"
            detail = f"schema {schema_id} is of {name}, and cannot be read as {kind.__name__}"
            raise InvalidEvent(Reason.MALFORMED_AVRO, detail) from error
        except _UNREADABLE as error:
            detail = f"not a {kind.__name__} of schema {schema_id}: {type(error).__name__} {error}"
            raise InvalidEvent(Reason.MALFORMED_AVRO, detail[:500]) from error
        if rest := len(value) - stream.tell():
            raise InvalidEvent(Reason.MALFORMED_AVRO, f"{rest} bytes are left over after a value of schema {schema_id}")
        try:
            return kind.model_validate(fields)
        except ValidationError as error:
            raise invalid_event(error) from error

    def _schemas(self, schema_id: int, type_name: str) -> tuple[Any, Any]:
        """The writer's schema, and ours to resolve it to (None where they are the same)."""
        key = (schema_id, type_name)
        if key not in self._writers:
            writer = self._fetch(schema_id)
            same = same_form(json.loads(self._texts[type_name]), writer)
            self._writers[key] = (_parsed(writer, schema_id), None if same else self._readers[type_name])
        return self._writers[key]

    def _fetch(self, schema_id: int) -> Any:
        """A schema as the registry has it. An id it does not know is not asked for again for some seconds."""
        missing = InvalidEvent(Reason.UNKNOWN_SCHEMA, f"the registry at {self._address} knows no schema {schema_id}")
        if schema_id > _LARGEST_ID or self._unknown.get(schema_id, 0.0) > self._monotonic():
            raise missing
        try:
            schema = self._ask(lambda: self._client.get_schema(schema_id))
        except SchemaRegistryError as error:
            if error.http_status_code != HTTPStatus.NOT_FOUND:
                raise
            if len(self._unknown) >= _UNKNOWN_KEPT:
                self._unknown.clear()
            self._unknown[schema_id] = self._monotonic() + _UNKNOWN_SECONDS
            raise missing from error
        if schema.schema_type not in (None, "AVRO"):
            raise InvalidEvent(Reason.UNKNOWN_SCHEMA, f"schema {schema_id} is {schema.schema_type}, not Avro")
        return json.loads(schema.schema_str)

    def _id_of(self, name: str) -> int:
        """The id of our schema of an event; registers it where ``up`` has not."""
        schema = Schema(self._texts[name], "AVRO")
        try:
            found = self._client.lookup_schema(name, schema).schema_id
        except SchemaRegistryError as error:
            if error.http_status_code != HTTPStatus.NOT_FOUND:
                raise
            found = self._client.register_schema(name, schema)
        return int(found)

    def _ask(self, call: Callable[[], T]) -> T:
        """The registry's answer; RegistryUnavailable for none, for a server's error and for too many requests."""
        try:
            return call()
        except (httpx2.TransportError, json.JSONDecodeError) as error:
            why = f"{type(error).__name__} {error}"
            raise RegistryUnavailable(f"the schema registry at {self._address} does not answer: {why}") from error
        except SchemaRegistryError as error:
            status = error.http_status_code
            if status != HTTPStatus.TOO_MANY_REQUESTS and status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            raise RegistryUnavailable(f"the schema registry at {self._address} answers: {error}") from error


def _newest(schemas_dir: Path, event: type[Event]) -> str:
    files = schema_files(schemas_dir, event)
    if not files:
        raise FileNotFoundError(f"no Avro schema of {event.__name__} in {schemas_dir}")
    return files[-1].read_text()


def _parsed(schema: Any, schema_id: int) -> Any:
    try:
        return fastavro.parse_schema(schema)
    except SchemaParseException as error:
        raise InvalidEvent(Reason.UNKNOWN_SCHEMA, f"schema {schema_id} is no Avro schema: {error}") from error


def build_codec(settings: Settings) -> Codec:
    """Avro where a registry is set (raises RegistryUnavailable unless it answers), JSON where none is."""
    if settings.schema_registry_url is None:
        return JsonCodec()
    codec = RegistryCodec(settings.schema_registry_url, settings.schemas_dir, options=security.registry(settings))
    codec.check()
    return codec
