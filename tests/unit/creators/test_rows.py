"""Rows as facts: which of two claims on one post stands."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.creators.world import DIMENSIONS, look, profiled, published, vector
from workers.creators.rows import PostRow, newer, post_row, profile_row
from workers.domain.events import PostEmbedded
from workers.domain.vectors import to_bytes

GONE = {"visual": None}


def test_two_publications_of_one_revision_are_ordered_by_the_embedders_hash() -> None:
    """What wins there wins here: the hash that the embedder compared travels with the event."""
    event = PostEmbedded(
        post_id="p", creator_id="c", revision=1, published_at=datetime(2026, 1, 1, tzinfo=UTC), model_version="m"
    )
    low = post_row(event.model_copy(update={"event_hash": "00" * 32}), 0.5, 2)
    high = post_row(event.model_copy(update={"event_hash": "ff" * 32}), 0.5, 2)
    assert newer(low, high) == newer(high, low) == high


def test_which_of_two_profiles_wins_does_not_hang_on_the_bits_that_a_model_answers() -> None:
    """A bio that is encoded again may differ in its last bits: the same of two profiles of one revision stands."""
    wins = set()
    for noise in range(20):
        one, other = profiled(name="Mira", bio=1), profiled(name="Mira B.", bio=2)
        shaken = to_bytes(vector(1) + np.float32(noise) * np.float32(1e-6))
        rows = [profile_row(each, DIMENSIONS) for each in (one.model_copy(update={"bio": shaken}), other)]
        wins |= {newer(*rows).profile.name, newer(*reversed(rows)).profile.name}
    assert len(wins) == 1


def test_a_row_of_before_there_were_hashes_is_read_and_written_as_ever() -> None:
    """Old bytes are the same bytes: the hash of a set of rows does not change by being read anew."""
    old = bytes.fromhex("0102") + (7).to_bytes(8, "little") + (5).to_bytes(8, "little") + b"tietieti" + b"\x00\x3c" * 2
    row = PostRow.decode(old)
    assert (row.revision, row.published_ms, row.hashes) == (7, 5, ())
    assert row.x is not None
    assert row.x.tolist() == [1.0, 1.0]
    assert row.encode() == old


def test_a_rows_hashes_come_back_as_they_were() -> None:
    """Plain pictures' among them, and whether there is a vector or not."""
    for event in (published(1, looks=[look(1), "", look(2)]), published(1, looks=["0" * 36]).model_copy(update=GONE)):
        row = post_row(event, 0.5, DIMENSIONS)
        back = PostRow.decode(row.encode())
        assert back.hashes == row.hashes
        assert back.encode() == row.encode()
        assert (back.x is None) == (row.x is None)


def test_a_row_without_scores_keeps_the_bytes_it_had_before_there_were_any() -> None:
    """With hashes or without: who was never scored is not folded anew."""
    hashed = post_row(published(1, looks=[look(1)]), 0.5, DIMENSIONS)
    assert hashed.x is not None
    head = b"\x02\x02" + (1).to_bytes(8, "little") + hashed.published_ms.to_bytes(8, "little") + hashed.tie
    assert hashed.encode() == head + b"\x01\x00" + bytes.fromhex(look(1)) + hashed.x.astype("<f2").tobytes()
    assert post_row(published(1), 0.5, DIMENSIONS).encode()[0] == 1


scored = st.builds(
    published,
    post=st.integers(0, 3),
    looks=st.lists(st.just("") | st.builds(look, st.integers(0, 3)), max_size=3),
    safety=st.dictionaries(st.text(min_size=1, max_size=128), st.floats(0, 1), max_size=5),
    scoring=st.integers(0, 2**42),
)


@given(scored, st.booleans())
def test_a_rows_scores_come_back_as_they_were(event: PostEmbedded, embedded: bool) -> None:
    """To the bit, whatever a category is called; a scoring that could tell nothing is one, too."""
    row = post_row(event if embedded else event.model_copy(update=GONE), 0.5, DIMENSIONS)
    back = PostRow.decode(row.encode())
    assert (back.scores, back.safety_revision, back.hashes) == (row.scores, row.safety_revision, row.hashes)
    assert dict(back.scores) == event.safety
    assert back.encode() == row.encode()
    assert (back.x is None) == (not embedded)


@pytest.mark.parametrize("length", [26, 34, 35, 36, 40, 43, 50, 51, 52, 60])
def test_a_scored_row_that_is_cut_off_is_refused(length: int) -> None:
    """Within its scores, or the hashes after them."""
    row = post_row(published(1, looks=[look(1)], safety={"drugs": 0.5}, scoring=1), 0.5, DIMENSIONS)
    with pytest.raises(ValueError, match="cut off"):
        PostRow.decode(row.encode()[:length])


@pytest.mark.parametrize("length", [3, 26, 27, 28, 30, 45])
def test_a_row_that_is_cut_off_is_refused(length: int) -> None:
    """Before its hashes end."""
    with pytest.raises(ValueError, match="row"):
        PostRow.decode(post_row(published(1, looks=[look(1)]), 0.5, DIMENSIONS).encode()[:length])
