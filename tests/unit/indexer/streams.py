"""Streams of one creator's events whose facets move a little, or a lot."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from hypothesis import strategies as st

from tests.unit.indexer.events import NOON, WIDTH, facet, updated, vector
from workers.domain.events import CreatorUpdated, Profile
from workers.domain.vectors import from_bytes, to_bytes

POSTS = ("p", "q", "r")
TURNS = (0.0, 0.03, 0.1, 0.16, 0.7)
"""Radians: cosine distances of 0, 0.0005, 0.005, 0.013 and 0.235."""

SAFETY: tuple[dict[str, float], ...] = ({}, {"alcohol": 0.10}, {"alcohol": 0.11}, {"alcohol": 0.115}, {"alcohol": 0.4})
"""Scores that are not known, and that move by less and by more than may wait."""


def turned(seed: int, angle: float) -> bytes:
    """A unit vector that has turned by so much from that of the seed, in a plane of its own."""
    one, other = (from_bytes(vector(each)).astype(np.float64) for each in (seed, seed + 1000))
    other = other - (one @ other) * one
    return to_bytes(np.cos(angle) * one + np.sin(angle) * other / np.linalg.norm(other))


@st.composite
def streams(draw: st.DrawFn, creator: str = "c", most: int = 7) -> list[CreatorUpdated]:
    """Events of rising revisions: facets turn, come and go, shares and exemplars change, a profile and a bio too."""
    angles = dict.fromkeys((*POSTS, "mean"), 0.0)
    events, revision, days = [], 0, 0
    for _ in range(draw(st.integers(1, most))):
        revision += draw(st.sampled_from([0, 1, 1, 1, 3]))
        days += draw(st.sampled_from([0, 0, 1, 9]))
        facets = []
        for seed, post in enumerate(draw(st.sets(st.sampled_from(POSTS), min_size=1)) if days % 3 else POSTS):
            angles[post] += draw(st.sampled_from(TURNS))
            exemplar = draw(st.sampled_from([post, post, "other"]))
            made = facet(creator, post, draw(st.sampled_from([0.3, 0.32, 0.34, 0.5, 0.01])), seed)
            facets.append(made.model_copy(update={"vector": turned(seed, angles[post]), "exemplar_post_id": exemplar}))
        angles["mean"] += draw(st.sampled_from(TURNS))
        events.append(
            updated(
                creator,
                revision,
                facets=tuple(facets),
                recency_mean=turned(500, angles["mean"]),
                bio=draw(st.sampled_from([None, vector(7), vector(7), vector(8)])),
                profile=Profile(name="Ada", country=draw(st.sampled_from(["GB", "GB", "FR"]))),
                last_published_at=NOON + timedelta(days=days),
            ).model_copy(update={"posts": draw(st.integers(1, 9)), "safety": draw(st.sampled_from(SAFETY))})
        )
    assert all(len(each.vector) == 4 * WIDTH for event in events for each in event.facets)
    return events
