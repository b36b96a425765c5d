"""What was learned: sufficient statistics, category sums, training examples, promoted rerankers.

All sums decay forward on a fixed landmark: an event at t weighs ``2 ** ((t - landmark) / half_life)``, so nothing
in a stored sum depends on the wall clock; "now" enters where a posterior is read.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workers.domain.events.envelope import Event, Record
from workers.domain.fields import Amount, Count, Finite, Identifier, Label, ModelVersion, Share, Timestamp


class Statistics(Record):
    """Forward-decayed sums; divide by ``2 ** ((now - landmark) / half_life)`` to read them at ``now``."""

    landmark: Timestamp
    half_life_days: Annotated[float, Field(gt=0.0, le=36_500.0)]
    impressions: Amount = 0.0
    clicks: Amount = 0.0
    conversions: Amount = 0.0
    refunds: Amount = 0.0
    value: Finite = 0.0
    opened: Amount = 0.0
    shortlisted: Amount = 0.0
    booked: Amount = 0.0


class FeedbackSignalled(Event):
    """How a creator did for a brand. ``events`` counts the facts in the sums, undecayed."""

    key_field = "brand_id"

    brand_id: Identifier
    creator_id: Identifier
    statistics: Statistics
    events: Count
    last_at: Timestamp

    def key(self) -> str:
        """``brand_id|creator_id``: ids cannot contain the bar."""
        return f"{self.brand_id}|{self.creator_id}"


class CategoryObserved(Event):
    """The sums of one partition of ``outcomes`` for one category; readers add partitions up."""

    key_field = "category"

    category: Label
    partition: Annotated[int, Field(ge=0)]
    statistics: Statistics
    events: Count

    def key(self) -> str:
        """``category|partition``."""
        return f"{self.category}|{self.partition}"


class TrainingExample(Event):
    """A creator of a served shortlist with its features and what came of it."""

    key_field = "match_id"

    match_id: Identifier
    brand_id: Identifier
    creator_id: Identifier
    rank: Annotated[int, Field(ge=1)]
    propensity: Share
    features: dict[Label, Finite]
    label: Finite
    model_version: ModelVersion
    served_at: Timestamp


class RerankerPromoted(Event):
    """A reranker that serves from here on: LightGBM's text form, what it scored and the features it reads."""

    key_field = "model_name"

    model_name: Label
    version: Label
    model_text: Annotated[str, Field(max_length=1_000_000)]
    features: tuple[Label, ...]
    metrics: dict[Label, Finite]
    promoted_at: Timestamp
