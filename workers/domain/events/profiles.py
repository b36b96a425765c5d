"""Who a creator is and who follows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workers.domain.events.envelope import Event, Record
from workers.domain.fields import (
    Amount,
    Count,
    Country,
    Currency,
    Identifier,
    Label,
    Language,
    Platform,
    Revision,
    Share,
    Shares,
    Text,
)


class Price(Record):
    """What one sponsored post costs."""

    amount: Amount
    currency: Currency


class Audience(Record):
    """Shares of the followers, each 0 to 1: gender (``women``, ``men``, ``other``), age band (``18-24``), country."""

    gender: Shares = {}
    age: Shares = {}
    country: Shares = {}


class Profile(Record):
    """Everything a profile says but whose it is."""

    name: Label
    bio: Text = ""
    platforms: Annotated[tuple[Platform, ...], Field(max_length=32)] = ()
    language: Language | None = None
    country: Country | None = None
    category: Label | None = None
    followers: Count = 0
    engagement: Share | None = None
    price: Price | None = None
    exclusive_brands: Annotated[tuple[Identifier, ...], Field(max_length=64)] = ()
    audience: Audience | None = None
    follower_sample: Annotated[tuple[Label, ...], Field(max_length=256)] = ()


class CreatorProfiled(Profile, Event):
    """A creator's profile as it is now; a newer ``revision`` replaces it whole."""

    key_field = "creator_id"

    creator_id: Identifier
    revision: Revision

    def profile(self) -> Profile:
        """The profile without its identity, as ``ProfileEmbedded`` and ``CreatorUpdated`` carry it."""
        return Profile.model_validate(self.model_dump(exclude={"creator_id", "revision"}))
