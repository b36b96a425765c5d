"""Recall: of Weaviate's filtered search against exact search, and of matches against all creators there are.

The bar is the whole table: a mean over cells would hide the one in which the filter leaves the graph no way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import mean
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from weaviate.classes.config import Reconfigure

from tests.evaluate.stack_cells import Cell
from tests.evaluate.stack_questions import SEMANTIC_ALONE, Question, store_filter
from tests.evaluate.stack_world import Exact, recall

K = 10
_EQUAL = 1e-6
"""Cosines that differ by less are those of float32: the server's order among them is as good as ours."""
_EQUAL_SCORES = 1e-5
_AT_ONCE = 4


async def of_near(
    facets: Any, exact: Exact, cells: Sequence[Cell], questions: Sequence[Question], limit: int = K
) -> dict[str, float]:
    """Mean recall@10 of bare ``near_vector`` by cell. ``facets``: the client's collection."""
    places = {UUID(name): number for number, name in enumerate(exact.facet_ids)}
    found: dict[str, list[float]] = {cell.name: [] for cell in cells}
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(cell: Cell, question: Question, cosines: np.ndarray[Any, Any]) -> None:
        async with turns:
            answer = await facets.query.near_vector(
                near_vector=question.vectors[0].tolist(),
                filters=store_filter(cell, question.place),
                limit=limit,
                return_properties=[],
            )
        # What the truth does not know would be an object that is not there any more.
        got = np.array([cosines[places[each.uuid]] for each in answer.objects][:K])
        allowed = exact.of_facets(exact.allowed(cell, question.place))
        found[cell.name].append(recall(got, cosines[allowed], K, _EQUAL))

    for question in questions:
        cosines = exact.cosines(question.vectors[0])
        await asyncio.gather(*(ask(cell, question, cosines) for cell in cells))
    return {name: mean(values) for name, values in found.items()}


async def of_matches(
    api: httpx.AsyncClient, exact: Exact, cells: Sequence[Cell], questions: Sequence[Question]
) -> dict[str, float]:
    """Mean recall@10 of the API's shortlists, semantic score alone, against that score of every allowed creator."""
    numbers = {name: number for number, name in enumerate(exact.creators)}
    found: dict[str, list[float]] = {cell.name: [] for cell in cells}
    for question in questions:
        scores = exact.scores(np.stack([exact.cosines(vector) for vector in question.vectors], axis=1))
        for cell in cells:
            answer = await api.post("/v1/match", json=question.request(cell, weights=dict(SEMANTIC_ALONE)))
            answer.raise_for_status()
            got = np.array([scores[numbers[hit["creator_id"]]] for hit in answer.json()["hits"]])
            allowed = exact.allowed(cell, question.place)
            found[cell.name].append(recall(got, scores[allowed], K, _EQUAL_SCORES))
    return {name: mean(values) for name, values in found.items()}


async def set_cutoff(facets: Any, cutoff: int) -> None:
    """Under how many allowed objects the collection's search is exact, from now on."""
    index = Reconfigure.VectorIndex.hnsw(flat_search_cutoff=cutoff)
    await facets.config.update(vector_config=Reconfigure.Vectors.update(name="facet", vector_index_config=index))
    found = await facets.config.get()
    assert found.vector_config["facet"].vector_index_config.flat_search_cutoff == cutoff
