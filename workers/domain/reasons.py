"""Why a record cannot be used: the closed list of codes on dead letters, and the error that carries one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A code, and its meaning in one line. A code keeps its meaning for ever: dead letters outlive releases."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    MISSING_TYPE = "missing_type", "no CloudEvents type: the header ce_type (or a line's field type) is not there"
    UNKNOWN_TYPE = "unknown_type", "a type that is no event of ours"
    UNEXPECTED_TYPE = "unexpected_type", "an event of ours that does not belong on this topic"
    EMPTY_VALUE = "empty_value", "no value where an event is expected (a tombstone, or no bytes)"
    MALFORMED_JSON = "malformed_json", "the value is not JSON"
    MALFORMED_AVRO = "malformed_avro", "the value is not what its Avro schema says, or its schema is of another record"
    UNKNOWN_SCHEMA = "unknown_schema", "an Avro value whose schema cannot be looked up"
    INVALID_EVENT = "invalid_event", "a field is missing, misspelt, of the wrong type or out of its range"
    MISSING_KEY = "missing_key", "the record has no key"
    KEY_MISMATCH = "key_mismatch", "the record's key is not the key of its event"
    WRONG_MODEL_VERSION = "wrong_model_version", "vectors of another model version than the one this process handles"
    MEDIA_TOO_LARGE = "media_too_large", "a picture of more bytes than allowed"
    MEDIA_TOO_MANY_PIXELS = "media_too_many_pixels", "a picture of more pixels than allowed"
    MEDIA_TYPE = "media_type", "bytes that are no picture of a known type"
    MEDIA_CORRUPT = "media_corrupt", "a picture that is damaged or cut off"
    MEDIA_INVALID = "media_invalid", "a picture that cannot be used for another reason, which the detail says"
    MEDIA_GONE = "media_gone", "the picture's host says that it is not there"
    MEDIA_FORBIDDEN = "media_forbidden", "an address that must not be fetched, or that its host refuses"
    MEDIA_UNSUPPORTED = "media_unsupported", "a kind of medium, or of address, that is not read"
    VECTOR_INVALID = "vector_invalid", "the model's answer has no direction, or is not finite"
    STORE_REFUSED = "store_refused", "the vector store refuses an object for what it holds"
    TOO_MANY_ATTEMPTS = "too_many_attempts", "tried as often as allowed, and a server refused it each time"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of an event, as a path (``media.0.url``), and what is wrong with it."""

    field: str
    message: str


class InvalidEvent(Exception):
    """A record that is not a valid event. ``reason`` is a code of ``Reason``; ``fields`` names each wrong field."""

    def __init__(self, reason: str, detail: str, fields: tuple[FieldError, ...] = ()) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.fields = fields
