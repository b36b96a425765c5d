"""Briefs, the shortlists that were served for them, and what the brand's people did with those."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workers.domain.events.envelope import Event, Record
from workers.domain.events.policies import SafetyCategory, SafetyPolicy
from workers.domain.fields import (
    Finite,
    Identifier,
    Label,
    ModelVersion,
    Revision,
    Share,
    Text,
    Timestamp,
    Url,
)


class BrandBriefed(Event):
    """A brand's standing brief. ``safety`` maps a category to the highest score it tolerates, for all creators alike.

    ``safety_policy`` says more: of both the stricter holds. Its version grows with the brief's revision.
    """

    key_field = "brand_id"

    brand_id: Identifier
    revision: Revision
    name: Label
    brief: Text
    images: Annotated[tuple[Url, ...], Field(max_length=8)] = ()
    category: Label | None = None
    competitors: Annotated[tuple[Identifier, ...], Field(max_length=256)] = ()
    safety: Annotated[dict[SafetyCategory, Share], Field(max_length=64)] = {}
    safety_policy: SafetyPolicy | None = None


class Aspect(Record):
    """One part of a brief and its weight."""

    text: Text
    weight: Annotated[float, Field(gt=0.0, le=1.0)]


class Shortlisted(Record):
    """One creator of a served shortlist, with the features it was ranked by."""

    creator_id: Identifier
    rank: Annotated[int, Field(ge=1, le=10_000)]
    score: Finite
    propensity: Share
    features: dict[Label, Finite]


class MatchServed(Event):
    """A shortlist went out. Keyed by brand, or by match for an anonymous brief (those never teach).

    ``safety_policy_version``: of the brand's policy that it was filtered by.
    """

    key_field = "brand_id"

    match_id: Identifier
    brand_id: Identifier | None = None
    served_at: Timestamp
    aspects: Annotated[tuple[Aspect, ...], Field(max_length=4)]
    # Required: Apicurio 3.3 refuses a schema in which a string's default is "{}".
    filters_json: Text
    shortlist: Annotated[tuple[Shortlisted, ...], Field(max_length=500)]
    policy: Label
    model: Label
    model_version: ModelVersion
    safety_policy_version: Revision | None = None

    def key(self) -> str:
        """The brand, or the match where there is none."""
        return self.brand_id if self.brand_id is not None else self.match_id


class Decision(Event):
    """What every decision names. Not an event of its own."""

    key_field = "brand_id"

    event_id: Identifier
    brand_id: Identifier
    match_id: Identifier
    occurred_at: Timestamp


class ShortlistViewed(Decision):
    """Somebody of the brand looked at the shortlist."""


class CreatorOpened(Decision):
    """Somebody of the brand opened a creator of the shortlist."""

    creator_id: Identifier


class CreatorShortlisted(Decision):
    """The brand put a creator on its own short list."""

    creator_id: Identifier


class CreatorBooked(Decision):
    """The brand booked a creator for a campaign: what joins later outcomes to the match."""

    creator_id: Identifier
    campaign_id: Identifier
