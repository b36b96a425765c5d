"""Rows as facts: which of two claims on one post stands."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from tests.unit.creators.world import DIMENSIONS, profiled, vector
from workers.creators.rows import newer, post_row, profile_row
from workers.domain.events import PostEmbedded
from workers.domain.vectors import to_bytes


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
