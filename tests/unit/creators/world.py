"""Small worlds for the creators' tests: settings with a window that moves often, events, and what is done with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from workers.creators.facets import FoldSettings
from workers.creators.fold import Fold, Rows, fold_rows
from workers.creators.rows import PostRow, ProfileRow, newer, post_row, profile_row
from workers.domain.erasure import ErasureKey
from workers.domain.events import PostEmbedded, PostRetracted, Profile, ProfileEmbedded
from workers.domain.perceptual import HASH_BYTES
from workers.domain.vectors import Array, to_bytes, unit

MODEL = "tiny_v1"
DIMENSIONS = 8
LANDMARK = datetime(2024, 1, 1, tzinfo=UTC)
KEY = ErasureKey(b"a key of the tests")
SETTINGS = FoldSettings(
    model_version=MODEL,
    dimensions=DIMENSIONS,
    facets=3,
    join=0.2,
    half_life_days=60.0,
    window=8,
    caption_weight=0.5,
    landmark=LANDMARK,
    duplicate_weight=0.25,
)
PostEvent = PostEmbedded | PostRetracted
AnyEvent = PostEvent | ProfileEmbedded


def vector(seed: int, topics: int = 5) -> Array:
    """A unit vector near one of a few directions, so that posts both join and open facets."""
    random = np.random.default_rng(seed)
    return unit(np.eye(DIMENSIONS)[seed % topics] + 0.25 * random.standard_normal(DIMENSIONS))


def look(picture: int, changed: int = 0) -> str:
    """The hash of a picture that is like no other, with so many bits changed as by another encoding."""
    bits = np.random.default_rng(picture).integers(0, 2, 8 * HASH_BYTES)
    bits[:changed] ^= 1
    return np.packbits(bits.astype(np.uint8)).tobytes().hex()


def published(
    post: int,
    revision: int = 1,
    hour: int = 0,
    seed: int | None = None,
    caption: bool = False,
    looks: Sequence[str] = (),
    safety: Mapping[str, float] | None = None,
    scoring: int = 0,
) -> PostEmbedded:
    """Post ``post`` as embedded: ``hour`` after the landmark, vectors drawn from ``seed``, visuals that look so.

    ``safety``: its scores, by the scoring of revision ``scoring``.
    """
    seed = post if seed is None else seed
    return PostEmbedded(
        post_id=f"post-{post}",
        creator_id="mira",
        revision=revision,
        published_at=LANDMARK + timedelta(hours=hour),
        model_version=MODEL,
        visual=to_bytes(vector(seed)),
        caption=to_bytes(vector(seed + 1000)) if caption else None,
        visual_hashes=tuple(looks),
        # As the embedder names a publication: whatever it says counts, and no score does.
        event_hash=hashlib.sha256(repr((post, revision, hour, seed, caption, tuple(looks))).encode()).hexdigest(),
        safety=dict(safety or {}),
        safety_revision=scoring,
    )


def removed(post: int, revision: int = 1) -> PostRetracted:
    """Post ``post`` as retracted."""
    return PostRetracted(post_id=f"post-{post}", creator_id="mira", revision=revision, model_version=MODEL)


def profiled(revision: int = 1, name: str = "Mira", bio: int | None = None) -> ProfileEmbedded:
    """Mira's profile, with a bio vector drawn from ``bio``."""
    return ProfileEmbedded(
        creator_id="mira",
        revision=revision,
        model_version=MODEL,
        profile=Profile(name=name, bio="" if bio is None else f"bio {bio}"),
        bio=None if bio is None else to_bytes(vector(bio)),
    )


def rows_of(events: Iterable[AnyEvent]) -> Rows:
    """The set of rows that events leave behind."""
    posts: dict[str, PostRow] = {}
    profile: ProfileRow | None = None
    for event in events:
        if isinstance(event, ProfileEmbedded):
            profile = newer(profile, profile_row(event, DIMENSIONS))
        else:
            row = post_row(event, SETTINGS.caption_weight, DIMENSIONS)
            posts[event.post_id] = newer(posts.get(event.post_id), row)
    return Rows(posts, profile)


def fold_of(events: Sequence[AnyEvent], settings: FoldSettings = SETTINGS) -> Fold:
    """The fold of the rows of events, from nothing."""
    return fold_rows("mira", rows_of(events), settings)


def posts_of(fold: Fold) -> list[tuple[str, ...]]:
    """The posts of each facet, in the order in which they joined."""
    return [tuple(fold.window.keys[place].post_id for place in facet.places) for facet in fold.facets]
