"""Events on Kafka: CloudEvents in binary mode over headers; values JSON or Avro, told apart by their first byte.

What is read may be in structured mode too: ``structured`` unfolds it. What we write never is.

The header ``ce_sourcetime`` (epoch milliseconds as text) is an extension of ours: when the original source record was
written to Kafka. Derived events carry it on, so that freshness is measured from end to end. ``ce_askedby`` is another:
by whose key the API was asked to erase or reinstate a creator.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar, cast

from pydantic import ValidationError

from workers.domain.events import EVENT_BY_TYPE, Event
from workers.domain.parse import invalid_event
from workers.domain.reasons import InvalidEvent, Reason
from workers.domain.times import check_times
from workers.domain.topics import topic_name
from workers.wire.records import Headers, InRecord, OutRecord, Unavailable
from workers.wire.structured import unfolded

AVRO_MAGIC: Final = b"\x00"
SOURCE_TIME: Final = "sourcetime"
ASKED_BY: Final = "askedby"
_PREFIX: Final = "ce_"
_SOURCE_TIME_HEADER: Final = f"{_PREFIX}{SOURCE_TIME}"
E = TypeVar("E", bound=Event)


class RegistryUnavailable(Unavailable):
    """The schema registry is gone or busy, and a schema is needed that is not known yet."""


class Codec(Protocol):
    """An event's value as bytes, and back. ``decode`` raises InvalidEvent; both may raise RegistryUnavailable."""

    def encode(self, event: Event) -> bytes: ...

    def decode(self, type_name: str, value: bytes) -> Event: ...


class JsonCodec:
    """Plain JSON: where no schema registry is set."""

    def encode(self, event: Event) -> bytes:
        return event.model_dump_json().encode()

    def decode(self, type_name: str, value: bytes) -> Event:
        if value[:1] == AVRO_MAGIC:
            raise InvalidEvent(Reason.UNKNOWN_SCHEMA, "the value is Avro, but no schema registry is set here")
        return decode_json(type_name, value)


def decode_json(type_name: str, value: bytes) -> Event:
    """The event of a type from its JSON. Raises InvalidEvent."""
    kind = event_type(type_name)
    try:
        return kind.model_validate_json(value)
    except ValidationError as error:
        raise invalid_event(error) from error


def event_type(type_name: str) -> type[Event]:
    """The Python type of a CloudEvents type. Raises InvalidEvent for one that is no event of ours."""
    if (kind := EVENT_BY_TYPE.get(type_name)) is None:
        raise InvalidEvent(Reason.UNKNOWN_TYPE, f"{type_name[:200]!r} is no event of ours")
    return kind


def attributes(headers: Headers) -> dict[str, str]:
    """CloudEvents attributes by name, without ``ce_``. Of a repeated header the last counts, as Kafka's clients do it.

    Bytes that are not UTF-8 are replaced: such an attribute matches nothing, but never breaks a reader.
    """
    found = {}
    for name, value in headers:
        text = (value or b"").decode("utf-8", "replace")
        if name.startswith(_PREFIX):
            found[name.removeprefix(_PREFIX)] = text
        elif name == "content-type":
            found["datacontenttype"] = text
    return found


def source_time(record: InRecord) -> str:
    """Epoch milliseconds at which Kafka took the original source record: this one, unless it says otherwise."""
    carried = ""
    for name, value in record.headers:
        if name == _SOURCE_TIME_HEADER:
            carried = (value or b"").decode("utf-8", "replace")
    return carried if carried.isascii() and carried.isdigit() and len(carried) < 16 else str(record.timestamp_ms)


class Wire:
    """Records from events and events from records. ``source`` is the CloudEvents source of what is written."""

    attributes = staticmethod(attributes)

    def __init__(self, codec: Codec, source: str, namespace: str) -> None:
        self._codec = codec
        self._source = source
        self._namespace = namespace

    def record(
        self,
        topic: str,
        event: Event,
        *,
        id: str,  # noqa: A002 - the attribute's name in CloudEvents
        time: datetime,
        extensions: Mapping[str, str] | None = None,
    ) -> OutRecord:
        """The record of an event for ``topic``, which is named without the namespace."""
        value = self._codec.encode(event)
        content_type = "application/avro" if value[:1] == AVRO_MAGIC else "application/json"
        stamp = time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        context = {"specversion": "1.0", "id": id, "source": self._source, "type": event.type_name(), "time": stamp}
        headers = [(f"{_PREFIX}{name}", text.encode()) for name, text in {**context, **(extensions or {})}.items()]
        return OutRecord(
            topic_name(self._namespace, topic),
            event.key().encode(),
            value,
            (*headers, ("content-type", content_type.encode())),
        )

    def tombstone(self, topic: str, key: str) -> OutRecord:
        """The record that deletes ``key`` from a compacted ``topic``."""
        return OutRecord(topic_name(self._namespace, topic), key.encode(), None)

    def is_tombstone(self, record: InRecord) -> bool:
        """Whether a record deletes its key. ``read`` refuses those: whoever expects them asks first."""
        return record.value is None and record.key is not None

    def event(self, record: InRecord, accepted: Collection[type[E]]) -> E:
        """The event of a record, whatever its key: of an ``accepted`` type or a subclass. Raises InvalidEvent."""
        record = unfolded(record)
        if not record.value:
            raise InvalidEvent(Reason.EMPTY_VALUE, "no value" if record.value is None else "a value of no bytes")
        type_name = attributes(record.headers).get("type")
        if not type_name:
            raise InvalidEvent(Reason.MISSING_TYPE, "the header ce_type is not there")
        kind = event_type(type_name)
        if not issubclass(kind, tuple(accepted)):
            names = ", ".join(sorted(expected.__name__ for expected in accepted))
            raise InvalidEvent(Reason.UNEXPECTED_TYPE, f"{kind.__name__} where {names} is expected")
        event = self._codec.decode(type_name, record.value)
        if record.timestamp_ms > 0:
            # Kafka's time of the record, not ours: a repeat of the record is judged alike, however late it is read.
            check_times(event, datetime.fromtimestamp(record.timestamp_ms / 1000, UTC))
        return cast("E", event)

    def read(self, record: InRecord, accepted: Collection[type[E]]) -> E:
        """The event of a record that lies under its own key. Raises InvalidEvent as ``event`` does, and for the key."""
        event = self.event(record, accepted)
        if record.key is None:
            raise InvalidEvent(Reason.MISSING_KEY, f"{type(event).__name__} has the key {event.key()!r}")
        if record.key != event.key().encode():
            shown = record.key[:200].decode("utf-8", "backslashreplace")
            raise InvalidEvent(Reason.KEY_MISMATCH, f"the key is {shown!r}, the event's is {event.key()!r}")
        return event
