"""How long a match takes beside a bare ``near_vector`` with the same filter, turn about, while creators are written."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from weaviate.classes.query import MetadataQuery

from tests.bench.report import numbers, percentile
from tests.evaluate.stack_cells import Cell
from tests.evaluate.stack_questions import Question, store_filter
from workers.match.search import depth

LIMIT = 10
_ENCODE = re.compile(r'streamscout_stage_seconds_sum\{(?=.*worker="match")(?=.*stage="encode").*\}')
_DONE = re.compile(r'streamscout_events_total\{(?=.*worker="indexer")(?=.*verdict="done").*\}')


@dataclass(slots=True)
class Times:
    """Seconds of each call, in the order they were made.

    ``near``: the client's ``near_vector`` as anyone would write it; ``near_ids``: with one property alone; ``match``:
    the API's answer less its encoder's time; ``with_encoder``: the whole answer.
    """

    near: list[float] = field(default_factory=list)
    near_ids: list[float] = field(default_factory=list)
    match: list[float] = field(default_factory=list)
    with_encoder: list[float] = field(default_factory=list)

    def add(self, other: Times) -> None:
        """Take over another's calls."""
        self.near += other.near
        self.near_ids += other.near_ids
        self.match += other.match
        self.with_encoder += other.with_encoder

    def percentiles(self) -> dict[str, float]:
        """p50 and p99 of each in milliseconds."""
        kinds = {
            "near": self.near,
            "near_ids": self.near_ids,
            "match": self.match,
            "match_with_encoder": self.with_encoder,
        }
        return {
            f"{name}_{label}_ms": round(1000 * percentile(values, share), 1)
            for name, values in kinds.items()
            if values
            for label, share in (("p50", 0.5), ("p99", 0.99))
        }

    def ratio(self) -> float:
        """p99 of a match over that of a bare ``near_vector``."""
        return percentile(self.match, 0.99) / percentile(self.near, 0.99)


async def timed_round(
    facets: Any, api: httpx.AsyncClient, cells: Sequence[Cell], questions: Sequence[Question]
) -> dict[str, Times]:
    """Every question of every cell, one call at a time, near and match in turn."""
    found = {}
    for cell in cells:
        times = found[cell.name] = Times()
        for question in questions:
            given = {
                "near_vector": question.vectors[0].tolist(),
                "filters": store_filter(cell, question.place),
                "limit": depth(LIMIT),
                "return_metadata": MetadataQuery(distance=True),
            }
            times.near.append(await _seconds(facets.query.near_vector(**given)))
            ids = facets.query.near_vector(**given, return_properties=["creator_id"])
            times.near_ids.append(await _seconds(ids))
            whole, encoder = await timed_match(api, question.request(cell))
            times.match.append(whole - encoder)
            times.with_encoder.append(whole)
    return found


async def timed_match(api: httpx.AsyncClient, body: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds of a match and, among them, of its encoder, by the API's own metric: nobody else asks meanwhile."""
    before = await _encoded(api)
    started = time.perf_counter()
    answer = await api.post("/v1/match", json=body)
    whole = time.perf_counter() - started
    answer.raise_for_status()
    return whole, await _encoded(api) - before


async def handled(indexer: httpx.AsyncClient) -> float:
    """Events that the indexer has done since it started."""
    return _sum(await indexer.get("/metrics"), _DONE)


async def _encoded(api: httpx.AsyncClient) -> float:
    return _sum(await api.get("/metrics"), _ENCODE)


def _sum(answer: httpx.Response, name: re.Pattern[str]) -> float:
    return sum(value for each, value in numbers(answer.text).items() if name.fullmatch(each))


async def _seconds(call: Awaitable[Any]) -> float:
    started = time.perf_counter()
    await call
    return time.perf_counter() - started
