"""The bundled model's evaluation set is kept whole: it was written before the work that it judges."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from workers.config import REPOSITORY

FOLDER = REPOSITORY / "triton_models" / "evaluation"


def read(name: str) -> Any:
    """One of its files."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def test_fifty_briefs_each_have_more_answers_than_are_looked_at() -> None:
    """Of the first five found all can be relevant; beauty and sport, where the first version is weak, have six."""
    briefs = read("briefs.json")
    assert len({entry["brief"] for entry in briefs}) == 50
    for entry in briefs:
        assert len(set(entry["relevant"])) == len(entry["relevant"]) >= 6, entry["brief"]
    themes = Counter(entry["theme"] for entry in briefs)
    assert themes["beauty"] >= 6
    assert themes["sport"] >= 6


def test_the_words_that_nothing_may_be_trained_on_are_written_down() -> None:
    """150 single words."""
    words = read("held_out_words.json")
    assert len(set(words)) == 150
    assert all(word.isalpha() and word.islower() for word in words)
