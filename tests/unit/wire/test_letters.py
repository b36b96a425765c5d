"""What is read from a dead letter's headers, and what strangers' headers cannot do."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from workers.containment.dead_letters import dead_letter
from workers.domain.ids import dead_letter_id
from workers.domain.reasons import Reason
from workers.wire.letters import CONNECT, ID, ORIGIN, OWN, connect_headers, origin_headers, read_letter
from workers.wire.records import Dead, Headers, InRecord, Position

DIED = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITTEN_MS = 1_772_366_400_500
IDENTITY = str(dead_letter_id("topic-id", 2, 41))


def record(headers: Headers = ()) -> InRecord:
    """An event as it lies on its topic."""
    return InRecord(Position("n.posts", 2, 41, "topic-id"), b"ana", b"{}", headers, 5)


def lying(headers: Headers) -> InRecord:
    """A record of ``embedder.dead``."""
    return InRecord(Position("n.embedder.dead", 1, 7, "dead-id"), b"ana", b"{}", headers, WRITTEN_MS)


def test_a_letter_says_all_that_the_worker_knew() -> None:
    """Id, reason, detail, times, counts, and where the event first lay."""
    written = dead_letter(record(), Dead("media_gone", "media[0]: 404"), "n.embedder.dead", "embedder", 2, DIED)
    letter = read_letter(lying(written.headers), "embedder")
    assert (letter.id, letter.worker) == (IDENTITY, "embedder")
    assert (letter.reason, letter.detail) == ("media_gone", "media[0]: 404")
    assert (letter.first_seen, letter.died_at.timestamp()) == (DIED, WRITTEN_MS / 1000)
    assert (letter.attempts, letter.replays, letter.key) == (3, 0, b"ana")
    assert letter.origin == Position("n.posts", 2, 41)
    assert letter.position.offset == 7


def test_connects_stage_says_whether_it_was_an_event_at_all() -> None:
    """In Connect's own words; the task is the partition on which the worker met the event."""
    origin = origin_headers(record())
    stages = {"missing_key": b"KEY_CONVERTER", "malformed_avro": b"VALUE_CONVERTER", "store_refused": b"TASK_PUT"}
    for reason, stage in stages.items():
        told = connect_headers(origin, "embedder", 2, reason, "")
        assert told[CONNECT + "stage"] == stage
        assert told[CONNECT + "task.id"] == b"2"
        assert told[CONNECT + "topic"] == b"n.posts"


def test_headers_that_claim_another_id_are_believed_only_if_whole_and_of_our_form() -> None:
    """A stranger's half of them, or words where numbers belong, say nothing."""
    whole = {ORIGIN + "topic": b"t", ORIGIN + "partition": b"1", ORIGIN + "offset": b"2", ID: IDENTITY.encode()}
    assert origin_headers(record(tuple(whole.items()))) == whole
    for name, value in (
        (ID, b"<b>"),
        (ID, IDENTITY.upper().encode()),
        (ORIGIN + "offset", b"-1"),
        (ORIGIN + "partition", b""),
    ):
        claimed = tuple((whole | {name: value}).items())
        assert origin_headers(record(claimed))[ORIGIN + "topic"] == b"n.posts"
    assert origin_headers(record(tuple(whole.items())[:3]))[ID] == IDENTITY.encode()


NAMES = [
    ID,
    *(OWN + name for name in ("reason", "first_seen", "attempts", "replays")),
    *(ORIGIN + n for n in ("topic", "partition", "offset")),
]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=40)), max_size=20))
def test_whatever_the_headers_hold_a_letter_can_be_read(headers: list[tuple[str, bytes]]) -> None:
    """A listing must not break on one record."""
    letter = read_letter(lying(tuple(headers)), "embedder")
    assert letter.attempts >= 0
    assert letter.replays >= 0
    assert letter.first_seen is None or letter.first_seen.tzinfo is not None
    assert letter.id


def test_every_reason_of_what_is_no_event_belongs_to_the_key_or_to_the_value() -> None:
    """And whatever the handler refuses is neither."""
    origin = origin_headers(record())
    handlers = {r for r in Reason if connect_headers(origin, "w", 0, r, "")[CONNECT + "stage"] == b"TASK_PUT"}
    assert Reason.INVALID_EVENT not in handlers
    assert {Reason.MEDIA_GONE, Reason.VECTOR_INVALID, Reason.TOO_MANY_ATTEMPTS, Reason.WRONG_MODEL_VERSION} <= handlers
