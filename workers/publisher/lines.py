"""A file of JSON lines, one object a line: numbered, bounded, each read on its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import orjson

from workers.domain.reasons import InvalidEvent, Reason

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""Twice the largest message: a longer line cannot become a record."""
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank. ``number`` counts from 1, ``end`` is the bytes of the file up to and with this line."""

    number: int
    text: bytes
    end: int


def numbered_lines(stream: BinaryIO) -> Iterator[Line]:
    """The lines of a file but for blank ones; of one over ``MAX_LINE_BYTES`` the first part only, which is too long."""
    number = end = 0
    while part := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        end += len(part)
        text, last = part, part
        while len(last) > MAX_LINE_BYTES and not last.endswith(b"\n"):
            last = stream.readline(MAX_LINE_BYTES + 1)
            end += len(last)
        if number == 1:
            text = text.removeprefix(_BOM)
        if text.strip():
            yield Line(number, text, end)


def read_line(line: Line) -> object:
    """The JSON value of a line. Raises InvalidEvent."""
    if len(line.text) > MAX_LINE_BYTES:
        raise InvalidEvent(Reason.MALFORMED_JSON, f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        return orjson.loads(line.text)
    except orjson.JSONDecodeError as error:
        raise InvalidEvent(Reason.MALFORMED_JSON, f"not JSON at column {error.pos + 1}: {error.msg}") from error
