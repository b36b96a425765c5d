"""Why a named creator is not in a shortlist, or where it stands: each cause with the value that makes it so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from workers.domain.erasure import Erasures
from workers.domain.filters import SAFETY_PROPERTIES
from workers.domain.ids import creator_object_id
from workers.domain.queries import Condition, Relation, all_hold
from workers.domain.stored import PropertyValue, StoredObject
from workers.match.filters import Check, HardFilters
from workers.match.judging import NOTHING_KNOWN, Finding, KnownSafety, known_safety
from workers.match.ports import Index
from workers.match.ranking import Candidate, Question, Ranked, rank
from workers.match.retrieval import Retrieval, Retrieved, candidate_of, newest
from workers.match.safety import reason_of, scores_of

Verdict = Literal["unknown", "erased", "not_searchable", "refused", "not_near", "ranked", "shortlisted"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A hard filter that a creator does not meet: its reason, what it wants, and what is known of the creator."""

    reason: str
    wanted: tuple[str, ...]
    found: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Nearness:
    """A creator's facet nearest to an aspect, and the cosine that was needed: None where nothing was found at all."""

    facet_id: str
    exemplar_post_id: str
    cosine: float
    cut: float | None


@dataclass(frozen=True, slots=True)
class Why:
    """What became of a creator. ``own``: its place and parts; of one who is refused or not near, those it would have.

    ``of``: how many creators were ranked; ``last`` the last one of the shortlist.
    """

    creator_id: str
    verdict: Verdict
    refused: tuple[Refusal, ...] = ()
    nearest: tuple[Nearness, ...] = ()
    own: Ranked | None = None
    of: int = 0
    last: Ranked | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A match as it was ranked."""

    question: Question
    filters: HardFilters
    weights: Mapping[str, float]
    temperature: float
    now: datetime
    limit: int

    def rank(self, candidates: Sequence[Candidate], limit: int) -> list[Ranked]:
        """The best of these candidates, as this match ranks."""
        return rank(candidates, self.question, self.weights, temperature=self.temperature, now=self.now, limit=limit)


class Reasons:
    """Asks the index about one creator, once a match is ranked."""

    def __init__(self, index: Index, retrieval: Retrieval, model_version: str, erasures: Erasures) -> None:
        self._index, self._retrieval, self._model_version = index, retrieval, model_version
        self._erasures = erasures

    async def why(self, creator_id: str, asked: Asked, retrieved: Retrieved, lift: float) -> Why:
        """One verdict, the first that holds: erased, unknown, not searchable, refused, not near, or its place."""
        if self._erasures.erased(creator_id):
            return Why(creator_id, "erased")
        name = creator_object_id(creator_id, self._model_version)
        whole = (await self._index.fetch("Creator", [name])).get(name)
        facets = await self._retrieval.facets_of(creator_id)
        if whole is None and not facets:
            return Why(creator_id, "unknown")
        properties = newest(facets).properties if facets else whole.properties if whole else {}
        known = known_safety(whole.properties) if whole else KnownSafety(scores_of(properties))
        refused = refusals(asked.filters, properties, known)
        if not facets:
            return Why(creator_id, "not_searchable", refused)
        among = {each.creator_id: each for each in retrieved.candidates}
        bios = await self._retrieval.bios_of([creator_id])
        candidate = among.get(creator_id) or candidate_of(creator_id, facets, lift, bios.get(creator_id))
        nearest = nearness(facets, asked.question, retrieved.cuts)
        others = asked.rank(list(among.values()), len(among))
        shortlist = others[: asked.limit]
        last = shortlist[-1] if shortlist else None
        # Ranked with the others only where it was: a part may look at all who are ranked.
        ranked = others if creator_id in among else asked.rank([*among.values(), candidate], len(among) + 1)
        own = next(one for one in ranked if one.creator_id == creator_id)
        if creator_id in among:
            verdict: Verdict = "shortlisted" if own.rank <= asked.limit else "ranked"
            return Why(creator_id, verdict, (), nearest, own, len(others), last)
        return Why(creator_id, "refused" if refused else "not_near", refused, nearest, own, len(others), last)


def refusals(
    filters: HardFilters, properties: Mapping[str, PropertyValue], known: KnownSafety = NOTHING_KNOWN
) -> tuple[Refusal, ...]:
    """Every hard filter that a creator of these properties does not meet, in the filters' order.

    What safety refuses names the posts that caused it, as far as ``known`` has them.
    """
    by_condition = [
        Refusal(
            reason,
            tuple(map(_said, own)),
            {each.property: properties.get(each.property) for each in own} | _causes(reason, known),
        )
        for reason, own in filters.conditions.items()
        if not all_hold(own, properties)
    ]
    by_check = [
        Refusal(reason, (_bound(check),), {".".join((check.property, *check.path)): check.value(properties)})
        for reason, check in filters.checks.items()
        if not check.holds(properties)
    ]
    creator_id = str(properties.get("creator_id", ""))
    by_look_back = [
        _by_rule(each) for each in (filters.look_back.refusals(creator_id, known) if filters.look_back else ())
    ]
    return (*by_condition, *by_check, *by_look_back)


def _causes(reason: str, known: KnownSafety) -> dict[str, list[str]]:
    posts = known.causes(reason.removeprefix("safety.")) if reason.startswith("safety.") else ()
    return {"posts": [post.post_id for post in posts]} if posts else {}


def _by_rule(found: Finding) -> Refusal:
    rule, name = found.rule, SAFETY_PROPERTIES[found.rule.category]
    wanted = f"{name} below {rule.threshold} in the last {rule.look_back_days} days"
    posts = {"posts": list(found.posts)} if found.posts else {}
    return Refusal(reason_of(rule.category), (wanted,), {name: found.score} | posts)


_MOST_SHOWN = 10
_RELATIONS: Mapping[Relation, str] = {
    "equal": "is",
    "any_of": "any of",
    "none_of": "none of",
    "at_least": "at least",
    "at_most": "at most",
    "not_over": "not known to be over",
}


def _said(condition: Condition) -> str:
    own = f"{condition.property} {_RELATIONS[condition.relation]} {_value(condition.value)}"
    return own if condition.otherwise is None else f"{own}, or {_said(condition.otherwise)}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        rest = len(value) - _MOST_SHOWN
        return ", ".join(value[:_MOST_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
    # A safety rule's bound is the number just below its threshold.
    return (
        value.isoformat() if isinstance(value, datetime) else f"{value:.6g}" if isinstance(value, float) else f"{value}"
    )


def _bound(check: Check) -> str:
    return f"{'.'.join(check.path)} at least {check.least}, and known"


def nearness(facets: Sequence[StoredObject], question: Question, cuts: Sequence[float | None]) -> tuple[Nearness, ...]:
    """For each aspect the facet that is nearest to it, by the exact vectors, and the cut of the search."""
    vectors = np.asarray([each.vectors["facet"] for each in facets], dtype=np.float64)
    cosines = vectors @ np.asarray(question.vectors, dtype=np.float64).T
    best = cosines.argmax(axis=0)
    return tuple(
        Nearness(
            facet_id=str(facets[place].properties["facet_id"]),
            exemplar_post_id=str(facets[place].properties["exemplar_post_id"]),
            cosine=float(cosines[place, aspect]),
            cut=cuts[aspect],
        )
        for aspect, place in enumerate(best)
    )
