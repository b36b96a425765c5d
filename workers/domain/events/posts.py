"""What scrapers say: posts appear, change, disappear; creators ask to be erased."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workers.domain.events.envelope import Event, Record
from workers.domain.fields import Count, Identifier, Label, Language, Platform, Revision, Text, Timestamp, Url


class Media(Record):
    """One picture or video of a post, by address."""

    url: Url
    kind: Literal["image", "video"]
    alt_text: Text | None = None


class PostPublished(Event):
    """A post as it is now. An edit is the same ``post_id`` with a higher ``revision``."""

    key_field = "creator_id"

    post_id: Identifier
    creator_id: Identifier
    revision: Revision
    platform: Platform
    url: Url
    language: Language | None = None
    published_at: Timestamp
    caption: Text = ""
    hashtags: Annotated[tuple[Label, ...], Field(max_length=100)] = ()
    media: Annotated[tuple[Media, ...], Field(max_length=20)] = ()


class PostRemoved(Event):
    """A post is gone. It wins over a publication of the same revision and loses to a newer one."""

    key_field = "creator_id"

    post_id: Identifier
    creator_id: Identifier
    revision: Revision


class CreatorErased(Event):
    """A creator's data must go everywhere (GDPR article 17)."""

    key_field = "creator_id"

    creator_id: Identifier
    requested_at: Timestamp


class CreatorReinstated(Event):
    """An erased creator is known again from here on."""

    key_field = "creator_id"

    creator_id: Identifier
    requested_at: Timestamp


class ErasureExecuted(Event):
    """The audit of an erasure, without the data: whose by keyed hash, asked for by whom, what was deleted when.

    ``repeated``: the second deletion, after writes that were still on their way. Counts are of stored objects.
    """

    key_field = "creator_hash"

    creator_hash: Identifier
    requested_at: Timestamp
    requested_by: Identifier
    executed_at: Timestamp
    repeated: bool
    posts: Count
    visuals: Count


class ErasureRecorded(Event):
    """That a creator is erased or reinstated, by the keyed hash of the id alone: no personal data."""

    key_field = "creator_hash"

    creator_hash: Identifier
    erased: bool
    recorded_at: Timestamp
