"""What the oracle says of safety: a post's scores from its own content, a creator's from the posts of the window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.domain.events import NotablePost, PostPublished

NEAR = 1e-9
"""Sums of the same numbers in another order differ in their last bits."""


@dataclass
class Output:
    """A post of the window as safety sees it."""

    post: PostPublished
    weight: float
    scores: Mapping[str, float]


def safety_of(output: Sequence[Output], tail: float) -> dict[str, Any]:
    """Scores, coverage and causes of a creator, post by post."""
    whole = sum(each.weight for each in output)
    scores, coverage = {}, {}
    for category in sorted({name for each in output for name in each.scores}):
        known = [each for each in output if category in each.scores]
        covered = sum(each.weight for each in known)
        left, total = tail * covered, 0.0
        for each in sorted(known, key=lambda each: -each.scores[category]):
            part = min(each.weight, left)
            left, total = left - part, total + part * each.scores[category]
        coverage[category] = min(1.0, covered / whole)
        if len(known) == len(output) or coverage[category] >= 0.5:
            scores[category] = min(1.0, total / (tail * covered))
    causes = [
        NotablePost(
            post_id=each.post.post_id,
            published_at=each.post.published_at,
            share=min(1.0, each.weight / whole),
            scores={name: value for name, value in each.scores.items() if value >= 0.2},
        )
        for each in output
        if max(each.scores.values(), default=0.0) >= 0.2
    ]
    known_tail = {"safety_tail": tail} if coverage else {}
    return {"safety": scores, "safety_coverage": coverage, "safety_posts": tuple(causes), **known_tail}


def same(wanted: Any, found: Any) -> bool:
    """Whether two parts of what is said of safety are the same; which of the causes comes first is a matter of bits."""
    if isinstance(wanted, float) and isinstance(found, float):
        return abs(wanted - found) <= NEAR
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(same(wanted[name], found[name]) for name in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        ordered = [sorted(each, key=lambda post: post["post_id"]) for each in (wanted, found)]
        return len(wanted) == len(found) and all(map(same, *ordered))
    return bool(wanted == found)
