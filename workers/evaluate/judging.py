"""Answers held against labels, and two runs against each other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.evaluate.labels import Labelled
from workers.evaluate.metrics import Interval, bootstrap, ndcg_at, recall_at


@dataclass(frozen=True, slots=True)
class Judged:
    """What one answer is worth. ``figures``: ``ndcg@k`` and ``recall@k``; ``unlabelled``: ids among the first k."""

    labelled: Labelled
    served: int
    figures: Mapping[str, float]
    unlabelled: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Failed:
    """A question that the API refused."""

    labelled: Labelled
    message: str


def judge(labelled: Labelled, served: Sequence[str], at: Sequence[int]) -> Judged:
    """An answer's ids, best first, at each k. An id that nobody labelled counts as bad, and is counted."""
    gains = [labelled.grades.get(each, 0.0) for each in served]
    known = [grade for grade in labelled.grades.values() if grade > 0]
    figures: dict[str, float] = {}
    for k in at:
        figures[f"ndcg@{k}"] = ndcg_at(k, gains, known)
        figures[f"recall@{k}"] = recall_at(k, [gain > 0 for gain in gains], len(known))
    unlabelled = {k: sum(each not in labelled.grades for each in served[:k]) for k in at}
    return Judged(labelled, len(served), figures, unlabelled)


def report_of(judged: Sequence[Judged], failed: Sequence[Failed], at: Sequence[int]) -> dict[str, Any]:
    """The report as ``--json`` prints it and ``--out`` keeps it."""
    return {
        "at": list(at),
        "briefs": [
            {
                "line": one.labelled.line,
                "key": one.labelled.key(),
                "title": one.labelled.title(),
                "kind": one.labelled.kind,
                "relevant": one.labelled.relevant(),
                "served": one.served,
                "unlabelled": {str(k): count for k, count in one.unlabelled.items()},
                **one.figures,
            }
            for one in judged
        ],
        "failed": [
            {"line": one.labelled.line, "title": one.labelled.title(), "message": one.message} for one in failed
        ],
        "mean": {name: _plain(bootstrap([one.figures[name] for one in judged])) for name in names_of(at)},
        "unlabelled": {str(k): sum(one.unlabelled[k] for one in judged) for k in at},
    }


def names_of(at: Sequence[int]) -> list[str]:
    """The figures, in the order of tables."""
    return [f"{what}@{k}" for k in at for what in ("ndcg", "recall")]


def compared(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """This run less another one, over the questions that both asked: paired, so that hard briefs do not widen it.

    Raises ValueError where they have no question, or no k, in common.
    """
    then = {one["key"]: one for one in before["briefs"]}
    pairs = [(one, then[one["key"]]) for one in now["briefs"] if one["key"] in then]
    at = [k for k in now["at"] if k in before["at"]]
    if not pairs or not at:
        raise ValueError(f"the two runs have no {'question' if not pairs else 'k'} in common")
    differences = {name: [one[name] - other[name] for one, other in pairs] for name in names_of(at)}
    return {
        "briefs": len(pairs),
        "only_now": len(now["briefs"]) - len(pairs),
        "only_before": len(before["briefs"]) - len(pairs),
        "difference": {name: _plain(bootstrap(values)) for name, values in differences.items()},
    }


def _plain(found: Interval) -> dict[str, float | int | None]:
    """As JSON has it: null where there is no interval."""
    numbers = {"mean": found.mean, "low": found.low, "high": found.high}
    return {**{name: value if value == value else None for name, value in numbers.items()}, "count": found.count}
