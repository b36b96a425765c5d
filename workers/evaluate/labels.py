"""A file of labelled briefs: JSON lines, each a question and what is good in answer to it. Pure.

A line asks for creators (``brief``, ``brand_id``, ``aspects``, ``images``, ``filters`` and whatever else a match takes)
or for posts (``query``, and ``blend``, ``platform``, ``language``). ``relevant`` names ids, or ids with grades above 0;
``irrelevant`` names ids that were looked at and are not good; ``name`` is what the line is called in reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from workers.domain.reasons import InvalidEvent
from workers.match.requests import MatchRequest, Search, SearchFilters
from workers.publisher.lines import Line, read_line

_LABELS = ("relevant", "irrelevant", "name")
_OF_A_SEARCH = ("query", "blend", "platform", "language")
_GIVEN_BY_US = ("limit", "explain", "explain_creator_id")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One line. ``question``: the body of a match, or the parameters of a search; ``grades`` by id, 0 for bad ones."""

    line: int
    kind: Literal["match", "search"]
    name: str
    question: Mapping[str, Any]
    grades: Mapping[str, float]

    def key(self) -> str:
        """What two runs know the same question by: its name, or all that is asked."""
        return self.name or orjson.dumps(self.question, option=orjson.OPT_SORT_KEYS).decode()

    def title(self) -> str:
        """What people know it by."""
        asked = self.question
        aspects = "; ".join(str(each.get("text", "")) for each in asked.get("aspects", ()))
        return self.name or str(
            asked.get("query") or asked.get("brief") or aspects or asked.get("brand_id") or "pictures"
        )

    def relevant(self) -> int:
        """How many ids are good."""
        return sum(grade > 0 for grade in self.grades.values())


class BadLine(ValueError):
    """A line that cannot be used, and why."""


class BadLabels(ValueError):
    """Lines that cannot be used: ``errors`` by line number."""

    def __init__(self, errors: Mapping[int, str]) -> None:
        super().__init__("; ".join(f"line {number}: {why}" for number, why in errors.items()))
        self.errors = errors


def read_labels(lines: Iterable[Line]) -> list[Labelled]:
    """Every line. Raises BadLabels with all that is wrong, so that one reading of the messages is enough."""
    found: list[Labelled] = []
    errors: dict[int, str] = {}
    keys: dict[str, int] = {}
    for line in lines:
        try:
            one = _labelled(line)
        except (InvalidEvent, BadLine) as error:
            errors[line.number] = error.detail if isinstance(error, InvalidEvent) else str(error)
            continue
        if one.key() in keys:
            errors[line.number] = f"the same question as line {keys[one.key()]}; tell them apart by a name"
        keys.setdefault(one.key(), line.number)
        found.append(one)
    if errors:
        raise BadLabels(errors)
    if not found:
        raise BadLabels({1: "no labelled brief is in the file"})
    return found


def _labelled(line: Line) -> Labelled:
    """Raises InvalidEvent and BadLine."""
    value = read_line(line)
    if not isinstance(value, dict):
        raise BadLine("not a JSON object")
    name = value.get("name", "")
    if not isinstance(name, str):
        raise BadLine("name: a text is wanted")
    grades = dict.fromkeys(_ids(value, "irrelevant"), 0.0) | _grades(value.get("relevant"))
    if not any(grade > 0 for grade in grades.values()):
        raise BadLine("relevant: nothing is, so that no answer is better than another")
    question = {key: given for key, given in value.items() if key not in _LABELS}
    if given := sorted(set(question) & set(_GIVEN_BY_US)):
        raise BadLine(f"{given[0]}: the evaluation gives it")
    kind: Literal["match", "search"] = "search" if "query" in question else "match"
    _check_search(question) if kind == "search" else _check_match(question)
    return Labelled(line.number, kind, name, question, grades)


def _grades(relevant: Any) -> dict[str, float]:
    if isinstance(relevant, list):
        return dict.fromkeys(_ids({"relevant": relevant}, "relevant"), 1.0)
    if not isinstance(relevant, dict):
        raise BadLine("relevant: a list of ids, or an object of grades by id, is wanted")
    for key, grade in relevant.items():
        if isinstance(grade, bool) or not isinstance(grade, int | float) or not 0 <= grade < float("inf"):
            raise BadLine(f"relevant.{key}: a grade of 0 or more is wanted")
    return {key: float(grade) for key, grade in relevant.items()}


def _ids(value: Mapping[str, Any], name: str) -> list[str]:
    ids = value.get(name, [])
    if not isinstance(ids, list) or not all(isinstance(each, str) and each for each in ids):
        raise BadLine(f"{name}: a list of ids is wanted")
    return ids


def _check_match(question: Mapping[str, Any]) -> None:
    """As the API would, before anything is asked."""
    try:
        MatchRequest.model_validate(question)
    except ValidationError as error:
        raise BadLine(_first(error)) from error


def _check_search(question: Mapping[str, Any]) -> None:
    if unknown := sorted(set(question) - set(_OF_A_SEARCH)):
        raise BadLine(f"{unknown[0]}: no such field of a search; there are {', '.join(_OF_A_SEARCH)}")
    filters = {key: question[key] for key in ("platform", "language") if key in question}
    if not isinstance(question["query"], str) or not question["query"].strip():
        raise BadLine("query: words are wanted")
    try:
        blend = {"blend": question["blend"]} if "blend" in question else {}
        Search.model_validate({"text": question["query"], **blend, "filters": SearchFilters.model_validate(filters)})
    except ValidationError as error:
        raise BadLine(_first(error)) from error


def _first(error: ValidationError) -> str:
    """The first message, by the field that it is about."""
    one = error.errors()[0]
    where = ".".join(map(str, one["loc"]))
    return f"{where}: {one['msg']}" if where else str(one["msg"])
