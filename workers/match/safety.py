"""A brand's safety policy and a request's own limits, as hard filters: by category, the strictest holds.

Rules are conditions of the store, but for those that look back: what they ask is in no property of its own, and a
creator whose whole score is over such a rule's threshold is looked at one by one (``LookBack``). A score that is not
known passes only where whoever set the limit says so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from workers.domain.events import BrandBriefed, SafetyPolicy, SafetyRule
from workers.domain.filters import SAFETY_PROPERTIES
from workers.domain.queries import Condition
from workers.match.judging import Finding, KnownSafety, UnknownSafety, finding, unknown_allowed
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
    if policy is not None:
        for rule in _strictest(policy):
            most = math.nextafter(rule.threshold, -math.inf)
            passes = unknown_allowed(rule, policy, filters.unknown_safety)
            found[reason_of(rule.category)].append(_limit(rule.category, most, passes, cleared))
    conditions = {reason: tuple(own) for reason, own in found.items()}
    if policy is not None and policy.blocked:
        conditions[BLOCKED] = (Condition("creator_id", "none_of", policy.blocked),)
    return conditions


def _strictest(policy: SafetyPolicy) -> list[SafetyRule]:
    """Of each category the rule of the lowest threshold that does not look back: the others refuse nobody besides.

    Each brings the ``cleared`` creators into the filter, 64 rules of one category 64 times as many.
    """
    found: dict[str, SafetyRule] = {}
    for rule in policy.rules:
        known = found.get(rule.category)
        if rule.look_back_days is None and (known is None or rule.threshold < known.threshold):
            found[rule.category] = rule
    return list(found.values())


@dataclass(frozen=True, slots=True)
class LookBack:
    """The rules that look back, for creators one by one. ``asked``: what the request says of unknown scores."""

    policy: SafetyPolicy
    rules: tuple[SafetyRule, ...]
    now: datetime
    asked: UnknownSafety | None

    def reasons(self) -> tuple[str, ...]:
        """Under what its refusals are counted."""
        return tuple(dict.fromkeys(reason_of(rule.category) for rule in self.rules))

    def must_see(self, creator_id: str, scores: Mapping[str, float]) -> bool:
        """Whether these scores leave it open if the creator passes. A look-back can make a score only less."""
        if creator_id in self.policy.cleared:
            return False
        return any(
            scores[rule.category] >= rule.threshold
            if rule.category in scores
            else not unknown_allowed(rule, self.policy, self.asked)
            for rule in self.rules
        )

    def refusals(self, creator_id: str, known: KnownSafety) -> tuple[Finding, ...]:
        """Which of the rules refuse a creator, and by which posts."""
        if creator_id in self.policy.cleared:
            return ()
        found = (finding(rule, self.policy, known, self.now, self.asked) for rule in self.rules)
        return tuple(each for each in found if each.verdict == "refused")


def look_back(filters: Filters, brand: BrandBriefed | None, now: datetime) -> LookBack | None:
    """What of a brand's policy the store cannot be asked; None where it can be asked everything."""
    policy = policy_of(brand)
    rules = tuple(rule for rule in policy.rules if rule.look_back_days is not None) if policy is not None else ()
    return LookBack(policy, rules, now, filters.unknown_safety) if policy is not None and rules else None


def version_conflict(standing: BrandBriefed | None, new: BrandBriefed) -> str | None:
    """Why a brief's policy may not take this version, beside the brief that stands; None where it may.

    The version names the rules in what was served: a newer brief never goes back, and other rules are another version.
    """
    known, policy = policy_of(standing), new.safety_policy
    if standing is None or known is None or policy is None or new.revision < standing.revision:
        return None
    if policy.version < known.version:
        return f"version {policy.version} of a newer brief, where version {known.version} stands"
    if policy.version == known.version and policy != known:
        return f"other rules under version {policy.version}, which stands: give them a greater one"
    return None


def scores_of(properties: Mapping[str, object]) -> dict[str, float]:
    """A creator's known scores by category, from the properties of any of their objects."""
    values = {category: properties.get(name) for category, name in SAFETY_PROPERTIES.items()}
    return {category: float(value) for category, value in values.items() if isinstance(value, (int, float))}


def _limit(category: str, most: float, unknown_passes: bool, cleared: Condition | None = None) -> Condition:
    return Condition(SAFETY_PROPERTIES[category], "not_over" if unknown_passes else "at_most", most, cleared)
