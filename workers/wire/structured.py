"""CloudEvents in structured mode: the record's value is the whole envelope, and its header content-type says so.

An envelope is unfolded into the record that binary mode would have sent; from there on both are read by the same code.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Any, Final

from pydantic_core import from_json, to_json

from workers.domain.reasons import InvalidEvent, Reason
from workers.wire.records import Headers, InRecord

_MEDIA_TYPE: Final = "application/cloudevents"
_JSON: Final = f"{_MEDIA_TYPE}+json"
_SPECVERSION: Final = "1.0"
_SHOWN: Final = 100


def unfolded(record: InRecord) -> InRecord:
    """The record in binary mode; the same one where it is not an envelope. Raises InvalidEvent saying what and where.

    Attributes of the envelope stand for headers of their names; its ``data`` is the value, as the bytes of its JSON or,
    by ``data_base64``, as they are.
    """
    media_type = _media_type(record.headers)
    if not media_type.startswith(_MEDIA_TYPE) or record.value is None:
        return record
    if media_type != _JSON:
        raise InvalidEvent(
            Reason.ENVELOPE_UNSUPPORTED,
            f"content-type: {media_type[:_SHOWN]!r} where one event as {_JSON!r} is read: a record, a key, an event",
        )
    envelope = _parsed(record.value)
    others = tuple((name, value) for name, value in record.headers if not _says(name))
    content_type = str(envelope.get("datacontenttype", "application/json"))
    attributes = tuple(
        (f"ce_{name}", _text(name, value).encode())
        for name, value in envelope.items()
        if name not in {"data", "data_base64", "datacontenttype"} and value is not None
    )
    headers = (*others, *attributes, ("content-type", content_type.encode()))
    return replace(record, value=_data(envelope, content_type), headers=headers)


def _media_type(headers: Headers) -> str:
    """The content type without its parameters; of a repeated header the last counts."""
    found = b""
    for name, value in headers:
        if name.lower() == "content-type":
            found = value or b""
    return found.decode("utf-8", "replace").partition(";")[0].strip().lower()


def _says(name: str) -> bool:
    """Whether a header speaks of the envelope: in structured mode the envelope alone counts."""
    return name.startswith("ce_") or name.lower() == "content-type"


def _parsed(value: bytes) -> dict[str, Any]:
    try:
        envelope = from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidEvent(Reason.MALFORMED_JSON, f"the envelope: {error}"[:500]) from error
    if not isinstance(envelope, dict):
        raise InvalidEvent(Reason.INVALID_EVENT, f"the envelope is a JSON {type(envelope).__name__}, not an object")
    if not envelope.get("type"):
        raise InvalidEvent(Reason.MISSING_TYPE, "the envelope's type is not there")
    if envelope.get("specversion") != _SPECVERSION:
        found = str(envelope.get("specversion"))[:_SHOWN]
        raise InvalidEvent(Reason.INVALID_EVENT, f"specversion: {found!r} where {_SPECVERSION!r} is read")
    for name in ("type", "id", "source", "datacontenttype"):
        optional = name == "datacontenttype" and envelope.get(name) is None
        if not optional and not (isinstance(envelope.get(name), str) and envelope[name]):
            raise InvalidEvent(Reason.INVALID_EVENT, f"{name}: the envelope needs it, as a text that is not empty")
    return envelope


def _text(name: str, value: object) -> str:
    """An attribute as a header has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    raise InvalidEvent(
        Reason.INVALID_EVENT, f"{name[:_SHOWN]}: an attribute is a text, a whole number or a truth value"
    )


def _data(envelope: dict[str, Any], content_type: str) -> bytes:
    data, packed = envelope.get("data"), envelope.get("data_base64")
    if data is not None and packed is not None:
        raise InvalidEvent(Reason.INVALID_EVENT, "data and data_base64: an envelope has one of them")
    if packed is not None:
        try:
            return base64.b64decode(packed, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise InvalidEvent(Reason.INVALID_EVENT, f"data_base64: not base64: {error}"[:500]) from error
    if data is None:
        raise InvalidEvent(Reason.EMPTY_VALUE, "the envelope has neither data nor data_base64")
    kind = content_type.partition(";")[0].strip().lower()
    if not kind.endswith(("+json", "/json")):
        raise InvalidEvent(Reason.INVALID_EVENT, f"data: of {kind[:_SHOWN]!r}: what is not JSON goes by data_base64")
    return to_json(data)
