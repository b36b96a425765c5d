"""The shortlist as a function of candidates."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from workers.match.ranking import DEFAULT_WEIGHTS, Candidate, CandidateFacet, Question, Ranked, rank

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BREAD, SPORT = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
ASK_BREAD = Question(np.array([BREAD]), np.array([1.0]), {})


def facet(name: str, vector: object, share: float = 1.0) -> CandidateFacet:
    """A facet whose exemplar is called after it."""
    array = np.asarray(vector, dtype=np.float64)
    return CandidateFacet(name, share, f"post-{name}", array / np.linalg.norm(array))


def creator(name: str, *facets: CandidateFacet, lift: float = 0.0, **known: object) -> Candidate:
    """A candidate of whom nothing else is known."""
    fields: dict[str, object] = {"audience": {}, "engagement": None, "last_published_at": None, **known}
    return Candidate(creator_id=name, facets=facets, lift=lift, **fields)  # type: ignore[arg-type]


def shortlist(
    *candidates: Candidate, question: Question = ASK_BREAD, limit: int = 10, **weights: float
) -> list[Ranked]:
    """Ranked with the defaults but for these weights."""
    return rank(candidates, question, {**DEFAULT_WEIGHTS, **weights}, temperature=0.12, now=NOW, limit=limit)


def ids(ranked: list[Ranked]) -> list[str]:
    """Who, in order."""
    return [one.creator_id for one in ranked]


def test_who_posts_about_it_most_comes_first() -> None:
    """The share lies inside the score: a baker beats someone who baked once."""
    baker = creator("baker", facet("a", BREAD, 0.9), facet("b", SPORT, 0.1))
    dabbler = creator("dabbler", facet("c", BREAD, 0.1), facet("d", SPORT, 0.9))
    athlete = creator("athlete", facet("e", SPORT))
    ranked = shortlist(athlete, dabbler, baker)
    assert ids(ranked) == ["baker", "dabbler", "athlete"]
    assert [one.rank for one in ranked] == [1, 2, 3]


def test_the_evidence_is_the_real_posts_that_speak_for_the_creator() -> None:
    """The exemplar of the facet that made the score comes first."""
    (one,) = shortlist(creator("both", facet("sport", SPORT, 0.6), facet("bread", BREAD, 0.4)))
    assert one.evidence == ("post-bread", "post-sport")
    assert sum(one.contributions.values()) == pytest.approx(1.0)


def test_a_creator_of_both_aspects_beats_one_of_either() -> None:
    """Aspects add up."""
    both = Question(np.array([BREAD, SPORT]), np.array([0.5, 0.5]), {})
    ranked = shortlist(
        creator("bread", facet("a", BREAD)),
        creator("both", facet("b", BREAD, 0.5), facet("c", SPORT, 0.5)),
        question=both,
    )
    assert ids(ranked) == ["both", "bread"]


def test_what_outcomes_taught_moves_a_creator_up_or_down() -> None:
    """Equal in all else."""
    same = facet("a", BREAD)
    good, bad = creator("z-good", same, lift=1.0), creator("a-bad", same, lift=-1.0)
    ranked = shortlist(bad, creator("m-unknown", same), good)
    assert ids(ranked) == ["z-good", "m-unknown", "a-bad"]
    assert ids(shortlist(bad, good, feedback=0.0)) == ["a-bad", "z-good"]


def test_the_score_is_the_weighted_sum_of_its_visible_parts() -> None:
    """Nothing is hidden."""
    known = creator(
        "ann",
        facet("a", [1, 1, 0]),
        lift=0.7,
        audience={"gender": {"women": 0.6}},
        engagement=0.04,
        last_published_at=NOW - timedelta(days=9),
    )
    wanted = Question(np.array([BREAD]), np.array([1.0]), {"gender": {"women": 0.7}})
    (one,) = shortlist(known, question=wanted, audience=0.5)
    weights = {**DEFAULT_WEIGHTS, "audience": 0.5}
    assert list(one.parts) == list(weights)
    assert one.score == sum(weights[name] * value for name, value in one.parts.items())
    assert one.parts["semantic"] == pytest.approx(np.sqrt(0.5))


def test_equal_scores_stand_in_the_order_of_ids_however_they_come() -> None:
    """Ties are no matter of chance."""
    candidates = [creator(name, facet(name, BREAD)) for name in "dbca"]
    random.Random(1).shuffle(candidates)
    assert ids(shortlist(*candidates, limit=3)) == ["a", "b", "c"]


def test_nobody_and_a_creator_without_facets_give_an_empty_shortlist() -> None:
    """No candidates is an answer, not an error."""
    assert shortlist() == []
    assert shortlist(creator("empty")) == []
