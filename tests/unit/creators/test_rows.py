"""Rows as facts: which of two claims on one post stands."""

from __future__ import annotations

from datetime import UTC, datetime

from workers.creators.rows import newer, post_row
from workers.domain.events import PostEmbedded


def test_two_publications_of_one_revision_are_ordered_by_the_embedders_hash() -> None:
    """What wins there wins here: the hash that the embedder compared travels with the event."""
    event = PostEmbedded(
        post_id="p", creator_id="c", revision=1, published_at=datetime(2026, 1, 1, tzinfo=UTC), model_version="m"
    )
    low = post_row(event.model_copy(update={"event_hash": "00" * 32}), 0.5, 2)
    high = post_row(event.model_copy(update={"event_hash": "ff" * 32}), 0.5, 2)
    assert newer(low, high) == newer(high, low) == high
