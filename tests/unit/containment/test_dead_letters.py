"""What leaves a worker sideways."""

from __future__ import annotations

from tests.unit.core.harness import WHEN
from workers.containment.dead_letters import DETAIL_LENGTH, dead_letter, rekeyed
from workers.domain.ids import dead_letter_id
from workers.wire.records import Dead, InRecord, OutRecord, Position

RECORD = InRecord(Position("posts", 2, 41, "topic-id"), b"ana", b"\x00bytes", (("ce_id", b"1"), ("ce_id", b"2")), 5)


def again(record: OutRecord, topic: str) -> InRecord:
    """A written record as it is read somewhere else."""
    return InRecord(Position(topic, 0, 7, "other-id"), record.key, record.value, record.headers, 6)


def letter(record: InRecord, detail: str = "no", attempts: int = 0) -> OutRecord:
    """The dead letter of a record."""
    return dead_letter(record, Dead("media_gone", detail), "embedder.dead", "embedder", attempts, WHEN)


def test_bytes_key_and_headers_are_the_originals() -> None:
    """Also headers of a repeated name."""
    dead = letter(RECORD)
    assert (dead.topic, dead.key, dead.value) == ("embedder.dead", b"ana", b"\x00bytes")
    assert dead.headers[:2] == RECORD.headers


def test_every_copy_carries_the_first_id_and_the_first_place() -> None:
    """Forwarded under another key and dead there, replayed and dead again: one id, where it first lay."""
    identity = str(dead_letter_id("topic-id", 2, 41)).encode()
    forwarded = rekeyed(RECORD, "embedder.rekeyed", b"bea")
    assert forwarded.key == b"bea"
    first = letter(again(forwarded, "embedder.rekeyed"), attempts=2)
    second = letter(again(first, "posts"))
    for dead in (first, second):
        headers = dict(dead.headers)
        assert headers["streamscout.dead.id"] == identity
        assert headers["__connect.errors.topic"] == b"posts"
        assert headers["__connect.errors.partition"] == b"2"
        assert headers["__connect.errors.offset"] == b"41"
        assert headers["streamscout.dead.first_seen"] == WHEN.isoformat().encode()
    assert dict(first.headers)["streamscout.dead.attempts"] == b"3"
    assert dict(second.headers)["streamscout.dead.attempts"] == b"4"
    assert len(second.headers) == len(first.headers)


def test_headers_from_strangers_cannot_break_it() -> None:
    """Numbers that are none, headers without a value, text that is no text."""
    strange = (("streamscout.dead.attempts", b"many"), ("streamscout.dead.id", None), ("x", b"\xff"))
    record = InRecord(RECORD.position, None, None, strange, 0)  # type: ignore[arg-type]
    headers = dict(letter(record, "\ud800" + "x" * 5000).headers)
    assert headers["streamscout.dead.attempts"] == b"1"
    assert headers["streamscout.dead.id"] == str(dead_letter_id("topic-id", 2, 41)).encode()
    assert len(headers["__connect.errors.exception.message"]) == DETAIL_LENGTH
