"""A request's hard filters: conditions of the store, and checks on our side where it has no such property."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from workers.domain.events import BrandBriefed
from workers.domain.filters import AUDIENCE_PROPERTIES
from workers.domain.queries import Condition
from workers.domain.stored import PropertyValue
from workers.match.requests import Filters, SearchFilters
from workers.match.safety import LookBack, look_back, safety_conditions


@dataclass(frozen=True, slots=True)
class Check:
    """A least value inside a property that holds JSON. ``path`` leads to it; an unknown value does not meet it."""

    property: str
    path: tuple[str, ...]
    least: float

    def value(self, properties: Mapping[str, PropertyValue]) -> float | None:
        """What an object with these properties has there; None where nothing is known."""
        value = read_json(properties, self.property)
        for step in self.path:
            value = value.get(step) if isinstance(value, dict) else None
        return value if isinstance(value, (int, float)) else None

    def holds(self, properties: Mapping[str, PropertyValue]) -> bool:
        """Whether an object with these properties passes."""
        value = self.value(properties)
        return value is not None and value >= self.least


@dataclass(frozen=True, slots=True)
class HardFilters:
    """Why a creator may be refused, and by what: each reason's conditions must all hold, and each check.

    ``look_back``: rules of a safety policy for which a creator must be looked at.
    """

    conditions: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    look_back: LookBack | None = None

    @property
    def on_our_side(self) -> bool:
        """Whether creators that the store allows may be refused yet."""
        return bool(self.checks) or self.look_back is not None

    def all_conditions(self) -> tuple[Condition, ...]:
        """Every condition, for the store."""
        return tuple(condition for own in self.conditions.values() for condition in own)

    def refusal(self, properties: Mapping[str, PropertyValue]) -> str | None:
        """The first reason for which a creator of these properties fails a check, or None."""
        return next((reason for reason, check in self.checks.items() if not check.holds(properties)), None)


def read_json(properties: Mapping[str, PropertyValue], name: str) -> Any:
    """What a property of JSON text holds; an empty object where there is none."""
    text = properties.get(name)
    return orjson.loads(text) if isinstance(text, str) and text else {}


def creator_filters(filters: Filters, brand: BrandBriefed | None, now: datetime) -> HardFilters:
    """The hard filters of a match. A brand's own competitors and safety policy add to what the request says."""
    conditions: dict[str, tuple[Condition, ...]] = {}
    if filters.platform:
        conditions["platform"] = (Condition("platforms", "any_of", filters.platform),)
    if filters.language:
        conditions["language"] = (Condition("language", "any_of", filters.language),)
    if filters.country:
        conditions["country"] = (Condition("country", "any_of", filters.country),)
    if filters.category:
        conditions["category"] = (Condition("category", "any_of", filters.category),)
    conditions |= _numbers(filters, now)
    if filters.exclude_creators:
        conditions["excluded"] = (Condition("creator_id", "none_of", filters.exclude_creators),)
    competitors = sorted({*filters.competitors, *(brand.competitors if brand else ())})
    if competitors:
        conditions["competitor"] = (Condition("exclusive_brands", "none_of", tuple(competitors)),)
    audience_conditions, checks = _audience(filters)
    conditions |= audience_conditions | safety_conditions(filters, brand)
    return HardFilters(conditions, checks, look_back(filters, brand, now))


def _numbers(filters: Filters, now: datetime) -> dict[str, tuple[Condition, ...]]:
    conditions: dict[str, tuple[Condition, ...]] = {}
    followers = []
    if filters.followers.min is not None:
        followers.append(Condition("followers", "at_least", filters.followers.min))
    if filters.followers.max is not None:
        followers.append(Condition("followers", "at_most", filters.followers.max))
    if followers:
        conditions["followers"] = tuple(followers)
    if filters.price is not None:
        conditions["price"] = (
            Condition("price_amount", "at_most", filters.price.max),
            Condition("price_currency", "equal", filters.price.currency),
        )
    if filters.active_within_days is not None:
        since = now - timedelta(days=filters.active_within_days)
        conditions["activity"] = (Condition("last_published_at", "at_least", since),)
    return conditions


def _audience(filters: Filters) -> tuple[dict[str, tuple[Condition, ...]], dict[str, Check]]:
    conditions: dict[str, tuple[Condition, ...]] = {}
    checks: dict[str, Check] = {}
    for dimension in filters.known_audience:
        conditions[f"audience.{dimension}.known"] = (Condition("audience_known", "any_of", (dimension,)),)
    for dimension, minima in filters.audience.items():
        for key, least in minima.items():
            reason = f"audience.{dimension}.{key}"
            name = AUDIENCE_PROPERTIES.get((dimension, key))
            if name is None:
                checks[reason] = Check("audience_json", (dimension, key), least=least)
            else:
                conditions[reason] = (Condition(name, "at_least", least),)
    return conditions, checks


def post_filters(filters: SearchFilters) -> tuple[Condition, ...]:
    """The hard filters of a search, for ``Visual`` and ``Post`` alike."""
    conditions = []
    if filters.platform:
        conditions.append(Condition("platform", "any_of", filters.platform))
    if filters.language:
        conditions.append(Condition("language", "any_of", filters.language))
    if filters.creator_id:
        conditions.append(Condition("creator_id", "any_of", filters.creator_id))
    if filters.published_after is not None:
        conditions.append(Condition("published_at", "at_least", filters.published_after))
    if filters.published_before is not None:
        conditions.append(Condition("published_at", "at_most", filters.published_before))
    return tuple(conditions)
