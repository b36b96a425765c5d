"""What a safety policy says of one creator: by rule, with the posts that are to blame."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.indexer.events import updated
from workers.creators.safety import Output, assess, scores_of
from workers.domain.events import NotablePost, SafetyPolicy
from workers.domain.events.creators import MOST_NOTABLE
from workers.indexer.objects import creator_objects
from workers.match.judging import (
    CausingPost,
    KnownSafety,
    Verdict,
    findings,
    known_safety,
    may_be_reviewed,
    score_within,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TAIL = 0.05


def policy(*rules: Mapping[str, object], **fields: object) -> SafetyPolicy:
    """A policy of these rules."""
    return SafetyPolicy.model_validate({"version": 3, "rules": rules, **fields})


def known(score: float | None, *posts: tuple[str, float, float, int]) -> KnownSafety:
    """A creator whose alcohol is known so, by posts of (id, share, probability, age in days)."""
    causes = tuple(
        CausingPost(name, NOW - timedelta(days=age), share, {"alcohol": probability})
        for name, share, probability, age in posts
    )
    scores = {} if score is None else {"alcohol": score}
    return KnownSafety(scores, dict.fromkeys(scores, 1.0), causes, TAIL)


def verdict(score: float | None, rule: Mapping[str, object], asked: Any = None, **fields: object) -> Verdict:
    """What one rule about alcohol says of a creator."""
    (found,) = findings(policy({"category": "alcohol", **rule}, **fields), "ann", known(score), NOW, asked)
    return found.verdict


@pytest.mark.parametrize(
    ("score", "expected"), [(0.0, "passes"), (0.19, "passes"), (0.2, "review"), (0.39, "review"), (0.4, "refused")]
)
def test_a_score_passes_is_reviewed_or_refused(score: float, expected: str) -> None:
    """At its threshold a creator is refused, from ``review_from`` on looked at."""
    assert verdict(score, {"threshold": 0.4, "review_from": 0.2}) == expected


@pytest.mark.parametrize(
    ("asked", "fields", "expected"),
    [
        (None, {}, "refused"),
        (None, {"unknown": "allow"}, "passes"),
        (None, {"allow_unknown": ["alcohol"]}, "passes"),
        (None, {"allow_unknown": ["drugs"]}, "refused"),
        ("allow", {}, "refused"),
        ("refuse", {"unknown": "allow"}, "refused"),
    ],
)
def test_what_is_not_known_is_not_safe_unless_the_policy_says_so(
    asked: str | None, fields: dict[str, object], expected: str
) -> None:
    """A request may be stricter than the policy, not laxer."""
    assert verdict(None, {"threshold": 0.4}, asked, **fields) == expected


def test_a_cleared_creator_is_asked_nothing() -> None:
    """A person has looked; nor is anybody asked to look again."""
    strict = policy({"category": "alcohol", "threshold": 0.1, "review_from": 0.0}, cleared=["ann"])
    assert findings(strict, "ann", known(0.9), NOW) == ()
    assert not may_be_reviewed(strict, "ann", {"alcohol": 0.05})
    assert may_be_reviewed(strict, "bea", {"alcohol": 0.05})
    assert may_be_reviewed(strict, "bea", {"drugs": 0.05}), "where the score is not known, posts may be"


def test_the_posts_that_caused_a_score_are_named_the_worst_first() -> None:
    """Those that a rule still looks at."""
    creator = known(0.8, ("old", 0.02, 0.9, 300), ("mild", 0.01, 0.3, 3), ("bad", 0.02, 0.8, 5))
    rules = ({"category": "alcohol", "threshold": 0.5}, {"category": "alcohol", "threshold": 0.1, "look_back_days": 30})
    whole, recent = findings(policy(*rules), "ann", creator, NOW)
    assert (whole.verdict, whole.score, whole.posts) == ("refused", 0.8, ("old", "bad", "mild"))
    assert (recent.verdict, recent.posts) == ("refused", ("bad", "mild"))
    assert recent.score == pytest.approx((0.02 * 0.8 + 0.01 * 0.3) / TAIL)


def test_posts_from_before_the_look_back_count_as_clean() -> None:
    """What is left of the tail is filled as it was; nothing listed filled it: with clean posts."""
    full = known(0.9, ("old", 0.05, 0.9, 300))
    assert score_within(full, "alcohol", NOW - timedelta(days=180)) == 0.0
    half = known(0.5, ("old", 0.025, 0.9, 300))  # beside it the tail held posts of 0.1
    assert score_within(half, "alcohol", NOW - timedelta(days=180)) == pytest.approx(0.1)
    assert score_within(half, "alcohol", NOW - timedelta(days=365)) == pytest.approx(0.5)
    assert score_within(half, "drugs", NOW) is None


def test_of_more_notable_posts_than_are_listed_nothing_is_forgiven() -> None:
    """The listed ones are old and fill the tail; the new ones, nearly as bad, are not listed."""
    listed = [(f"old-{number}", 0.01, 0.95, 300) for number in range(MOST_NOTABLE)]
    assert score_within(known(0.95, *listed), "alcohol", NOW - timedelta(days=30)) == 0.95
    assert score_within(known(0.95, *listed[1:]), "alcohol", NOW - timedelta(days=30)) == 0.0


@pytest.mark.parametrize(
    ("probability", "age", "fields", "expected"),
    [
        (0.9, 3, {"unknown": "allow"}, ("review", ("wine",))),
        (0.3, 3, {"unknown": "allow"}, ("passes", ())),
        (0.9, 300, {"unknown": "allow"}, ("passes", ())),
        (0.9, 3, {}, ("refused", ("wine",))),
    ],
)
def test_posts_that_are_known_to_be_over_a_rule_are_looked_at_though_the_creator_is_not_known(
    probability: float, age: int, fields: dict[str, object], expected: tuple[Verdict, tuple[str, ...]]
) -> None:
    """A policy that lets pass what is not known has not said that what is known shall pass unseen."""
    rules = policy({"category": "alcohol", "threshold": 0.4, "look_back_days": 30}, **fields)
    (found,) = findings(rules, "ann", known(None, ("wine", 0.01, probability, age)), NOW)
    assert ((found.verdict, found.posts), found.score) == (expected, None)
    assert may_be_reviewed(rules, "ann", {})


ages = st.integers(0, 400)
posts = st.lists(
    st.tuples(st.sampled_from([0.01, 0.02, 0.05]), st.sampled_from([0.0, 0.1, 0.3, 0.9]), ages), max_size=120
)


@given(posts, st.integers(1, 400))
def test_a_look_back_never_makes_a_score_greater_and_a_long_one_changes_nothing(
    output: list[tuple[float, float, int]], days: int
) -> None:
    """Over scores as the creators worker makes them; its own fold of the posts that are left is never missed by 0.2."""

    def said(clean_before: int | None = None) -> KnownSafety:
        told = [0.0 if clean_before is not None and age > clean_before else p for _, p, age in output]
        scored = scores_of([(("alcohol", each),) for each in told])
        at = [round((NOW - timedelta(days=age)).timestamp() * 1000) for _, _, age in output]
        keys = [(each, f"p{place}") for place, each in enumerate(at)]
        weights = np.array([weight for weight, _, _ in output])
        found = assess(Output(keys, weights, scored.categories, scored.table), TAIL)
        causes = tuple(
            CausingPost(each.post_id, datetime.fromtimestamp(each.published_ms / 1000, UTC), each.share, each.scores)
            for each in found.posts
        )
        return KnownSafety(found.scores, found.coverage, causes, TAIL)

    whole = said()
    if not output:
        assert score_within(whole, "alcohol", NOW) is None
        return
    within = score_within(whole, "alcohol", NOW - timedelta(days=days))
    assert within is not None
    assert 0.0 <= within <= whole.scores["alcohol"]
    assert score_within(whole, "alcohol", NOW - timedelta(days=401)) == pytest.approx(whole.scores["alcohol"], abs=1e-6)
    exactly = said(clean_before=days).scores["alcohol"]
    assert exactly - 0.2 - 1e-6 <= within


def test_the_api_reads_what_the_indexer_writes() -> None:
    """One property of JSON, from one worker's hand into the other's."""
    event = updated(
        safety={"alcohol": 0.25},
        safety_coverage={"alcohol": 0.75, "drugs": 0.1},
        safety_posts=(NotablePost(post_id="p", published_at=NOW, share=0.02, scores={"alcohol": 0.9}),),
        safety_tail=TAIL,
        safety_revision=7,
    )
    read = known_safety(creator_objects(event, 0.0, 8).creator.properties)
    assert read == KnownSafety(
        {"alcohol": 0.25},
        {"alcohol": 0.75, "drugs": 0.1},
        (CausingPost("p", NOW, 0.02, {"alcohol": 0.9}),),
        TAIL,
        7,
    )
    assert known_safety({}) == KnownSafety()
