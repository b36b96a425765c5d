"""Events of the topic ``creators`` for the indexer's tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from workers.domain.events import CreatorUpdated, Facet, Profile
from workers.domain.ids import facet_id
from workers.domain.vectors import to_bytes, unit
from workers.wire.records import InRecord, Item, Position

MODEL, WIDTH = "tiny_v1", 8
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def vector(seed: int) -> bytes:
    """A unit vector of its own for each seed, as events carry it."""
    return to_bytes(unit(np.random.default_rng(seed).normal(size=WIDTH)))


def facet(creator: str, post: str, share: float = 0.5, seed: int = 1) -> Facet:
    """The facet of a creator that this post opened."""
    return Facet(
        facet_id=str(facet_id(creator, post, MODEL)),
        share=share,
        posts=3,
        vector=vector(seed),
        exemplar_post_id=post,
        last_at=NOON,
    )


def updated(creator: str = "c", revision: int = 1, posts: tuple[str, ...] = ("p",), **fields: Any) -> CreatorUpdated:
    """A creator with a facet for each of these posts, a bio and a profile."""
    given: dict[str, Any] = {
        "creator_id": creator,
        "revision": revision,
        "model_version": MODEL,
        "posts": len(posts),
        "facets": tuple(facet(creator, post, share=1 / len(posts), seed=n) for n, post in enumerate(posts)),
        "recency_mean": vector(100 + revision % 1000),
        "bio": vector(7),
        "profile": Profile(name="Ada", bio="Paints the sea"),
        "last_published_at": NOON,
        **fields,
    }
    return CreatorUpdated(**given)


def item(event: CreatorUpdated | str, offset: int = 0, attempts: int = 0) -> Item[CreatorUpdated | None]:
    """The item of an event; of the name of a creator, its tombstone."""
    key = event if isinstance(event, str) else event.creator_id
    record = InRecord(Position("creators", 0, offset), key.encode(), None if isinstance(event, str) else b"{}", (), 0)
    return Item(None if isinstance(event, str) else event, record, attempts)
