"""What the creators worker says: the public stream of creator vectors."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from workers.domain.events.envelope import Event, Record
from workers.domain.events.profiles import Profile
from workers.domain.fields import Count, Identifier, Label, ModelVersion, Share, Timestamp, Vector

MOST_NOTABLE: Final = 64
"""Notable posts that an update names at most: where there are as many, there may be more."""


class Facet(Record):
    """One thing a creator posts about: its centre, its share of the output, the real post nearest to it."""

    facet_id: Identifier
    share: Share
    posts: Count
    vector: Vector
    exemplar_post_id: Identifier
    last_at: Timestamp


class NotablePost(Record):
    """A post that weighs in a creator's safety scores. ``share``: its part of the window's weight, as of a facet.

    ``scores``: the categories that it is notable for, with their probabilities.
    """

    post_id: Identifier
    published_at: Timestamp
    share: Share
    scores: Annotated[dict[Label, Share], Field(max_length=64)]


class CreatorUpdated(Event):
    """A creator as a function of the set of their rows. ``revision`` is the sum of the rows' revisions.

    ``safety``: by category the mean probability over the worst ``safety_tail`` of the output (expected shortfall); a
    category that is not known of half of the output is absent, which does not mean 0. ``safety_coverage``: of how much
    of the output each category is known. ``safety_posts`` caused the scores, the greatest part first.
    ``safety_revision`` is the sum of the rows' own: it rises where posts are scored anew, falls where a post goes. Of
    two updates of one revision the later in the topic is the newer.
    """

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
    safety: Annotated[dict[Label, Share], Field(max_length=64)] = {}
    safety_posts: Annotated[tuple[NotablePost, ...], Field(max_length=MOST_NOTABLE)] = ()
    safety_coverage: Annotated[dict[Label, Share], Field(max_length=64)] = {}
    safety_tail: Share = 0.0
    safety_revision: Annotated[int, Field(ge=0, lt=2**63)] = 0
