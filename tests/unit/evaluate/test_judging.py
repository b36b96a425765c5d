"""Answers held against labels, and two runs against each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.evaluate.judging import Failed, compared, judge, report_of
from workers.evaluate.labels import Labelled


def labelled(name: str = "", line: int = 1, **grades: float) -> Labelled:
    """A brief with these grades."""
    return Labelled(line, "match", name, {"brief": name or "cake"}, grades or {"ann": 2.0, "bea": 1.0, "cid": 0.0})


def test_the_best_answer_has_all_of_both() -> None:
    """In the order of the grades."""
    found = judge(labelled(), ["ann", "bea", "cid"], [1, 3])
    assert found.figures == pytest.approx({"ndcg@1": 1.0, "recall@1": 0.5, "ndcg@3": 1.0, "recall@3": 1.0})
    assert found.unlabelled == {1: 0, 3: 0}


def test_who_nobody_labelled_counts_as_bad_and_is_counted() -> None:
    """At each k by itself."""
    found = judge(labelled(), ["who", "ann", "cid", "else"], [1, 4])
    assert found.figures["ndcg@1"] == 0.0
    assert found.figures["recall@4"] == 0.5
    assert found.unlabelled == {1: 1, 4: 2}


def test_an_empty_answer_is_worth_nothing() -> None:
    """A filter that lets nobody through is judged as well."""
    found = judge(labelled(), [], [10])
    assert found.figures == {"ndcg@10": 0.0, "recall@10": 0.0}


def test_a_report_says_each_brief_its_means_and_what_was_refused() -> None:
    """With intervals where there are two or more."""
    judged = [judge(labelled("one"), ["ann"], [10]), judge(labelled("two", 2), ["bea"], [10])]
    report = report_of(judged, [Failed(labelled("three", 3), "brand unknown")], [10])
    assert [one["line"] for one in report["briefs"]] == [1, 2]
    assert report["failed"] == [{"line": 3, "title": "three", "message": "brand unknown"}]
    mean = report["mean"]["recall@10"]
    assert (mean["mean"], mean["count"]) == (0.5, 2)
    assert report_of(judged[:1], [], [10])["mean"]["recall@10"]["low"] is None
    assert report_of([], [], [10])["mean"]["recall@10"]["mean"] is None


@given(st.lists(st.permutations(["ann", "bea", "cid", "dan"]), min_size=2, max_size=8))
def test_a_run_against_itself_differs_by_nothing(answers: list[list[str]]) -> None:
    """And its interval has no width; two runs turned round differ by as much the other way."""
    names = [f"brief {number}" for number in range(len(answers))]
    run = report_of([judge(labelled(n), a, [2]) for n, a in zip(names, answers, strict=True)], [], [2])
    other = report_of([judge(labelled(n), a[::-1], [2]) for n, a in zip(names, answers, strict=True)], [], [2])
    itself = compared(run, run)["difference"]["ndcg@2"]
    assert (itself["mean"], itself["low"], itself["high"]) == (0.0, 0.0, 0.0)
    there, back = (compared(a, b)["difference"]["ndcg@2"]["mean"] for a, b in ((run, other), (other, run)))
    assert there == pytest.approx(-back)


def test_only_questions_that_both_runs_asked_are_compared() -> None:
    """By name; those that one of them alone asked are counted."""
    now = report_of(
        [judge(labelled("one"), ["ann"], [5, 10]), judge(labelled("new", 2), ["ann"], [5, 10])], [], [5, 10]
    )
    before = report_of([judge(labelled("one"), ["bea"], [10]), judge(labelled("old", 2), ["ann"], [10])], [], [10])
    found = compared(now, before)
    assert (found["briefs"], found["only_now"], found["only_before"]) == (1, 1, 1)
    assert set(found["difference"]) == {"ndcg@10", "recall@10"}
    assert found["difference"]["ndcg@10"]["mean"] > 0
    with pytest.raises(ValueError, match="no question in common"):
        compared(report_of([judge(labelled("new"), ["ann"], [10])], [], [10]), before)
    with pytest.raises(ValueError, match="no k in common"):
        compared(report_of([judge(labelled("one"), ["ann"], [7])], [], [7]), before)
