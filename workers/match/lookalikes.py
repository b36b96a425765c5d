"""Look-alikes: creators near a creator, near all of several, and away from others. Nobody who is named is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workers.core.clock import Clock
from workers.domain.queries import Condition
from workers.domain.vectors import Array
from workers.match.affinity import CreatorSet, creator_set
from workers.match.filters import HardFilters, creator_filters
from workers.match.ports import Index, QueryEncoder
from workers.match.problems import not_found
from workers.match.ranking import AWAY, DEFAULT_WEIGHTS, Question, Ranked, rank
from workers.match.requests import SimilarRequest
from workers.match.retrieval import Retrieval, arrays_of
from workers.match.search import LEAST_FETCHED, check_model, depth

SIMILAR_WEIGHTS: Mapping[str, float] = {**dict.fromkeys(DEFAULT_WEIGHTS, 0.0), "semantic": 1.0, AWAY: 0.5}
"""To be wholly alike an unlike creator costs half of what to be wholly alike the like ones brings."""
MOST_QUESTIONS = 32
"""The heaviest facets of the like creators are searched near; the score sees all of them."""
_FACETS_FETCHED = 8 * LEAST_FETCHED


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """Who was found, the weights of the parts, and the known safety scores of who was found by creator."""

    ranked: tuple[Ranked, ...]
    weights: Mapping[str, float]
    safety: Mapping[str, Mapping[str, float]]


class LookAlikeFinder:
    """The like creators' facets are the brief, each weighing its share; each of the creators weighs the same."""

    def __init__(self, index: Index, encoder: QueryEncoder, temperature: float, clock: Clock) -> None:
        self._index, self._encoder = index, encoder
        self._retrieval = Retrieval(index, encoder.model_version)
        self._temperature, self._clock = temperature, clock

    async def similar(self, request: SimilarRequest) -> LookAlikes:
        """Raises the problem ``not_found`` for a named creator who has nothing searchable, and ``Unavailable``."""
        await check_model(self._index, self._encoder)
        like, unlike = await asyncio.gather(self._named(request.like), self._named(request.unlike))
        aspects = like.shares * np.repeat(like.weights, np.diff(np.append(like.starts, len(like.shares))))
        aspects = aspects / aspects.sum()
        filters = self._filters(request)
        found = await self._retrieval.candidates(
            _heaviest(like.vectors, aspects), filters, request.limit, {}, fetched=_fetched(request, len(aspects))
        )
        question = Question(like.vectors, aspects, {}, unlike=unlike)
        weights = {**SIMILAR_WEIGHTS, **request.weights.model_dump(exclude_none=True)}
        ranked = rank(
            found.candidates,
            question,
            weights,
            temperature=self._temperature,
            now=self._clock.now(),
            limit=request.limit,
        )
        safety = {each.creator_id: each.safety for each in found.candidates}
        return LookAlikes(tuple(ranked), weights, safety)

    async def _named(self, creators: Sequence[str]) -> CreatorSet:
        names = tuple(dict.fromkeys(creators))
        facets = await self._retrieval.facets_by_creator(names) if names else {}
        if missing := [name for name in names if not facets.get(name)]:
            raise not_found("creator", missing[0])
        arrays = {name: arrays_of(own) for name, own in facets.items()}
        return creator_set(arrays, dict.fromkeys(names, 1.0))

    def _filters(self, request: SimilarRequest) -> HardFilters:
        filters = creator_filters(request.filters, None, self._clock.now())
        named = (Condition("creator_id", "none_of", (*request.like, *request.unlike)),)
        return HardFilters({**filters.conditions, "named": named}, filters.checks)


def _heaviest(vectors: Array, weights: Array) -> Array:
    """The vectors to search near: as many as ``MOST_QUESTIONS``, the heaviest, in their order."""
    return np.asarray(vectors[np.sort(np.argsort(-weights, kind="stable")[:MOST_QUESTIONS])])


def _fetched(request: SimilarRequest, questions: int) -> int:
    """How many facets each question asks for: fewer where there are many, so that the answers stay of one size."""
    return max(3 * request.limit, min(depth(request.limit), _FACETS_FETCHED // min(questions, MOST_QUESTIONS)))
