"""What a shortlist says of safety: each creator's scores, what a person must look at, and what a policy removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workers.domain.events import SafetyPolicy
from workers.match.judging import Finding, KnownSafety, UnknownSafety, findings
from workers.match.safety import BLOCKED, reason_of


@dataclass(frozen=True, slots=True)
class Removed:
    """How many creators each hard filter refuses: ``over_index`` of all there are, ``near`` of those near the brief."""

    over_index: Mapping[str, int] = field(default_factory=dict)
    near: Mapping[str, int] = field(default_factory=dict)

    def by_reason(self) -> dict[str, int]:
        """Both together: whom the store refuses is near no brief."""
        return {
            reason: self.over_index.get(reason, 0) + self.near.get(reason, 0)
            for reason in dict.fromkeys((*self.over_index, *self.near))
        }


@dataclass(frozen=True, slots=True)
class SafetyNotes:
    """Of the shortlist by creator: the known ``scores``, and what the policy wants looked at, with its posts."""

    policy: SafetyPolicy | None = None
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    review: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)


def notes(
    policy: SafetyPolicy | None,
    scores: Mapping[str, Mapping[str, float]],
    seen: Mapping[str, KnownSafety],
    now: datetime,
    asked: UnknownSafety | None,
) -> SafetyNotes:
    """``seen``: those of the shortlist whom a rule may want looked at."""
    if policy is None:
        return SafetyNotes(None, scores)
    review = {
        name: tuple(each for each in findings(policy, name, known, now, asked) if each.verdict == "review")
        for name, known in seen.items()
    }
    return SafetyNotes(policy, scores, {name: found for name, found in review.items() if found})


def explain_policy(policy: SafetyPolicy, removed: Removed) -> dict[str, Any]:
    """A policy's rules as they were applied, and how many creators each one's category removed.

    Rules that look back are asked of creators near the brief alone, and counted there (``near_the_brief``).
    """
    rules = []
    for rule in policy.rules:
        over_index = rule.look_back_days is None
        counts = removed.over_index if over_index else removed.near
        counted = "over_the_index" if over_index else "near_the_brief"
        own = {"removed": counts.get(reason_of(rule.category), 0), "counted": counted}
        rules.append(rule.model_dump(exclude_none=True) | own)
    return {
        "policy_version": policy.version,
        "rules": rules,
        "unknown": policy.unknown,
        "allow_unknown": list(policy.allow_unknown),
        "cleared": len(policy.cleared),
        "blocked": {"creators": len(policy.blocked), "removed": removed.over_index.get(BLOCKED, 0)},
    }
