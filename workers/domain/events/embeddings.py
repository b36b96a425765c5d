"""What the embedder says: vectors of posts and profiles, under one model version."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workers.domain.events.envelope import Event
from workers.domain.events.profiles import Profile
from workers.domain.fields import (
    ContentHash,
    Identifier,
    Label,
    ModelVersion,
    PerceptualHash,
    Revision,
    Share,
    Timestamp,
    Vector,
)


class PostEmbedded(Event):
    """A post's vectors: ``visual`` is the unit mean of its centred visual vectors, ``caption`` the centred caption's.

    A post with neither (nothing to embed) is announced too: it counts as a post. ``event_hash`` (hexadecimal) is of the
    publication's canonical data: of two publications of one revision the greater wins, everywhere alike.
    ``visual_hashes`` say how each visual looks, in their order; none of posts embedded before there were any.
    ``safety``: by category the calibrated probability that the post shows or says it, the greatest of its visuals'
    and its caption's; a category that the model cannot tell is absent, which does not mean 0. ``safety_revision`` is
    that of the scoring: of two scorings of one revision of a post the greater stands.
    """

    key_field = "creator_id"

    post_id: Identifier
    creator_id: Identifier
    revision: Revision
    published_at: Timestamp
    model_version: ModelVersion
    visual: Vector | None = None
    caption: Vector | None = None
    event_hash: ContentHash | None = None
    visual_hashes: Annotated[tuple[PerceptualHash, ...], Field(max_length=200)] = ()
    safety: Annotated[dict[Label, Share], Field(max_length=64)] = {}
    safety_revision: Revision = 0


class PostRetracted(Event):
    """A post's vectors are gone."""

    key_field = "creator_id"

    post_id: Identifier
    creator_id: Identifier
    revision: Revision
    model_version: ModelVersion


class ProfileEmbedded(Event):
    """A creator's whole profile, with a vector of the bio where there is one."""

    key_field = "creator_id"

    creator_id: Identifier
    revision: Revision
    model_version: ModelVersion
    profile: Profile
    bio: Vector | None = None
