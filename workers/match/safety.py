"""A brand's safety policy and a request's own limits, as conditions of the store: by category, the strictest holds.

A score that is not known passes only where whoever set the limit says so. What a policy's rule looks back on is not in
the store's properties: ``workers.match.screening`` asks for it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from workers.domain.events import BrandBriefed, SafetyPolicy, SafetyRule
from workers.domain.filters import SAFETY_PROPERTIES
from workers.domain.queries import Condition
from workers.match.requests import Filters

BLOCKED: Final = "safety.blocked"
"""The reason of whom a policy names as never to be shown."""


def reason_of(category: str) -> str:
    """Under what ``filtered_out`` counts a category."""
    return f"safety.{category}"


def policy_of(brand: BrandBriefed | None) -> SafetyPolicy | None:
    """The brand's policy, if it has one."""
    return brand.safety_policy if brand is not None else None


def safety_conditions(filters: Filters, brand: BrandBriefed | None) -> dict[str, tuple[Condition, ...]]:
    """By reason, what must hold of a creator for a request's limits, a brand's, and its policy's rules.

    Limits are the highest score tolerated; a rule wants less than its threshold. ``cleared`` creators are asked
    neither of the brand's limits nor of its rules, only of what this request says itself.
    """
    policy, found = policy_of(brand), defaultdict[str, list[Condition]](list)
    cleared = Condition("creator_id", "any_of", policy.cleared) if policy is not None and policy.cleared else None
    unknown_passes = filters.unknown_safety == "allow"
    for category, most in filters.safety.items():
        found[reason_of(category)].append(_limit(category, most, unknown_passes))
    for category, most in (brand.safety if brand else {}).items():
        found[reason_of(category)].append(_limit(category, most, unknown_passes, cleared))
    for rule in policy.rules if policy is not None else ():
        if rule.look_back_days is None and policy is not None:
            most = math.nextafter(rule.threshold, -math.inf)
            passes = unknown_allowed(rule, policy, filters.unknown_safety)
            found[reason_of(rule.category)].append(_limit(rule.category, most, passes, cleared))
    conditions = {reason: tuple(own) for reason, own in found.items()}
    if policy is not None and policy.blocked:
        conditions[BLOCKED] = (Condition("creator_id", "none_of", policy.blocked),)
    return conditions


def unknown_allowed(rule: SafetyRule, policy: SafetyPolicy, asked: str | None) -> bool:
    """Whether a creator passes of whom the rule's category is not known. A request may be stricter, not laxer."""
    return asked != "refuse" and policy.allows_unknown(rule.category)


def scores_of(properties: Mapping[str, object]) -> dict[str, float]:
    """A creator's known scores by category, from the properties of any of their objects."""
    values = {category: properties.get(name) for category, name in SAFETY_PROPERTIES.items()}
    return {category: float(value) for category, value in values.items() if isinstance(value, (int, float))}


def _limit(category: str, most: float, unknown_passes: bool, cleared: Condition | None = None) -> Condition:
    return Condition(SAFETY_PROPERTIES[category], "not_over" if unknown_passes else "at_most", most, cleared)
