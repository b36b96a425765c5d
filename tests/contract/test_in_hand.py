"""What a Faust worker's disk says of the event that it had in hand when it died."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from workers.adapters.tables.in_hand import InHand
from workers.containment.quarantine import DEATHS
from workers.wire.records import InRecord, Position


def record(offset: int) -> InRecord:
    """A record somewhere."""
    return InRecord(Position("embeddings", 1, offset, "topic-id"), b"k", b"v", (), 0)


def die(directory: Path, offset: int, alone: bool = True) -> None:
    """A process that dies with an event in hand."""
    with closing(InHand(directory)) as hand:
        hand.take(record(offset), alone)


def test_three_deaths_alone_set_an_event_aside(tmp_path: Path) -> None:
    """Not before, and no other."""
    for _ in range(DEATHS):
        with closing(InHand(tmp_path)) as hand:
            assert hand.deaths(record(7)) == 0
        die(tmp_path, 7)
    with closing(InHand(tmp_path)) as hand:
        assert hand.is_suspect(record(7))
        assert (hand.deaths(record(7)), hand.deaths(record(8))) == (DEATHS, 0)
    with closing(InHand(tmp_path)) as hand:
        assert hand.deaths(record(7)) == DEATHS


def test_a_death_among_others_makes_a_suspect_but_does_not_count(tmp_path: Path) -> None:
    """It runs alone from then on."""
    for _ in range(DEATHS + 2):
        die(tmp_path, 7, alone=False)
    with closing(InHand(tmp_path)) as hand:
        assert hand.is_suspect(record(7))
        assert hand.deaths(record(7)) == 0


def test_what_was_put_down_is_no_suspect(tmp_path: Path) -> None:
    """Whatever the process dies of afterwards; others that ran in between do not hide a suspect."""
    with closing(InHand(tmp_path)) as hand:
        hand.take(record(7), alone=True)
        hand.put_down(record(7))
    die(tmp_path, 8)
    with closing(InHand(tmp_path)) as hand:
        assert not hand.is_suspect(record(7))
        hand.take(record(9), alone=True)
        hand.put_down(record(9))
        assert hand.is_suspect(record(8))
        hand.take(record(8), alone=True)
        hand.put_down(record(8))
        assert not hand.is_suspect(record(8))
    with closing(InHand(tmp_path)) as hand:
        assert not hand.is_suspect(record(8))


@pytest.mark.parametrize("text", [b"", b"\0" * 512, b"{", b"[1]", b'{"a": "b"}', b"\xff\xfe"])
def test_a_file_that_says_nothing_accuses_nobody(tmp_path: Path, text: bytes) -> None:
    """A disk that was full, or another program's."""
    (tmp_path / "in_hand").write_bytes(text)
    (tmp_path / "suspects.json").write_bytes(text)
    with closing(InHand(tmp_path)) as hand:
        assert not hand.is_suspect(record(7))
