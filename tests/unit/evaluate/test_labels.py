"""Labelled briefs as people write them: read, or told by line what is wrong."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.evaluate.labels import BadLabels, Labelled, read_labels
from workers.publisher.lines import numbered_lines


def read(*lines: Any) -> list[Labelled]:
    """The labels of these objects, or of texts as they are."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return read_labels(numbered_lines(io.BytesIO(text.encode())))


def test_a_list_of_ids_grades_each_with_one_and_the_irrelevant_with_nought() -> None:
    """An id that is in both is as good as it is said to be."""
    (one,) = read({"brief": "cake", "relevant": ["ann", "bea"], "irrelevant": ["bea", "cid"]})
    assert (one.kind, one.grades) == ("match", {"ann": 1.0, "bea": 1.0, "cid": 0.0})
    assert (one.question, one.relevant(), one.title()) == ({"brief": "cake"}, 2, "cake")


def test_a_line_asks_for_creators_by_anything_a_match_takes_or_for_posts_by_a_query() -> None:
    """Each knows its kind and its title; blank lines are none."""
    lines = read(
        {"brand_id": "rye", "filters": {"platform": "tiktok"}, "relevant": {"ann": 3, "bea": 0.5, "cid": 0}},
        "",
        {"aspects": [{"text": "bread", "weight": 1}], "relevant": ["ann"]},
        {"query": "a cat", "blend": 0, "language": ["de"], "relevant": ["p1"]},
        {"name": "autumn", "brief": "leaves", "relevant": ["ann"]},
    )
    assert [(one.line, one.kind, one.title()) for one in lines] == [
        (1, "match", "rye"),
        (3, "match", "bread"),
        (4, "search", "a cat"),
        (5, "match", "autumn"),
    ]
    assert lines[0].relevant() == 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ({"brief": "cake"}, "relevant: a list of ids, or an object of grades"),
        ({"brief": "cake", "relevant": []}, "relevant: nothing is"),
        ({"brief": "cake", "relevant": {"ann": 0}}, "relevant: nothing is"),
        ({"brief": "cake", "relevant": {"ann": -1}}, "relevant.ann: a grade of 0 or more"),
        ({"brief": "cake", "relevant": {"ann": True}}, "relevant.ann: a grade of 0 or more"),
        ({"brief": "cake", "relevant": [7]}, "relevant: a list of ids"),
        ({"brief": "cake", "relevant": ["ann"], "irrelevant": "bea"}, "irrelevant: a list of ids"),
        ({"relevant": ["ann"]}, "one of brief, brand_id, aspects or images"),
        ({"brief": "cake", "colour": "red", "relevant": ["ann"]}, "colour: Extra inputs"),
        ({"brief": "cake", "filters": {"platfrom": "x"}, "relevant": ["ann"]}, "filters.platfrom: Extra inputs"),
        ({"brief": "cake", "limit": 5, "relevant": ["ann"]}, "limit: the evaluation gives it"),
        ({"query": "", "relevant": ["p1"]}, "query: words are wanted"),
        ({"query": "cat", "blend": 2, "relevant": ["p1"]}, "blend: Input should be less than or equal to 1"),
        ({"query": "cat", "brief": "cat", "relevant": ["p1"]}, "brief: no such field of a search"),
        ({"name": 3, "brief": "cake", "relevant": ["ann"]}, "name: a text is wanted"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(line: Any, why: str) -> None:
    """By number, before anything is asked."""
    with pytest.raises(BadLabels) as told:
        read({"brief": "bread", "relevant": ["ann"]}, line)
    assert list(told.value.errors) == [2]
    assert why in told.value.errors[2]


def test_all_wrong_lines_are_told_at_once_and_a_question_is_asked_once() -> None:
    """Two lines with one question are apart only by a name."""
    twice = {"brief": "bread", "relevant": ["ann"]}
    with pytest.raises(BadLabels) as told:
        read(twice, "{", twice)
    assert list(told.value.errors) == [2, 3]
    assert "the same question as line 1" in told.value.errors[3]
    assert len(read(twice, {**twice, "name": "again"})) == 2


def test_a_file_without_a_line_is_no_success() -> None:
    """Nothing judged is not nothing wrong."""
    with pytest.raises(BadLabels, match="no labelled brief"):
        read("", "  ")


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.floats(0, 9), min_size=1).filter(lambda g: max(g.values()) > 0)
)
def test_grades_are_read_as_they_are_written(grades: dict[str, float]) -> None:
    """Whatever the ids."""
    (one,) = read({"brief": "cake", "relevant": grades})
    assert one.grades == grades
