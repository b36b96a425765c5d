"""What a brand's safety policy says of one creator, rule by rule, and by which posts. Pure: "now" is an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import orjson

from workers.domain.events import SafetyPolicy, SafetyRule
from workers.domain.events.creators import MOST_NOTABLE
from workers.domain.stored import PropertyValue

UnknownSafety = Literal["allow", "refuse"]
Verdict = Literal["passes", "review", "refused"]
_HARDLY: Final = 1e-6
"""A part of the tail so small is the rounding of sums."""


@dataclass(frozen=True, slots=True)
class CausingPost:
    """A post that weighs in a creator's scores: ``share`` of the window's weight, probabilities by category."""

    post_id: str
    published_at: datetime
    share: float
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class KnownSafety:
    """What the index knows of a creator's safety: ``safety_json`` of ``Creator``.

    ``scores`` are of the worst ``tail`` of what was scored; ``coverage`` says how much of the output that was, by
    category; ``posts`` caused them, the greatest part first.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    coverage: Mapping[str, float] = field(default_factory=dict)
    posts: tuple[CausingPost, ...] = ()
    tail: float = 0.0
    revision: int = 0

    def causes(self, category: str, since: datetime | None = None) -> tuple[CausingPost, ...]:
        """The posts that are notable for a category, the worst first; those from ``since`` on."""
        own = [post for post in self.posts if category in post.scores and (since is None or post.published_at >= since)]
        return tuple(sorted(own, key=lambda post: -post.scores[category]))


NOTHING_KNOWN: Final = KnownSafety()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of a creator: ``score`` None where it is not known; ``posts`` caused it, the worst first.

    Of a creator who passes though the score is not known, ``posts`` are those that by themselves are over the rule.
    """

    rule: SafetyRule
    verdict: Verdict
    score: float | None
    posts: tuple[str, ...] = ()


def known_safety(properties: Mapping[str, PropertyValue]) -> KnownSafety:
    """From the properties of a ``Creator``, as the indexer wrote them."""
    text = properties.get("safety_json")
    read: dict[str, Any] = orjson.loads(text) if isinstance(text, str) else {}
    posts = tuple(
        CausingPost(each["post_id"], datetime.fromisoformat(each["published_at"]), each["share"], each["scores"])
        for each in read.get("posts", ())
    )
    return KnownSafety(
        read.get("scores", {}), read.get("coverage", {}), posts, read.get("tail", 0.0), read.get("revision", 0)
    )


def score_within(known: KnownSafety, category: str, since: datetime | None) -> float | None:
    """The score where notable posts from before ``since`` count as clean; None where the category is not known.

    The worst ``tail`` is filled with the notable posts that are left. What fills the rest counts as what filled it in
    the score itself; where notable posts had filled all of it, as clean: at most the notable probability is missed.
    Of so many notable posts that not all may be listed nothing is forgiven: what took the old ones' place is not known.
    """
    score = known.scores.get(category)
    width = known.tail * known.coverage.get(category, 1.0)
    if score is None or since is None or width <= 0 or len(known.posts) >= MOST_NOTABLE:
        return score
    told, unfilled = _filled(known.causes(category), category, width)
    beside = max(0.0, score * width - told) / unfilled if unfilled > _HARDLY * width else 0.0
    told, unfilled = _filled(known.causes(category, since), category, width)
    return min(score, (told + beside * unfilled) / width)


def _filled(posts: Sequence[CausingPost], category: str, width: float) -> tuple[float, float]:
    """What posts, the worst first, bring to a tail of ``width``, and how much of it they leave."""
    told, unfilled = 0.0, width
    for post in posts:
        part = min(post.share, unfilled)
        told, unfilled = told + part * post.scores[category], unfilled - part
    return told, unfilled


def findings(
    policy: SafetyPolicy, creator_id: str, known: KnownSafety, now: datetime, asked: UnknownSafety | None = None
) -> tuple[Finding, ...]:
    """What each rule of a policy says of a creator, in the policy's order; of a cleared one nothing is asked.

    ``asked``: what the request says of unknown scores; it may be stricter than the policy.
    """
    if creator_id in policy.cleared:
        return ()
    return tuple(finding(rule, policy, known, now, asked) for rule in policy.rules)


def finding(
    rule: SafetyRule, policy: SafetyPolicy, known: KnownSafety, now: datetime, asked: UnknownSafety | None = None
) -> Finding:
    """What one rule says of a creator who is not cleared."""
    since = looks_back_to(rule, now)
    score = score_within(known, rule.category, since)
    causes = known.causes(rule.category, since)
    if score is None:
        # Too little is known to judge the creator, enough to tell of these posts.
        bad = tuple(post.post_id for post in causes if post.scores[rule.category] >= rule.threshold)
        allowed: Verdict = "review" if bad else "passes"
        return Finding(rule, allowed if unknown_allowed(rule, policy, asked) else "refused", None, bad)
    posts = tuple(post.post_id for post in causes)
    if score >= rule.threshold:
        return Finding(rule, "refused", score, posts)
    review = rule.review_from is not None and score >= rule.review_from
    return Finding(rule, "review" if review else "passes", score, posts)


def looks_back_to(rule: SafetyRule, now: datetime) -> datetime | None:
    """From when on posts count for a rule; None for all of them."""
    return None if rule.look_back_days is None else now - timedelta(days=rule.look_back_days)


def may_be_reviewed(policy: SafetyPolicy, creator_id: str, scores: Mapping[str, float]) -> bool:
    """Whether a rule may want a person to look at a creator of these scores: no look-back makes a score greater.

    Where a score is not known, a few posts of theirs may be known all the same.
    """
    return creator_id not in policy.cleared and any(
        rule.category not in scores or (rule.review_from is not None and scores[rule.category] >= rule.review_from)
        for rule in policy.rules
    )


def unknown_allowed(rule: SafetyRule, policy: SafetyPolicy, asked: UnknownSafety | None) -> bool:
    """Whether a creator passes of whom the rule's category is not known. A request may be stricter, not laxer."""
    return asked != "refuse" and policy.allows_unknown(rule.category)
