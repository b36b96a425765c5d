"""Lines of a file become events: numbered, bounded, one bad line at a time."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.producer import MemoryProducer
from workers.domain.reasons import InvalidEvent
from workers.publisher.cli import as_json, exit_code, undelivered
from workers.publisher.lines import MAX_LINE_BYTES, Line, numbered_lines, read_line
from workers.publisher.worker import CHUNK_LINES, Publisher, PublishReport
from workers.wire.cloudevents import JsonCodec, Wire

GOOD = {"type": "PostRemoved", "creator_id": "c", "revision": 1}


def removal(number: int, **more: Any) -> bytes:
    """A line."""
    return json.dumps({**GOOD, "post_id": f"p{number}", **more}).encode() + b"\n"


def publish(data: bytes, producer: MemoryProducer, strict: bool = False) -> PublishReport:
    """A file of these bytes, published to ``posts``."""
    wire = Wire(JsonCodec(), "test", "")
    return Publisher("posts", wire, producer, lambda report, read: None).publish(io.BytesIO(data), strict)


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    """Blank lines count and are left out; a byte order mark and Windows' line ends are no part of a line."""
    data = b"\xef\xbb\xbf{}\r\n\n   \n[]\nlast"
    assert list(numbered_lines(io.BytesIO(data))) == [
        Line(1, b"{}\r\n", 7),
        Line(4, b"[]\n", 15),
        Line(5, b"last", 19),
    ]
    assert read_line(Line(1, b"{}\r\n", 7)) == {}


@given(st.lists(st.binary(max_size=20).filter(lambda text: b"\n" not in text)))
def test_no_byte_of_a_file_is_lost(lines: list[bytes]) -> None:
    """Joined again, the lines are the file but for its blank lines."""
    data = b"\n".join(lines)
    found = list(numbered_lines(io.BytesIO(data)))
    expected = [
        (n, line) for n, line in enumerate(lines, 1) if line.removeprefix(b"\xef\xbb\xbf" if n == 1 else b"").strip()
    ]
    assert [(line.number, line.text.rstrip(b"\n")) for line in found] == [
        (n, line.removeprefix(b"\xef\xbb\xbf" if n == 1 else b"")) for n, line in expected
    ]


def test_a_line_that_is_too_long_is_one_bad_line() -> None:
    """It is not held in memory whole, and the next line keeps its number."""
    data = b"x" * (3 * MAX_LINE_BYTES) + b"\n{}\n"
    long, short = numbered_lines(io.BytesIO(data))
    assert (long.number, short.number, short.end) == (1, 2, len(data))
    with pytest.raises(InvalidEvent, match="longer than"):
        read_line(long)


@pytest.mark.parametrize(
    "text", [b"{", b"{'a': 1}", b"\xff", b'{"a": NaN}', b"[" * 10_000, b"{} {}", b'"\xed\xa0\x80"']
)
def test_a_line_that_is_no_json_says_where(text: bytes) -> None:
    """By its column."""
    with pytest.raises(InvalidEvent, match="column") as error:
        read_line(Line(1, text, 0))
    assert error.value.reason == "malformed_json"


def test_good_lines_are_published_and_bad_ones_reported_in_order() -> None:
    """Bad JSON and bad fields alike, each with its line number."""
    producer = MemoryProducer()
    data = removal(1) + b"\n" + removal(2, revision=-1) + b"nonsense\n" + removal(3) + b"{}\n"
    report = publish(data, producer)
    assert (report.lines, report.delivered) == (5, 2)
    assert [(bad.number, bad.error.reason) for bad in report.bad] == [
        (3, "invalid_event"),
        (4, "malformed_json"),
        (6, "invalid_event"),
    ]
    assert exit_code(report) == 1


def test_strict_publishes_nothing_if_any_line_is_bad() -> None:
    """Even if the bad line is the last of many chunks."""
    producer = MemoryProducer()
    good = b"".join(removal(n) for n in range(CHUNK_LINES + 10))
    report = publish(good + b"nonsense\n", producer, strict=True)
    assert (report.lines, report.delivered, len(report.bad), producer.written) == (CHUNK_LINES + 11, 0, 1, [])
    assert publish(good, producer, strict=True).delivered == CHUNK_LINES + 10


def test_delivered_counts_acknowledgements() -> None:
    """A line that the broker refuses is told by its number, and the exit code is 1."""
    producer = MemoryProducer()
    producer.refused = {b"refused"}
    report = publish(removal(1) + removal(2, creator_id="refused"), producer)
    assert (report.delivered, report.undelivered) == (1, {2: "the record is too large"})
    assert exit_code(report) == 1


def test_a_broker_that_takes_nothing_ends_the_publishing() -> None:
    """After the first chunk, with the exit code of a server that cannot be reached."""
    producer = MemoryProducer()
    producer.refused = {b"c"}
    report = publish(b"".join(removal(n) for n in range(3 * CHUNK_LINES)), producer)
    assert (report.lines, report.delivered) == (CHUNK_LINES, 0)
    assert exit_code(report) == 3
    assert undelivered(report) == {"the record is too large": f"{CHUNK_LINES} lines from 1 to {CHUNK_LINES}"}


def test_progress_is_told_in_bytes_of_the_file() -> None:
    """After each chunk, up to the whole file."""
    told: list[tuple[int, int]] = []
    data = b"".join(removal(n) for n in range(CHUNK_LINES + 1))
    publisher = Publisher(
        "posts",
        Wire(JsonCodec(), "test", ""),
        MemoryProducer(),
        lambda report, read: told.append((report.delivered, read)),
    )
    publisher.publish(io.BytesIO(data), strict=False)
    assert [delivered for delivered, _ in told] == [CHUNK_LINES, CHUNK_LINES + 1]
    assert told[-1][1] == len(data)


def test_the_json_report_has_each_bad_lines_fields() -> None:
    """For programs: number, reason, message, and each field's path with its message."""
    report = publish(removal(1, revision=-1) + removal(2), MemoryProducer())
    shown = as_json(report)
    assert {name: shown[name] for name in ("topic", "lines", "delivered", "undelivered")} == {
        "topic": "posts",
        "lines": 2,
        "delivered": 1,
        "undelivered": [],
    }
    assert shown["bad"][0]["line"] == 1
    assert shown["bad"][0]["fields"][0]["field"] == "revision"


def test_an_empty_file_is_no_error() -> None:
    """Nothing to do is done."""
    assert exit_code(publish(b"", MemoryProducer(), strict=True)) == 0
