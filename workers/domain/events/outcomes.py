"""What consumers did, as campaign trackers tell it."""

from __future__ import annotations

from workers.domain.events.envelope import Event
from workers.domain.fields import Count, Currency, Identifier, Money, Timestamp


class Outcome(Event):
    """What every outcome names; not an event of its own. A repeated ``event_id`` is the same outcome."""

    key_field = "brand_id"

    event_id: Identifier
    brand_id: Identifier
    campaign_id: Identifier
    creator_id: Identifier
    occurred_at: Timestamp


class ImpressionsCounted(Outcome):
    """How often a campaign's posts were seen within a window; ``event_id`` names the window."""

    window_start: Timestamp
    window_end: Timestamp
    impressions: Count


class Clicked(Outcome):
    """A consumer followed the link."""


class Converted(Outcome):
    """A consumer bought."""

    value: Money
    currency: Currency = "EUR"


class Refunded(Outcome):
    """A consumer gave back what ``value`` says; ``refunds`` names the conversion where the tracker knows it."""

    value: Money
    currency: Currency = "EUR"
    refunds: Identifier | None = None
