"""A creator's standing, and which events an erasure has overtaken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from workers.containment.dead_letters import dead_letter, rekeyed
from workers.domain.events import CreatorErased, CreatorReinstated
from workers.wire.records import Dead, InRecord, OutRecord, Position
from workers.wire.standing import Standing, standing_after

START = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)


def record(offset: int, topic: str = "posts", time_ms: int = 0, topic_id: str = "", partition: int = 1) -> InRecord:
    """A record of a topic; its content does not matter here."""
    return InRecord(Position(topic, partition, offset, topic_id or f"{topic}-id"), b"mira", b"{}", (), time_ms)


def erased(hour: int) -> CreatorErased:
    """An erasure."""
    return CreatorErased(creator_id="mira", requested_at=START + timedelta(hours=hour))


def reinstated(hour: int) -> CreatorReinstated:
    """A reinstatement."""
    return CreatorReinstated(creator_id="mira", requested_at=START + timedelta(hours=hour))


def back() -> Standing:
    """Erased at offset 5, at 5000 ms; reinstated later."""
    gone = standing_after(None, erased(0), record(5, time_ms=5000))
    return standing_after(gone, reinstated(1), record(7, time_ms=7000))


def test_while_erased_every_event_is_shut_out() -> None:
    """Wherever it lies."""
    gone = standing_after(None, erased(0), record(5, time_ms=5000))
    assert all(gone.shuts_out(each) for each in (record(4), record(9, time_ms=9000), record(9, "profiles", 9000)))


def test_once_reinstated_what_lay_before_stays_out() -> None:
    """By offset up to the reinstatement in the erasure's partition, whatever producers' clocks say; by time elsewhere.

    What lies between was dropped when it was read: a worker that reads it again after a crash must not keep it.
    """
    standing = back()
    assert standing.shuts_out(record(4, time_ms=9999))
    assert standing.shuts_out(record(6, time_ms=9999))
    assert not standing.shuts_out(record(8, time_ms=1))
    assert standing.shuts_out(record(900, "profiles", time_ms=5000))
    assert not standing.shuts_out(record(0, "profiles", time_ms=5001))


def test_a_topic_that_was_made_anew_is_another_topic() -> None:
    """Its offsets begin at 0 again."""
    assert not back().shuts_out(record(0, time_ms=8000, topic_id="a new one"))


def as_read(out: OutRecord, offset: int, time_ms: int) -> InRecord:
    """A copy, as it is read where it was written."""
    return InRecord(Position(out.topic, 1, offset, "copies-id"), out.key, out.value, out.headers, time_ms)


def test_a_copy_counts_as_what_it_is_a_copy_of() -> None:
    """A dead letter that is replayed, or an event that went round, later than the reinstatement."""
    for offset, out in ((4, True), (6, True), (8, False)):
        letter = dead_letter(record(offset), Dead("media_gone", "x"), "embedder.dead", "embedder", 0, START)
        round_ = rekeyed(record(offset), "embedder.rekeyed", b"mira")
        assert back().shuts_out(as_read(letter, 90, 9000)) is out
        assert back().shuts_out(as_read(round_, 90, 9000)) is out


def test_what_came_since_a_reinstatement_counts_though_the_reinstatement_is_said_again() -> None:
    """As the same event, or by a later request: there is no erasure to end any more."""
    for again in (reinstated(1), reinstated(2)):
        standing = standing_after(back(), again, record(20, time_ms=20_000))
        assert not standing.shuts_out(record(8, time_ms=8000))
        assert standing.shuts_out(record(6, time_ms=6000))


@pytest.mark.parametrize("place", [record(900, topic="embedder.rekeyed"), record(900, partition=2)])
def test_a_reinstatement_from_elsewhere_leaves_the_place_of_the_erasure(place: InRecord) -> None:
    """Its offset says nothing of the erasure's partition."""
    standing = standing_after(standing_after(None, erased(0), record(5, time_ms=5000)), reinstated(1), place)
    assert standing.shuts_out(record(4))
    assert not standing.shuts_out(record(6, time_ms=6000))


@pytest.mark.parametrize("event", [erased(0), reinstated(0)])
def test_what_was_said_earlier_changes_nothing(event: CreatorErased | CreatorReinstated) -> None:
    """A late repeat of an erasure does not undo the reinstatement."""
    standing = back()
    assert standing_after(standing, event, record(20, time_ms=20_000)) is standing


def test_at_one_moment_the_erasure_wins() -> None:
    """In either order."""
    first = standing_after(None, erased(1), record(5))
    assert standing_after(first, reinstated(1), record(6)) is first
    assert standing_after(standing_after(None, reinstated(1), record(5)), erased(1), record(6)).erased


def test_a_row_is_read_as_it_was_written() -> None:
    """With and without a mark."""
    for standing in (back(), Standing(7, True), standing_after(None, erased(0), record(3))):
        assert Standing.decode(standing.encode()) == standing


@pytest.mark.parametrize(
    "row",
    ["[2]", "[1]", "{}", "[2,5,true,null]", '[1,5,"no",null]', "[1,null,true,null]", "[1,5,true,[1]]", "[1,5,true,7]"],
)
def test_what_is_no_row_is_refused(row: str) -> None:
    """Else a damaged byte would erase a creator, or end who reads it with another error."""
    with pytest.raises(ValueError, match="not a standing's row"):
        Standing.decode(row)
