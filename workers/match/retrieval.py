"""From vectors and hard filters to candidates: near facets, their creators, and then every facet of those."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from workers.domain.filters import SAFETY_PROPERTIES
from workers.domain.ids import bio_object_id, creator_object_id
from workers.domain.queries import Condition
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array
from workers.match.filters import HardFilters, read_json
from workers.match.judging import KnownSafety, known_safety
from workers.match.ports import Index
from workers.match.ranking import Candidate, CandidateFacet
from workers.match.safety import reason_of, scores_of
from workers.match.search import MOST_FETCHED, depth

_CREATORS_AT_ONCE = 150
_FACETS_OF_A_CREATOR = 64
OF_A_CREATOR = (
    *("creator_id", "creator_revision", "audience_json", "engagement", "last_published_at"),
    *SAFETY_PROPERTIES.values(),
)
"""What of a creator's profile the score sees: copied to each facet, so that one near facet of theirs brings it."""
OF_A_FACET = ("creator_id", "share", "posts", "exemplar_post_id")
"""What the score sees of each facet, besides its vector: most of a match's time goes into what is fetched."""
FLOORS = (0.0, 0.2, 0.4)
"""Shares from which on facets are asked for, each by a search of its own: the nearest facets of all are mostly small
parts of what creators post, and the score wants much of it (decision 0025: recall of the shortlist)."""
_ROUNDS = 4
"""How often to ask, each time without those who were seen, until there are enough for the shortlist: our side refuses
some, and the nearest facets may be many of few creators."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Candidates in the order of their ids, and how many near ones each check on our side refused.

    ``cuts``: per vector the cosine of the last facet that was near enough to be asked for; None where none was.
    """

    candidates: tuple[Candidate, ...]
    refused: Mapping[str, int]
    cuts: tuple[float | None, ...] = ()


class Retrieval:
    """Asks ``Facet`` twice: what is near, then all of who is near, so that the score sees a candidate whole."""

    def __init__(self, index: Index, model_version: str) -> None:
        self._index, self._model_version = index, model_version

    async def candidates(
        self,
        vectors: Array,
        filters: HardFilters,
        limit: int,
        lifts: Mapping[str, float],
        *,
        fetched: int | None = None,
    ) -> Retrieved:
        """Creators with a facet near one of the vectors (A, d) who pass every filter. ``lifts``: by creator.

        ``fetched``: how many facets to ask for by each vector, where it is not to follow from ``limit``; then, and
        where all that is near must be looked at, one search is made for each vector and not one for each of ``FLOORS``.
        """
        # What is refused on our side after the fact must not eat up the shortlist.
        floors = (0.0,) if fetched or filters.on_our_side else FLOORS
        fetched = MOST_FETCHED if filters.on_our_side else fetched or searched(limit, len(vectors))
        properties = tuple(dict.fromkeys((*OF_A_CREATOR, *(check.property for check in filters.checks.values()))))
        seen, bios, refused = dict[str, list[StoredObject]](), dict[str, Array](), dict[str, str]()
        profiles = dict[str, Mapping[str, PropertyValue]]()
        for _ in range(_ROUNDS):
            conditions = (*filters.all_conditions(), *_without(seen))
            near = await asyncio.gather(
                *(
                    self._index.near(
                        "Facet", vector, limit=fetched, conditions=(*conditions, *_over(floor)), properties=properties
                    )
                    for floor in floors
                    for vector in vectors
                )
            )
            found = _by_creator(each.object for hits in near for each in hits)
            copies = {creator_id: newest(own).properties for creator_id, own in found.items()}
            creators = sorted(found)
            facets, own_bios, now_refused = await asyncio.gather(
                self.facets_by_creator(creators), self.bios_of(creators), self._refused(filters, copies)
            )
            profiles |= copies
            # A creator whose facets were replaced between the two questions has some, or is gone.
            seen |= {creator_id: own for creator_id, own in facets.items() if own}
            bios, refused = bios | own_bios, refused | now_refused
            if len(seen) - len(refused) >= limit or all(len(hits) < fetched for hits in near):
                break
        kept = sorted(seen.keys() - refused.keys())
        candidates = (
            candidate_of(name, seen[name], lifts.get(name, 0.0), bios.get(name), profiles[name]) for name in kept
        )
        cuts = tuple(hits[-1].cosine if hits else None for hits in near[: len(vectors)])
        return Retrieved(tuple(candidates), Counter(refused.values()), cuts)

    async def _refused(self, filters: HardFilters, copies: Mapping[str, Mapping[str, PropertyValue]]) -> dict[str, str]:
        """Of these creators (their profiles' copies), those that a check on our side refuses, and its reason."""
        if not filters.on_our_side:
            return {}
        refused = {name: reason for name, own in copies.items() if (reason := filters.refusal(own)) is not None}
        looks = filters.look_back
        if looks is None:
            return refused
        unsure = [name for name, own in copies.items() if name not in refused and looks.must_see(name, scores_of(own))]
        known = await self.safety_of(unsure)
        for name in unsure:
            # Facets are written before their Creator: until that is there, nothing is forgiven.
            if found := looks.refusals(name, known.get(name) or KnownSafety(scores_of(copies[name]))):
                refused[name] = reason_of(found[0].rule.category)
        return refused

    async def safety_of(self, creators: Sequence[str]) -> dict[str, KnownSafety]:
        """All that is known of these creators' safety, of those who are there: by id, in one request."""
        ids = {creator_object_id(creator_id, self._model_version): creator_id for creator_id in creators}
        found = await self._index.fetch("Creator", list(ids), properties=("safety_json",)) if ids else {}
        return {ids[name]: known_safety(each.properties) for name, each in found.items()}

    async def facets_of(self, creator_id: str, vectors: bool = True) -> list[StoredObject]:
        """Every searchable facet of one creator, the heaviest first."""
        condition = Condition("creator_id", "equal", creator_id)
        found = await self._index.matching("Facet", (condition,), limit=_FACETS_OF_A_CREATOR, vectors=vectors)
        return sorted(found, key=lambda each: (-number(each.properties, "share"), str(each.properties["facet_id"])))

    async def facets_by_creator(self, creators: Sequence[str]) -> Mapping[str, list[StoredObject]]:
        """Every searchable facet of each of these creators, with its vector and ``OF_A_FACET``."""
        chunks = [creators[start : start + _CREATORS_AT_ONCE] for start in range(0, len(creators), _CREATORS_AT_ONCE)]
        answers = await asyncio.gather(
            *(
                self._index.matching(
                    "Facet",
                    (Condition("creator_id", "any_of", tuple(chunk)),),
                    limit=len(chunk) * _FACETS_OF_A_CREATOR,
                    vectors=True,
                    properties=OF_A_FACET,
                )
                for chunk in chunks
            )
        )
        return _by_creator(facet for answer in answers for facet in answer)

    async def bios_of(self, creators: Sequence[str]) -> dict[str, Array]:
        """The bios' vectors by creator, of those who have one: by id, in one request."""
        ids = {bio_object_id(creator_id, self._model_version): creator_id for creator_id in creators}
        found = await self._index.fetch("Bio", list(ids), vectors=True, properties=())
        return {ids[name]: each.vectors["bio"] for name, each in found.items() if "bio" in each.vectors}


def searched(limit: int, aspects: int) -> int:
    """How many facets each search of a match asks for. Whom two aspects find together neither may find first."""
    return depth(limit) if aspects > 1 else depth(limit) // 2


def _over(floor: float) -> tuple[Condition, ...]:
    return (Condition("share", "at_least", floor),) if floor else ()


def _without(seen: Collection[str]) -> tuple[Condition, ...]:
    return (Condition("creator_id", "none_of", tuple(sorted(seen))),) if seen else ()


def arrays_of(facets: Sequence[StoredObject]) -> tuple[Array, Array]:
    """Facets' vectors (n, d) and shares (n,)."""
    vectors = np.asarray([each.vectors["facet"] for each in facets], dtype=np.float64)
    return vectors, np.array([number(each.properties, "share") for each in facets])


def _by_creator(facets: Iterable[StoredObject]) -> dict[str, list[StoredObject]]:
    by_creator: dict[str, list[StoredObject]] = defaultdict(list)
    for facet in facets:
        by_creator[str(facet.properties["creator_id"])].append(facet)
    return by_creator


def candidate_of(
    creator_id: str,
    facets: Sequence[StoredObject],
    lift: float,
    bio: Array | None = None,
    profile: Mapping[str, PropertyValue] | None = None,
) -> Candidate:
    """A candidate from its facets' objects. ``profile``: its copies; where not given, from the newest of the facets."""
    properties = newest(facets).properties if profile is None else profile
    last = properties.get("last_published_at")
    return Candidate(
        creator_id=creator_id,
        facets=tuple(sorted((facet_of(each) for each in facets), key=lambda facet: facet.facet_id)),
        audience=read_json(properties, "audience_json"),
        engagement=number(properties, "engagement") if "engagement" in properties else None,
        last_published_at=last if isinstance(last, datetime) else None,
        lift=lift,
        bio=bio,
        safety=scores_of(properties),
    )


def facet_of(stored: StoredObject) -> CandidateFacet:
    """A facet as the score sees it, from its object (fetched with its vector)."""
    properties = stored.properties
    return CandidateFacet(
        facet_id=str(stored.id),
        share=number(properties, "share"),
        exemplar_post_id=str(properties["exemplar_post_id"]),
        vector=stored.vectors["facet"],
        posts=int(number(properties, "posts")),
    )


def newest(facets: Sequence[StoredObject]) -> StoredObject:
    """The facet whose vector is of the newest revision: until a creator is settled copies may be behind, a little."""
    return max(facets, key=lambda each: int(str(each.properties.get("creator_revision", 0))))


def number(properties: Mapping[str, PropertyValue], name: str) -> float:
    """A number among the properties, 0 where there is none."""
    value = properties.get(name, 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0
