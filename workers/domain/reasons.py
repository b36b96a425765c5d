"""Why a record cannot be used: the closed list of codes on dead letters, and the error that carries one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A code, its meaning in one line, and what an operator does about it: ``docs/dead-letters.md`` shows all three.

    A code keeps its meaning for ever: dead letters outlive releases.
    """

    meaning: str
    what_to_do: str

    def __new__(cls, code: str, meaning: str, what_to_do: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.what_to_do = what_to_do
        return member

    MISSING_TYPE = (
        "missing_type",
        "no CloudEvents type: the header ce_type (or a line's field type) is not there",
        "mend the producer (every record carries ce_type), publish the event again and drop this letter",
    )
    UNKNOWN_TYPE = (
        "unknown_type",
        "a type that is no event of ours",
        "mend the producer's type; if it is an event of a newer release, update the worker and replay",
    )
    UNEXPECTED_TYPE = (
        "unexpected_type",
        "an event of ours that does not belong on this topic",
        "the detail says what this topic takes: publish to the right topic and drop this letter",
    )
    EMPTY_VALUE = (
        "empty_value",
        "no value where an event is expected (a tombstone, or no bytes)",
        "mend the producer: what is gone is said by an event, not by an empty record; drop this letter",
    )
    MALFORMED_JSON = (
        "malformed_json",
        "the value is not JSON",
        "mend the producer, publish the event again and drop this letter: the same bytes die again",
    )
    MALFORMED_AVRO = (
        "malformed_avro",
        "the value is not what its Avro schema says, or its schema is of another record",
        "check that the producer writes with the schema whose id it sends; publish again and drop this letter",
    )
    UNKNOWN_SCHEMA = (
        "unknown_schema",
        "an Avro value whose schema cannot be looked up",
        "register the schema, or set STREAMSCOUT_SCHEMA_REGISTRY_URL to the producer's registry; then replay",
    )
    INVALID_EVENT = (
        "invalid_event",
        "a field is missing, misspelt, of the wrong type or out of its range",
        "the detail names each field: mend the producer, publish the event again and drop this letter",
    )
    ENVELOPE_UNSUPPORTED = (
        "envelope_unsupported",
        "a batch of CloudEvents, or an envelope in another format than JSON",
        "mend the producer: one event a record, by headers or as application/cloudevents+json; drop this letter",
    )
    MISSING_KEY = (
        "missing_key",
        "the record has no key",
        "mend the producer (schemas/topics.yaml says what the key is), publish again and drop this letter",
    )
    KEY_MISMATCH = (
        "key_mismatch",
        "the record's key is not the key of its event",
        "mend the producer: only the worker writes to its `.rekeyed`; publish again and drop this letter",
    )
    WRONG_MODEL_VERSION = (
        "wrong_model_version",
        "vectors of another model version than the one this process handles",
        "if the worker serves an old model version, update it and replay; if the event's is gone, drop it",
    )
    MEDIA_TOO_LARGE = (
        "media_too_large",
        "a picture or a video of more bytes than allowed",
        "ask for a smaller one, or raise STREAMSCOUT_MEDIA_MAX_BYTES or _MAX_VIDEO_BYTES, and replay; else drop it",
    )
    MEDIA_TOO_MANY_PIXELS = (
        "media_too_many_pixels",
        "a picture, or a video's frame, of more pixels than allowed",
        "ask for a smaller one, or raise STREAMSCOUT_MEDIA_MAX_PIXELS or _MAX_FRAME_PIXELS, and replay; else drop it",
    )
    MEDIA_TOO_LONG = (
        "media_too_long",
        "a video that lasts longer, or has more frames, than allowed",
        "ask for a cut, or raise STREAMSCOUT_MEDIA_MAX_VIDEO_SECONDS or _MAX_VIDEO_FRAMES, and replay; else drop it",
    )
    MEDIA_TOO_SLOW = (
        "media_too_slow",
        "a medium that takes longer to decode than allowed",
        "often a file made to do harm: drop it; on a slow machine raise STREAMSCOUT_MEDIA_DECODE_SECONDS, and replay",
    )
    MEDIA_TYPE = (
        "media_type",
        "bytes that are no picture and no video of a known type",
        "look at what the address serves (often a page that asks to log in): mend it and replay, or drop it",
    )
    MEDIA_CORRUPT = (
        "media_corrupt",
        "a picture that is damaged or cut off, or a video of which no frame can be decoded",
        "if it was mended where it lies, replay; else have the post published with a sound one; drop it",
    )
    MEDIA_INVALID = (
        "media_invalid",
        "a picture that cannot be used for another reason, which the detail says",
        "read the detail: mend the picture where it lies and replay, or drop it",
    )
    MEDIA_GONE = (
        "media_gone",
        "the picture's host says that it is not there",
        "if the picture is back, replay; else have the post published without it, and drop it",
    )
    MEDIA_EXPIRED = (
        "media_expired",
        "the picture's signed address was good until a time that is past",
        "have the post published again with a newly signed address, and drop this letter: the old one stays refused",
    )
    MEDIA_FORBIDDEN = (
        "media_forbidden",
        "an address that must not be fetched, or that its host refuses",
        "a private host needs STREAMSCOUT_MEDIA_PRIVATE_HOSTS, a file STREAMSCOUT_MEDIA_ROOT: replay, or drop it",
    )
    MEDIA_UNSUPPORTED = (
        "media_unsupported",
        "a kind of medium, or of address, that is not read",
        "replay once a release reads this kind; have the post published without it if the rest is wanted now",
    )
    VECTOR_INVALID = (
        "vector_invalid",
        "the model's answer has no direction, or is not finite",
        "`streamscout model check`: replay with a sound model; if it is this one picture alone, drop it",
    )
    SCORING_BEHIND = (
        "scoring_behind",
        "a post is to be scored for brand safety by a newer calibration than this embedder has",
        "bring the newest safety.json to every embedder's model repository; then replay (`streamscout dead replay`)",
    )
    STORE_REFUSED = (
        "store_refused",
        "the vector store refuses an object for what it holds",
        "the detail is the store's answer: mend its schema (`streamscout up` says what differs), and replay",
    )
    OUTPUT_REFUSED = (
        "output_refused",
        "what comes of the event is a record that Kafka never takes: larger than its topic allows, or not valid there",
        "the detail names the topic: raise its max.message.bytes and replay; or drop it for a smaller event",
    )
    KILLS_THE_PROCESS = (
        "kills_the_process",
        "three times the process died while this event was alone in flight",
        "find out from the worker's log and the host's (out of memory?) what it died of; replay when that is mended",
    )
    TOO_MANY_ATTEMPTS = (
        "too_many_attempts",
        "tried as often as allowed, and a server refused it each time",
        "find out why the server named in the detail refused; when it answers again, replay, slowly (--rate)",
    )


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
