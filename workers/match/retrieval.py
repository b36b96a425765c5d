"""From vectors and hard filters to candidates: near facets, their creators, and then every facet of those."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from workers.domain.queries import Condition
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array
from workers.match.filters import HardFilters, read_json
from workers.match.ports import Index
from workers.match.ranking import Candidate, CandidateFacet
from workers.match.search import MOST_FETCHED, depth

_CREATORS_AT_ONCE = 150
_FACETS_OF_A_CREATOR = 64


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Candidates in the order of their ids, and how many near ones each check on our side refused."""

    candidates: tuple[Candidate, ...]
    refused: Mapping[str, int]


class Retrieval:
    """Asks ``Facet`` twice: what is near, then all of who is near, so that the score sees a candidate whole."""

    def __init__(self, index: Index) -> None:
        self._index = index

    async def candidates(
        self, vectors: Array, filters: HardFilters, limit: int, lifts: Mapping[str, float]
    ) -> Retrieved:
        """Creators with a facet near one of the vectors (A, d) who pass every filter. ``lifts``: by creator."""
        # What is refused on our side after the fact must not eat up the shortlist.
        fetched = MOST_FETCHED if filters.checks else depth(limit)
        conditions = filters.all_conditions()
        near = await asyncio.gather(
            *(self._index.near("Facet", vector, limit=fetched, conditions=conditions) for vector in vectors)
        )
        creators = sorted({str(found.object.properties["creator_id"]) for hits in near for found in hits})
        facets = await self._facets(creators)
        kept, refused = [], Counter[str]()
        for creator_id in creators:
            # A creator whose facets were replaced between the two questions has some, or is gone.
            if not (own := facets.get(creator_id)):
                continue
            reason = filters.refusal(newest(own).properties)
            if reason is None:
                kept.append(candidate_of(creator_id, own, lifts.get(creator_id, 0.0)))
            else:
                refused[reason] += 1
        return Retrieved(tuple(kept), dict(refused))

    async def facets_of(self, creator_id: str, vectors: bool = True) -> list[StoredObject]:
        """Every searchable facet of one creator, the heaviest first."""
        condition = Condition("creator_id", "equal", creator_id)
        found = await self._index.matching("Facet", (condition,), limit=_FACETS_OF_A_CREATOR, vectors=vectors)
        return sorted(found, key=lambda each: (-number(each.properties, "share"), str(each.properties["facet_id"])))

    async def _facets(self, creators: Sequence[str]) -> Mapping[str, list[StoredObject]]:
        chunks = [creators[start : start + _CREATORS_AT_ONCE] for start in range(0, len(creators), _CREATORS_AT_ONCE)]
        answers = await asyncio.gather(
            *(
                self._index.matching(
                    "Facet",
                    (Condition("creator_id", "any_of", tuple(chunk)),),
                    limit=len(chunk) * _FACETS_OF_A_CREATOR,
                    vectors=True,
                )
                for chunk in chunks
            )
        )
        by_creator: dict[str, list[StoredObject]] = defaultdict(list)
        for answer in answers:
            for facet in answer:
                by_creator[str(facet.properties["creator_id"])].append(facet)
        return by_creator


def candidate_of(creator_id: str, facets: Sequence[StoredObject], lift: float) -> Candidate:
    """A candidate from its facets' objects; the copies of the profile come from the newest of them."""
    properties = newest(facets).properties
    last = properties.get("last_published_at")
    return Candidate(
        creator_id=creator_id,
        facets=tuple(sorted((facet_of(each) for each in facets), key=lambda facet: facet.facet_id)),
        audience=read_json(properties, "audience_json"),
        engagement=number(properties, "engagement") if "engagement" in properties else None,
        last_published_at=last if isinstance(last, datetime) else None,
        lift=lift,
    )


def facet_of(stored: StoredObject) -> CandidateFacet:
    """A facet as the score sees it, from its object (fetched with its vector)."""
    properties = stored.properties
    return CandidateFacet(
        facet_id=str(properties["facet_id"]),
        share=number(properties, "share"),
        posts=int(number(properties, "posts")),
        exemplar_post_id=str(properties["exemplar_post_id"]),
        vector=stored.vectors["facet"],
    )


def newest(facets: Sequence[StoredObject]) -> StoredObject:
    """The facet written last: its copies of the profile are the creator's newest."""
    return max(facets, key=lambda each: int(str(each.properties.get("creator_revision", 0))))


def number(properties: Mapping[str, PropertyValue], name: str) -> float:
    """A number among the properties, 0 where there is none."""
    value = properties.get(name, 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0
