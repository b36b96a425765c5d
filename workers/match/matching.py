"""A brief in, a shortlist out: aspects, hard filters, candidates, score, and the record of what was served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from workers.core.clock import Clock
from workers.domain.erasure import Erasures
from workers.domain.events import Aspect, BrandBriefed, FeedbackSignalled, MatchServed, Shortlisted
from workers.domain.feedback import Posterior, Prior, posterior
from workers.domain.vectors import Array
from workers.match.affinity import CreatorSet, creator_set, teachers
from workers.match.asking import ask
from workers.match.counts import Counts
from workers.match.filters import HardFilters, creator_filters
from workers.match.judging import may_be_reviewed
from workers.match.ports import Brands, Index, Outbox, QueryEncoder, Signals
from workers.match.problems import not_found
from workers.match.ranking import DEFAULT_WEIGHTS, POLICY, Question, Ranked
from workers.match.requests import MatchRequest
from workers.match.retrieval import Retrieval, Retrieved, arrays_of
from workers.match.safety import policy_of
from workers.match.safety_notes import Removed, SafetyNotes, explain_policy, notes
from workers.match.search import check_model
from workers.match.search_plan import SearchPlan, search_plan
from workers.match.why import Asked, Reasons, Why
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
    """What was served, with what explains it. ``allowed``: creators that meet every condition of the store.

    ``plan``, ``why`` and ``allowed`` where they were asked for. ``safety``: the shortlist's scores and what a person
    must look at.
    """

    match_id: str
    served_at: datetime
    aspects: tuple[Aspect, ...]
    ranked: tuple[Ranked, ...]
    removed: Removed
    posteriors: Mapping[str, Posterior]
    weights: Mapping[str, float]
    candidates: int
    creators: int
    allowed: int | None
    safety: SafetyNotes
    plan: SearchPlan | None = None
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class _Counts:
    """Creators in the index, how many each reason refuses, and how many all of them allow, where that is asked."""

    creators: int
    refused: dict[str, int]
    allowed: int | None


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
        erasures: Erasures,
    ) -> None:
        self._index, self._encoder, self._outbox = index, encoder, outbox
        self._brands, self._signals = brands, signals
        self._constants, self._clock, self._new_id = constants, clock, new_id
        self._retrieval = Retrieval(index, encoder.model_version)
        self._counts, self._facet_counts = Counts(index, clock), Counts(index, clock, "Facet")
        self._reasons = Reasons(index, self._retrieval, encoder.model_version, erasures)

    async def match(self, request: MatchRequest) -> Match:
        """Raises problems (404 for a brand that is not known, 422, 503) and ``Unavailable``."""
        now = self._clock.now()
        brand = self._brand(request.brand_id)
        aspects, vectors = await self._encoded(request, brand)
        filters, posteriors = creator_filters(request.filters, brand, now), self._posteriors(request.brand_id, now)
        lifts = {creator_id: one.lift for creator_id, one in posteriors.items()}
        with stage(WORKER, "query"):
            retrieved, counted, taught, plan = await asyncio.gather(
                self._retrieval.candidates(vectors, filters, request.limit, lifts),
                self._counted(filters, explained=request.explain),
                self._taught(lifts),
                self._plan(request, filters),
            )
        question = Question(
            vectors, np.array([each.weight for each in aspects]), dict(request.audience.items()), taught
        )
        weights = {**DEFAULT_WEIGHTS, **request.weights.model_dump(exclude_none=True)}
        asked = Asked(question, filters, weights, self._constants.temperature, now, request.limit)
        with stage(WORKER, "rank"):
            ranked = asked.rank(retrieved.candidates, request.limit)
        match = Match(
            match_id=self._new_id(),
            served_at=now,
            aspects=aspects,
            ranked=tuple(ranked),
            removed=_removed(filters, counted, retrieved),
            posteriors={one.creator_id: posteriors[one.creator_id] for one in ranked if one.creator_id in posteriors},
            weights=weights,
            candidates=len(retrieved.candidates),
            creators=counted.creators,
            allowed=counted.allowed,
            safety=await self._safety(request, brand, ranked, retrieved, now),
            plan=plan,
            why=await self._why(request.explain_creator_id, asked, retrieved, lifts),
        )
        await self._record(match, request)
        return match

    def _brand(self, brand_id: str | None) -> BrandBriefed | None:
        if brand_id is None:
            return None
        brand = self._brands.get(brand_id)
        if brand is None:
            raise not_found("brand", brand_id)
        return brand

    def _posteriors(self, brand_id: str | None, now: datetime) -> dict[str, Posterior]:
        signals: Mapping[str, FeedbackSignalled] = self._signals.of_brand(brand_id) if brand_id is not None else {}
        return {
            creator_id: posterior(signal.statistics, self._constants.prior, now)
            for creator_id, signal in signals.items()
        }

    async def _taught(self, lifts: Mapping[str, float]) -> CreatorSet:
        """Of whom this brand learned most, as they are now."""
        learned = teachers(lifts)
        facets = await self._retrieval.facets_by_creator(sorted(learned)) if learned else {}
        return creator_set({name: arrays_of(own) for name, own in facets.items()}, learned)

    async def _safety(
        self,
        request: MatchRequest,
        brand: BrandBriefed | None,
        ranked: Sequence[Ranked],
        retrieved: Retrieved,
        now: datetime,
    ) -> SafetyNotes:
        policy = policy_of(brand)
        known = {each.creator_id: each.safety for each in retrieved.candidates}
        scores = {one.creator_id: known[one.creator_id] for one in ranked}
        unsure = [name for name, own in scores.items() if policy and may_be_reviewed(policy, name, own)]
        seen = await self._retrieval.safety_of(unsure)
        return notes(policy, scores, seen, now, request.filters.unknown_safety)

    async def _plan(self, request: MatchRequest, filters: HardFilters) -> SearchPlan | None:
        return await search_plan(self._index, self._facet_counts, filters) if request.explain else None

    async def _why(
        self, creator_id: str | None, asked: Asked, retrieved: Retrieved, lifts: Mapping[str, float]
    ) -> Why | None:
        if creator_id is None:
            return None
        return await self._reasons.why(creator_id, asked, retrieved, lifts.get(creator_id, 0.0))

    async def _encoded(self, request: MatchRequest, brand: BrandBriefed | None) -> tuple[tuple[Aspect, ...], Array]:
        """Aspects and their vectors, while the pointer is asked which model is served. Its problem comes first."""
        with stage(WORKER, "encode"):
            checked, encoded = await asyncio.gather(
                check_model(self._index, self._encoder), ask(request, brand, self._encoder), return_exceptions=True
            )
        for each in (checked, encoded):
            if isinstance(each, BaseException):
                raise each
        assert not isinstance(encoded, BaseException)
        return encoded

    async def _counted(self, filters: HardFilters, *, explained: bool) -> _Counts:
        every = [filters.all_conditions()] if explained and filters.conditions else []
        creators, found = await asyncio.gather(
            self._counts.objects(),
            asyncio.gather(*map(self._counts.counted, [*filters.conditions.values(), *every])),
        )
        refused = {reason: each.refused for reason, each in zip(filters.conditions, found, strict=False)}
        allowed = found[-1].allowed if every else creators if explained else None
        return _Counts(creators, refused, allowed)

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
            safety_policy_version=match.safety.policy.version if match.safety.policy else None,
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
        **({"search": asdict(match.plan)} if match.plan else {}),
        **({"safety": explain_policy(match.safety.policy, match.removed)} if match.safety.policy else {}),
    }


def _shortlist(ranked: Sequence[Ranked]) -> tuple[Shortlisted, ...]:
    return tuple(
        Shortlisted(creator_id=one.creator_id, rank=one.rank, score=one.score, propensity=CERTAIN, features=one.parts)
        for one in ranked
    )


def _removed(filters: HardFilters, counted: _Counts, retrieved: Retrieved) -> Removed:
    ours = (*filters.checks, *(filters.look_back.reasons() if filters.look_back else ()))
    return Removed(counted.refused, {reason: retrieved.refused.get(reason, 0) for reason in ours})
