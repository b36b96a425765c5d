"""How Weaviate answers a filtered search: a function of how many objects the filter allows (hnsw/search.go, 1.35.2)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from workers.match.counts import Counts
from workers.match.filters import HardFilters
from workers.match.ports import Index

Method = Literal["exact", "acorn", "graph"]
ACORN_RATIO = 0.4
"""Over this part of the objects allowed, the server walks its graph and passes over the others
(HNSW_ACORN_FILTER_RATIO's default)."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Of ``facets`` there are ``allowed`` by the store's conditions; under ``cutoff`` of them the search is exact."""

    facets: int
    allowed: int
    cutoff: int
    method: Method


async def search_plan(index: Index, counts: Counts, filters: HardFilters) -> SearchPlan:
    """What the store says of the facets a match looks through; large counts are up to a minute old."""
    conditions = filters.all_conditions()
    if not conditions:
        facets, cutoff = await asyncio.gather(counts.objects(), index.flat_cutoff("Facet"))
        return SearchPlan(facets, facets, cutoff, method_of(facets, facets, cutoff, filtered=False))
    counted, cutoff = await asyncio.gather(counts.counted(conditions), index.flat_cutoff("Facet"))
    method = method_of(counted.objects, counted.allowed, cutoff, filtered=True)
    return SearchPlan(counted.objects, counted.allowed, cutoff, method)


def method_of(facets: int, allowed: int, cutoff: int, *, filtered: bool) -> Method:
    """``exact``: every allowed facet is compared; ``acorn``: the graph of the allowed ones; ``graph``: the whole graph.

    Without a filter the server always walks its graph.
    """
    if filtered and allowed < cutoff:
        return "exact"
    return "acorn" if filtered and allowed <= ACORN_RATIO * facets else "graph"
