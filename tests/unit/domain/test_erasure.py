"""Who is erased, by keyed hash alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from workers.domain.erasure import ErasureKey, Erasures, WrongErasureKey, recorded
from workers.domain.events import CreatorErased, CreatorReinstated

KEY = ErasureKey(b"a secret of the tests")
START = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)


def erased(hour: int) -> CreatorErased:
    """An erasure of one creator."""
    return CreatorErased(creator_id="mira", requested_at=START + timedelta(hours=hour))


def reinstated(hour: int) -> CreatorReinstated:
    """A reinstatement of the same."""
    return CreatorReinstated(creator_id="mira", requested_at=START + timedelta(hours=hour))


def test_a_hash_tells_nothing_without_the_key() -> None:
    """Equal under one key, unlike under another, and the id is not in it."""
    assert KEY.hash("mira") == ErasureKey(b"a secret of the tests").hash("mira")
    assert KEY.hash("mira").split("-")[1] != ErasureKey(b"another secret there is").hash("mira").split("-")[1]
    assert "mira" not in KEY.hash("mira")
    assert "mira" not in recorded(erased(0), KEY).model_dump_json()


def test_a_short_key_is_refused() -> None:
    """It could be guessed."""
    with pytest.raises(ValueError, match="16 are the least"):
        ErasureKey(b"short")


def test_a_record_of_another_key_is_seen() -> None:
    """Otherwise a wrong key would bring every erased creator back, quietly."""
    with pytest.raises(WrongErasureKey):
        Erasures(KEY).put(recorded(erased(0), ErasureKey(b"another secret there is")))


def test_the_latest_word_stands_in_any_order_and_an_erasure_wins_a_tie() -> None:
    """However often it is said."""
    for said, expected in (
        ((erased(0), reinstated(1)), False),
        ((erased(0), reinstated(1), erased(2)), True),
        ((erased(1), reinstated(1)), True),
    ):
        for order in permutations((*said, *said)):
            erasures = Erasures(KEY)
            for event in order:
                erasures.put(recorded(event, KEY))
            assert erasures.erased("mira") is expected
            assert not erasures.erased("ann")


def test_a_hash_that_is_dropped_is_forgotten() -> None:
    """Its key was deleted from the topic."""
    erasures = Erasures(KEY)
    erasures.put(recorded(erased(0), KEY))
    erasures.drop(KEY.hash("mira"))
    assert (erasures.erased("mira"), erasures.rank("mira"), len(erasures)) == (False, (-1, False), 0)
