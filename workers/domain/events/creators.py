"""What the creators worker says: the public stream of creator vectors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workers.domain.events.envelope import Event, Record
from workers.domain.events.profiles import Profile
from workers.domain.fields import Count, Identifier, ModelVersion, Share, Timestamp, Vector


class Facet(Record):
    """One thing a creator posts about: its centre, its share of the output, the real post nearest to it."""

    facet_id: Identifier
    share: Share
    posts: Count
    vector: Vector
    exemplar_post_id: Identifier
    last_at: Timestamp


class CreatorUpdated(Event):
    """A creator as a function of the set of their rows. ``revision`` is the sum of the rows' revisions."""

    key_field = "creator_id"

    creator_id: Identifier
    revision: Annotated[int, Field(ge=0, lt=2**63)]
    model_version: ModelVersion
    posts: Count
    facets: Annotated[tuple[Facet, ...], Field(max_length=64)] = ()
    recency_mean: Vector | None = None
    bio: Vector | None = None
    profile: Profile | None = None
    last_published_at: Timestamp | None = None
    safety: Annotated[dict[str, Share], Field(max_length=64)] = {}
