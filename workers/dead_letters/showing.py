"""Dead letters as people and programs read them: one line, one page, one JSON object. Secrets are masked everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from workers.dead_letters.box import Known
from workers.dead_letters.worker import Outcome
from workers.domain.events import Event
from workers.domain.masking import MASK, is_secret_name, masked, masked_values
from workers.domain.reasons import Reason
from workers.wire.cloudevents import Wire
from workers.wire.records import Headers, InRecord, InvalidEvent

_ROW: Final = 16
_LONGEST: Final = 200
"""Characters of a text that are shown to people; programs get all of it."""


def printable(text: str, most: int | None = None) -> str:
    """On one line, without control characters: what strangers write must not steer a terminal."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if most is None or len(shown) <= most else shown[: most - 1] + "…"


def text_of(data: bytes | None) -> str | None:
    """Bytes as text; what is no UTF-8 as escapes."""
    return None if data is None else data.decode("utf-8", "backslashreplace")


def advice(reason: str) -> tuple[str, str]:
    """A reason's meaning and what to do about it."""
    for known in Reason:
        if known == reason:
            return known.meaning, known.what_to_do
    return "a reason that this release does not know", "see docs/dead-letters.md of the release that wrote it"


def as_json(known: Known) -> dict[str, Any]:
    """A letter as ``--json`` prints it."""
    letter, resolution = known.letter, known.resolution
    return {
        "id": letter.id,
        "worker": letter.worker,
        "reason": letter.reason,
        "detail": masked(letter.detail),
        "first_seen": letter.first_seen,
        "died_at": letter.died_at,
        "attempts": letter.attempts,
        "replays": known.replays,
        "key": text_of(letter.key),
        "origin": {name: getattr(letter.origin, name) for name in ("topic", "partition", "offset")},
        "copies": known.copies,
        "bytes": known.size,
        "state": known.state,
        "resolved_at": resolution.resolved_at if resolution and known.state != "dead" else None,
        "why": resolution.why if resolution and known.state != "dead" else None,
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """What became of a letter."""
    return {**as_json(outcome.known), "result": outcome.result, "message": outcome.detail or None}


def lines_of(known: Known) -> list[str]:
    """A letter in three lines: what and when; where; why. Ids are whole, they are there to be copied."""
    letter, origin = known.letter, known.letter.origin
    first = letter.first_seen.isoformat(" ", "seconds") if letter.first_seen else "unknown"
    state = "" if known.state == "dead" else f"  [{known.state}]"
    key = "no key" if letter.key is None else f"key {printable(text_of(letter.key) or '', 60)}"
    tried = f"{letter.attempts} attempt{'s' * (letter.attempts != 1)}"
    replayed = f", replayed {known.replays} time{'s' * (known.replays != 1)}" if known.replays else ""
    place = f"{printable(origin.topic, 100)}/{origin.partition}@{origin.offset}"
    return [
        f"{letter.id}  {letter.worker}  {printable(letter.reason, 60)}{state}",
        f"  first seen {first}, {tried}{replayed}, {key}, {place}",
        f"  {printable(masked(letter.detail), _LONGEST)}",
    ]


def page_json(known: Known, record: InRecord | None, wire: Wire, most: int) -> dict[str, Any]:
    """Everything about a letter: headers, the event where it decodes, else the first ``most`` bytes."""
    meaning, what_to_do = advice(known.letter.reason)
    page = {**as_json(known), "meaning": meaning, "what_to_do": what_to_do}
    if record is None:
        return page | {"headers": None, "event": None, "undecodable": "its time on the topic is over"}
    event, why = decoded(record, wire)
    return page | {
        "headers": [list(pair) for pair in shown_headers(record.headers)],
        "event_type": type(event).__name__ if event else None,
        "event": masked_values(event.model_dump(mode="json")) if event else None,
        "undecodable": why,
        "value": None if event else list(shown_bytes(record.value or b"", most)),
    }


def page_lines(page: dict[str, Any], known: Known) -> Iterator[str]:
    """The page for people."""
    yield from lines_of(known)
    yield f"  means: {page['meaning']}"
    yield f"  to do: {page['what_to_do']}"
    if page["state"] != "dead":
        why = f": {printable(page['why'], _LONGEST)}" if page["why"] else ""
        yield f"  {page['state']} at {page['resolved_at'].isoformat(' ', 'seconds')}{why}"
    yield f"  {page['copies']} cop{'y' if page['copies'] == 1 else 'ies'}, {page['bytes']} bytes"
    if page["headers"] is not None:
        yield "headers"
        yield from (f"  {name}: {value}" for name, value in page["headers"])
    if page["event"] is not None:
        yield page["event_type"]
        text = orjson.dumps(page["event"], option=orjson.OPT_INDENT_2).decode()
        yield from (f"  {printable(line, 2 * _LONGEST)}" for line in text.splitlines())
    else:
        yield f"no event: {printable(masked(page['undecodable']), _LONGEST)}"
        yield from (f"  {line}" for line in page.get("value") or ())


def decoded(record: InRecord, wire: Wire) -> tuple[Event | None, str | None]:
    """The event, whatever its key; or why it is none. May raise Unavailable."""
    try:
        return wire.event(record, (Event,)), None
    except InvalidEvent as error:
        return None, f"{error.reason}: {error.detail}"


def shown_headers(headers: Headers) -> list[tuple[str, str]]:
    """By name and value; what stands under a telling name is not shown."""
    return [
        (printable(name, _LONGEST), MASK if is_secret_name(name) else printable(masked(text_of(value) or "")))
        for name, value in headers
    ]


def shown_bytes(data: bytes, most: int) -> Iterator[str]:
    """Text as it is, line by line; else offsets, hexadecimal and characters. Secrets keep their length as stars."""
    part = data[:most]
    try:
        text = part.decode()
    except UnicodeDecodeError:
        # A character may have been cut in two at the end; latin-1 keeps one character a byte.
        text = ""
    if text and sum(c.isprintable() or c in "\r\n\t" for c in text) == len(text):
        yield from (printable(line) for line in masked(text).splitlines())
    else:
        plain = masked(part.decode("latin-1"), hide=lambda secret: "*" * len(secret)).encode("latin-1")
        for start in range(0, len(plain), _ROW):
            row = plain[start : start + _ROW]
            characters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            yield f"{start:08x}  {row.hex(' '):<{3 * _ROW}} {characters}"
    if len(data) > most:
        yield f"… and {len(data) - most} bytes more"


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many of each, in words."""
    counts = {result: sum(outcome.result == result for outcome in outcomes) for result in _WORDS}
    return ", ".join(f"{count} {_WORDS[result]}" for result, count in counts.items() if count) or "nothing was chosen"


_WORDS: Final = {
    "replayed": "replayed",
    "dropped": "dropped",
    "chosen": "chosen (--dry-run: nothing was done)",
    "refused": "refused",
    "failed": "failed",
}
