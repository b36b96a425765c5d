"""Which facts count: an outcome counts for a brand and a creator through a booking made from a match that was served.

Outcome (brand, campaign, creator) -> CreatorBooked (campaign, match) -> MatchServed (the creator is on its shortlist).
What lacks a link of this chain is kept and counts as soon as the missing event arrives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from workers.domain.events import FeedbackSignalled, Statistics
from workers.outcomes.facts import DECISIONS, Fact

_SCALE = 1 << 32
"""Weights are whole multiples of 2^-32, so that sums are exact and their order cannot matter."""
_DAY_MS = 86_400_000
_SUMS = ("impressions", "clicks", "conversions", "refunds", "value", "opened", "shortlisted", "booked")
_SUM_OF = {
    "impressions": "impressions",
    "clicked": "clicks",
    "converted": "conversions",
    "refunded": "refunds",
    "opened": "opened",
    "shortlisted": "shortlisted",
    "booked": "booked",
}


@dataclass(frozen=True, slots=True)
class Decay:
    """Forward decay on a fixed landmark (Cormode et al., ICDE 2009)."""

    landmark: datetime
    half_life_days: float

    def weight(self, occurred_ms: int) -> int:
        """``2 ** ((t - landmark) / half_life)`` in units of 2^-32; 0 for what is too old to matter."""
        age_ms = occurred_ms - self.landmark.timestamp() * 1000
        half_lives = min(age_ms / (self.half_life_days * _DAY_MS), 900.0)
        return round(_SCALE * math.exp2(half_lives))


@dataclass(slots=True)
class Pair:
    """A brand and a creator: the fold of their facts. ``campaigns`` are the booked ones whose match was served."""

    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0))
    events: int = 0
    last_ms: int = 0
    campaigns: set[str] = field(default_factory=set)
    unmet_refunds: set[str] = field(default_factory=set)

    def add(self, fact: Fact, decay: Decay, weighed_at_ms: int) -> None:
        """Count a fact once more; the caller knows that it was not counted before."""
        weight = decay.weight(weighed_at_ms)
        name = _SUM_OF[fact.kind]
        self.sums[name] += weight * fact.count
        if fact.kind in ("converted", "refunded"):
            signed = fact.value_micros if fact.kind == "converted" else -fact.value_micros
            self.sums["value"] += weight * signed
        self.events += 1
        self.last_ms = max(self.last_ms, fact.occurred_ms)

    def statistics(self, decay: Decay) -> Statistics:
        """The sums as they are published."""
        floats = {name: total / _SCALE for name, total in self.sums.items()}
        floats["value"] = self.sums["value"] / (_SCALE * 1_000_000)
        return Statistics(landmark=decay.landmark, half_life_days=decay.half_life_days, **floats)

    def signal(self, brand_id: str, creator_id: str, decay: Decay) -> FeedbackSignalled | None:
        """What is published of the pair; None where nothing counts."""
        if not self.events:
            return None
        return FeedbackSignalled(
            brand_id=brand_id,
            creator_id=creator_id,
            statistics=self.statistics(decay),
            events=self.events,
            last_at=datetime.fromtimestamp(self.last_ms / 1000, UTC),
        )


def fold(facts: Iterable[Fact], served: Callable[[str], bool], decay: Decay) -> Pair:
    """The pair as a function of the set of its facts; ``served(match_id)``: did that match show this creator?

    A refund weighs what its conversion weighed, so that a whole refund leaves nothing behind, however late it comes.
    """
    rows = list(facts)
    pair = Pair()
    pair.campaigns = {row.campaign_id for row in rows if row.kind == "booked" and served(row.match_id)}
    conversions = {row.event_id: row.occurred_ms for row in rows if row.kind == "converted"}
    for row in rows:
        if row.refunds and row.refunds not in conversions:
            pair.unmet_refunds.add(row.refunds)
        counts = served(row.match_id) if row.kind in DECISIONS else row.campaign_id in pair.campaigns
        if counts:
            pair.add(row, decay, conversions.get(row.refunds, row.occurred_ms))
    return pair


def grown(
    pair: Pair, fact: Fact, converted_at: Callable[[str], int | None], served: Callable[[str], bool], decay: Decay
) -> bool:
    """Count a fact that is news, if no other fact's part changes by it; False, and nothing done: fold anew.

    ``converted_at(event_id)``: when that conversion of the pair occurred, None while it is not known.
    """
    if fact.kind == "converted" and fact.event_id in pair.unmet_refunds:
        return False
    counts = served(fact.match_id) if fact.kind in DECISIONS else fact.campaign_id in pair.campaigns
    if fact.kind == "booked" and counts and fact.campaign_id not in pair.campaigns:
        return False
    at = fact.occurred_ms
    if fact.refunds:
        if (known := converted_at(fact.refunds)) is None:
            pair.unmet_refunds.add(fact.refunds)
        else:
            at = known
    if counts:
        pair.add(fact, decay, at)
    return True
