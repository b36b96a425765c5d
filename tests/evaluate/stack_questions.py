"""What is asked: briefs about topics of the pool, as requests of the match API and as conditions of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from tests.evaluate.stack_cells import CELLS, Cell, followers_at
from tests.evaluate.stack_pool import Pool, embedded_questions
from workers.adapters.weaviate.queries import to_filter
from workers.config import Settings
from workers.domain.model_card import ModelCard
from workers.domain.vectors import Array
from workers.match.filters import creator_filters
from workers.match.ranking import DEFAULT_WEIGHTS
from workers.match.requests import Filters

SLICES: Final = 16
"""The axis in as many parts as there are niches: people ask for ranges of followers that others have asked for."""
SEMANTIC_ALONE: Final[Mapping[str, float]] = dict.fromkeys(DEFAULT_WEIGHTS, 0.0) | {"semantic": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One brief: its aspects as words and as vectors (A, d), and where on the axis the first of them lies, 0 to 1."""

    words: tuple[str, ...]
    vectors: Array
    place: float

    def request(self, cell: Cell, **more: Any) -> dict[str, Any]:
        """The body for the match API."""
        aspects = [{"text": text, "weight": 1.0} for text in self.words]
        return {"aspects": aspects, "filters": cell.filters(self.place), "limit": 10, **more}


def store_filter(cell: Cell, place: float) -> Any:
    """The filter of the same request for Weaviate, by the API's own code."""
    asked = Filters.model_validate(cell.filters(place))
    return to_filter(creator_filters(asked, None, datetime.now(UTC)).all_conditions())


async def asked_questions(settings: Settings, card: ModelCard, pool: Pool, count: int, seed: int) -> list[Question]:
    """``count`` briefs of one aspect, each with other words until all are used up."""
    words = [(text, (index + 0.5) / len(pool.words)) for index, own in enumerate(pool.words) for text in own]
    order = np.random.default_rng(seed).permutation(len(words))
    chosen = [words[order[number % len(order)]] for number in range(count)]
    vectors = await embedded_questions(settings, card, [text for text, _ in chosen])
    return [
        Question((text,), vectors[number : number + 1], (int(place * SLICES) + 0.5) / SLICES)
        for number, (text, place) in enumerate(chosen)
    ]


def in_pairs(questions: Sequence[Question]) -> list[Question]:
    """Briefs of two aspects: of every other question, with the one after it."""
    return [
        Question((*one.words, *other.words), np.concatenate((one.vectors, other.vectors)), one.place)
        for one, other in zip(questions[::2], questions[1::2], strict=False)
    ]


def first_asked(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Requests whose filters nobody has asked for: of half the creators, each range another one."""
    bodies = []
    for number, question in enumerate(questions):
        low = (number + 0.5) / (4 * len(questions))
        followers = {"min": followers_at(low), "max": followers_at(low + 0.5)}
        bodies.append({**question.request(CELLS[0]), "filters": {"followers": followers}})
    return bodies
