"""A brief in, a shortlist out: aspects, hard filters, candidates, score, and the record of what was served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from workers.core.clock import Clock
from workers.domain.events import Aspect, BrandBriefed, FeedbackSignalled, MatchServed, Shortlisted
from workers.domain.feedback import Posterior, Prior, posterior
from workers.domain.vectors import Array
from workers.match.aspects import PICTURES, plan_aspects
from workers.match.filters import HardFilters, creator_filters
from workers.match.ports import Brands, Index, Outbox, QueryEncoder, Signals
from workers.match.problems import invalid, not_found
from workers.match.ranking import DEFAULT_WEIGHTS, POLICY, Question, Ranked, rank
from workers.match.requests import MatchRequest
from workers.match.retrieval import Retrieval, Retrieved
from workers.match.search import check_model
from workers.metrics import stage

WORKER = "match"
NO_MODEL = "none"
"""What stands for the reranker until there is one."""
CERTAIN = 1.0
"""The propensity of every place under a policy without chance."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What the score takes from settings."""

    temperature: float
    prior: Prior


@dataclass(frozen=True, slots=True)
class Match:
    """What was served, with what explains it. ``allowed``: creators that meet every condition of the store."""

    match_id: str
    served_at: datetime
    aspects: tuple[Aspect, ...]
    ranked: tuple[Ranked, ...]
    filtered_out: Mapping[str, int]
    posteriors: Mapping[str, Posterior]
    weights: Mapping[str, float]
    candidates: int
    creators: int
    allowed: int


class Matcher:
    """Answers after ``MatchServed`` is acknowledged, so that a booking made from the answer finds its match."""

    def __init__(
        self,
        index: Index,
        encoder: QueryEncoder,
        brands: Brands,
        signals: Signals,
        outbox: Outbox,
        constants: Constants,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._index, self._encoder, self._outbox = index, encoder, outbox
        self._brands, self._signals = brands, signals
        self._constants, self._clock, self._new_id = constants, clock, new_id
        self._retrieval = Retrieval(index)

    async def match(self, request: MatchRequest) -> Match:
        """Raises problems (404 for a brand that is not known, 422, 503) and ``Unavailable``."""
        await check_model(self._index, self._encoder)
        now = self._clock.now()
        brand = self._brand(request.brand_id)
        with stage(WORKER, "encode"):
            aspects, vectors = await self._ask(request, brand)
        posteriors = self._posteriors(request.brand_id, now)
        filters = creator_filters(request.filters, brand, now)
        lifts = {creator_id: one.lift for creator_id, one in posteriors.items()}
        with stage(WORKER, "query"):
            retrieved, counts = await asyncio.gather(
                self._retrieval.candidates(vectors, filters, request.limit, lifts), self._counts(filters)
            )
        weights = {**DEFAULT_WEIGHTS, **request.weights.model_dump(exclude_none=True)}
        question = Question(vectors, np.array([aspect.weight for aspect in aspects]), dict(request.audience.items()))
        with stage(WORKER, "rank"):
            ranked = rank(
                retrieved.candidates,
                question,
                weights,
                temperature=self._constants.temperature,
                now=now,
                limit=request.limit,
            )
        match = Match(
            match_id=self._new_id(),
            served_at=now,
            aspects=aspects,
            ranked=tuple(ranked),
            filtered_out=_filtered_out(filters, counts, retrieved),
            posteriors={one.creator_id: posteriors[one.creator_id] for one in ranked if one.creator_id in posteriors},
            weights=weights,
            candidates=len(retrieved.candidates),
            creators=counts[""],
            allowed=counts["allowed"],
        )
        await self._record(match, request)
        return match

    async def similar(self, creator_id: str, limit: int) -> list[Ranked]:
        """Creators whose facets are near this one's, each facet weighing its share; never the creator."""
        await check_model(self._index, self._encoder)
        own = await self._retrieval.facets_of(creator_id)
        if not own:
            raise not_found("creator", creator_id)
        shares = np.array([float(str(each.properties["share"])) for each in own])
        vectors = np.array([each.vectors["facet"] for each in own])
        near = await self._retrieval.candidates(vectors, HardFilters(), limit + 1, {})
        others = [candidate for candidate in near.candidates if candidate.creator_id != creator_id]
        question = Question(vectors, shares / shares.sum(), {})
        semantic = dict.fromkeys(DEFAULT_WEIGHTS, 0.0) | {"semantic": 1.0}
        temperature, now = self._constants.temperature, self._clock.now()
        return rank(others, question, semantic, temperature=temperature, now=now, limit=limit)

    def _brand(self, brand_id: str | None) -> BrandBriefed | None:
        if brand_id is None:
            return None
        brand = self._brands.get(brand_id)
        if brand is None:
            raise not_found("brand", brand_id)
        return brand

    async def _ask(self, request: MatchRequest, brand: BrandBriefed | None) -> tuple[tuple[Aspect, ...], Array]:
        """The aspects and their vectors (A, d). What the request says stands in place of the brand's own."""
        said = bool(request.brief or request.aspects or request.images)
        brief = request.brief or ("" if said or brand is None else brand.brief)
        images = request.images or (() if said or brand is None else brand.images)
        try:
            aspects = plan_aspects(brief, request.aspects, pictures=bool(images))
        except ValueError as error:
            raise invalid(str(error)) from error
        texts = [aspect.text for aspect in (aspects[:-1] if images else aspects)]
        rows: list[Array] = []
        if texts:
            rows.extend(await self._encoder.texts(texts))
        if images:
            rows.append(await self._encoder.pictures(images))
        assert not images or aspects[-1].text == PICTURES
        return aspects, np.array(rows)

    def _posteriors(self, brand_id: str | None, now: datetime) -> dict[str, Posterior]:
        signals: Mapping[str, FeedbackSignalled] = self._signals.of_brand(brand_id) if brand_id is not None else {}
        return {
            creator_id: posterior(signal.statistics, self._constants.prior, now)
            for creator_id, signal in signals.items()
        }

    async def _counts(self, filters: HardFilters) -> dict[str, int]:
        """Creators in the index (under the empty name), those that each reason allows, and those that all allow."""
        asked = {"": (), **filters.conditions, "allowed": filters.all_conditions()}
        counts = await asyncio.gather(*(self._index.count("Creator", own) for own in asked.values()))
        return dict(zip(asked, counts, strict=True))

    async def _record(self, match: Match, request: MatchRequest) -> None:
        event = MatchServed(
            match_id=match.match_id,
            brand_id=request.brand_id,
            served_at=match.served_at,
            aspects=match.aspects,
            filters_json=request.filters.model_dump_json(exclude_defaults=True),
            shortlist=_shortlist(match.ranked),
            policy=POLICY,
            model=NO_MODEL,
            model_version=self._encoder.model_version,
        )
        await self._outbox.publish("matches", event, id=match.match_id, time=match.served_at)


def explain(match: Match) -> dict[str, Any]:
    """What the answer rests on besides its hits."""
    return {
        "aspects": [aspect.model_dump() for aspect in match.aspects],
        "weights": dict(match.weights),
        "creators": match.creators,
        "allowed": match.allowed,
        "candidates": match.candidates,
    }


def _shortlist(ranked: Sequence[Ranked]) -> tuple[Shortlisted, ...]:
    return tuple(
        Shortlisted(creator_id=one.creator_id, rank=one.rank, score=one.score, propensity=CERTAIN, features=one.parts)
        for one in ranked
    )


def _filtered_out(filters: HardFilters, counts: Mapping[str, int], retrieved: Retrieved) -> dict[str, int]:
    refused = {reason: counts[""] - counts[reason] for reason in filters.conditions}
    refused |= {reason: retrieved.refused.get(reason, 0) for reason in filters.checks}
    return refused
