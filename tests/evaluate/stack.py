"""The evaluation's half on real servers: recall under filters, and what a match takes while creators are written.

``measure`` is what ``python -m tests.evaluate`` calls; ``python -m tests.evaluate.stack [--quick]`` runs it alone.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.evaluate.stack_cells import CELLS
from tests.evaluate.stack_latency import Times, handled, timed_match, timed_round
from tests.evaluate.stack_pool import embedded_pool
from tests.evaluate.stack_questions import Question, asked_questions, first_asked, in_pairs
from tests.evaluate.stack_recall import of_matches, of_near, set_cutoff
from tests.evaluate.stack_servers import Say, Servers, writes
from tests.evaluate.stack_tables import sections
from tests.evaluate.stack_world import Exact, Made, made_creators
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.names import collection_name
from workers.adapters.weaviate.schema import load_collections
from workers.config import spare_the_loopback
from workers.creators.main import fold_settings
from workers.domain.model_card import load_model_card
from workers.match.search import depth
from workers.wire.records import OutRecord

FACETS, SEED = 100_000, 1
WRITES_PER_SECOND = 10.0
DEFAULT_CUTOFF, GRAPH_CUTOFF = 40_000, 500
_UPDATED = 4000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured, in each cell. ``timed``: in a round; ``whole``: matches compared with all creators."""

    creators: int
    of_each: int
    searched: int
    whole: int
    timed: int
    rounds: int


WHOLE = Plan(creators=22_000, of_each=8, searched=200, whole=30, timed=40, rounds=3)
QUICK = Plan(creators=2_200, of_each=3, searched=20, whole=4, timed=4, rounds=3)


def measure(say: Say, folder: Path, quick: bool) -> tuple[dict[str, float], dict[str, Any]]:
    """The rows' values by name, and what the page shows. Raises where servers or workers do not do their part."""
    servers = Servers(folder / "stack")
    try:
        say("servers")
        servers.start()
        return asyncio.run(Half(servers, folder, QUICK if quick else WHOLE, say).measured())
    finally:
        say("stopping the servers")
        servers.stop()


class Half:
    """What was made and measured so far."""

    def __init__(self, servers: Servers, folder: Path, plan: Plan, say: Say) -> None:
        self._servers, self._folder, self._plan, self._say = servers, folder, plan, say
        self._card = load_model_card(servers.settings.model_repository)
        self._updates: list[OutRecord] = []
        self._exact: Exact
        self._questions: list[Question] = []

    async def measured(self) -> tuple[dict[str, float], dict[str, Any]]:
        """Rows and details."""
        await self.fill()
        async with self._connected() as (facets, api, indexer):
            recalls = await self._searches(facets)
            self._say("shortlists against all creators")
            whole = {
                "one aspect": await of_matches(api, self._exact, CELLS, self._questions[: self._plan.whole]),
                "two aspects": await of_matches(api, self._exact, CELLS, in_pairs(self._questions[: self._plan.whole])),
            }
            rounds, beside = await self._timed(facets, api, indexer)
        values = {
            "filtered_recall10_min": min(recalls["default"].values()),
            "filtered_recall10_min_graph": min(recalls["graph"].values()),
            "match_p99_over_near_vector": min(pooled(each).ratio() for each in rounds),
            "match_p99_ms": min(pooled(each).percentiles()["match_p99_ms"] for each in rounds),
        }
        details = {
            "world": self._world(),
            "recall": recalls | {"whole": whole},
            "cells": {cell.name: _together(rounds, cell.name).percentiles() for cell in CELLS},
            "rounds": [pooled(each).percentiles() | {"ratio": round(pooled(each).ratio(), 2)} for each in rounds],
            "beside": beside,
        }
        return values, details | {"sections": sections(details)}

    async def fill(self) -> None:
        """Makes the creators and waits until the indexer has them in Weaviate."""
        settings, plan = self._servers.settings, self._plan
        self._say("pictures and captions through Triton")
        pool = await embedded_pool(settings, self._card, plan.of_each)
        self._questions = await asked_questions(settings, self._card, pool, max(plan.searched, 200), SEED)
        fold = fold_settings(settings, self._card.model_version, self._card.dimensions)
        self._say(f"{plan.creators} creators by our fold, onto Kafka")
        publisher, made = self._servers.publisher(), list[Made]()
        for one in made_creators(pool, fold, plan.creators, SEED):
            publisher.send(publisher.record(one.event))
            if len(self._updates) < _UPDATED:
                self._updates.append(publisher.record(one.later))
            made.append(one)
        publisher.close()
        self._exact = Exact(made, settings.facet_min_share, settings.share_temperature)
        facets = len(self._exact.facet_ids)
        assert plan is not WHOLE or facets >= FACETS, f"{facets} facets, {FACETS} are wanted"
        self._say(f"{facets} facets; the indexer writes them")
        await self._servers.indexed(self._card.model_version, plan.creators, facets, self._say)

    async def _searches(self, facets: Any) -> dict[str, dict[str, float]]:
        """Recall by cell: exact under the server's default, by the graph, and as we serve it, which stays.

        ``graph_150``: the graph where as many facets are asked for as by a match.
        """
        questions, found = self._questions[: self._plan.searched], {}
        served = load_collections(self._servers.settings.schemas_dir).vectors.flat_search_cutoff
        asked = (
            ("default", DEFAULT_CUTOFF, questions, 10),
            ("graph", GRAPH_CUTOFF, questions, 10),
            ("graph_150", GRAPH_CUTOFF, questions[::4], depth(10)),
            ("served", served, questions[::2], 10),
        )
        for name, cutoff, own, limit in asked:
            self._say(f"recall@10 of {len(own)} searches a cell, exact under {cutoff} allowed, limit {limit}")
            await set_cutoff(facets, cutoff)
            found[name] = await of_near(facets, self._exact, CELLS, own, limit)
        return found

    async def _timed(
        self, facets: Any, api: httpx.AsyncClient, indexer: httpx.AsyncClient
    ) -> tuple[list[dict[str, Times]], dict[str, Any]]:
        questions = self._questions[: self._plan.timed]
        with writes(self._servers.settings, self._updates, WRITES_PER_SECOND, self._folder):
            await timed_round(facets, api, CELLS, questions[:1])
            # No pause of ours in what is measured: the truth's arrays stay where they are.
            gc.freeze()
            before, begun, rounds = await handled(indexer), time.monotonic(), []
            for number in range(self._plan.rounds):
                rounds.append(await timed_round(facets, api, CELLS, questions))
                shown = pooled(rounds[-1]).percentiles()
                self._say(f"round {number + 1}: {shown}")
            two, first = Times(), Times()
            for question in in_pairs(questions):
                for cell in CELLS:
                    two.match.append(await self._less_encoder(api, question.request(cell)))
            for body in first_asked(questions):
                first.match.append(await self._less_encoder(api, body))
            rate = (await handled(indexer) - before) / (time.monotonic() - begun)
        beside = {"two_aspects": two.percentiles(), "filter_never_asked": first.percentiles()}
        return rounds, beside | {"creators_written_per_s": round(rate, 1), "creators_sent_per_s": WRITES_PER_SECOND}

    async def _less_encoder(self, api: httpx.AsyncClient, body: dict[str, Any]) -> float:
        whole, encoder = await timed_match(api, body)
        return whole - encoder

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Any, httpx.AsyncClient, httpx.AsyncClient]]:
        """The client's collection of facets, the API, and the indexer's own address."""
        settings = self._servers.settings
        name = collection_name(settings.namespace, "Facet", self._card.model_version)
        async with (
            connect(settings) as client,
            httpx.AsyncClient(base_url=self._servers.addresses["match"], timeout=30, trust_env=False) as api,
            httpx.AsyncClient(base_url=self._servers.addresses["indexer"], timeout=30, trust_env=False) as indexer,
        ):
            yield client.collections.use(name), api, indexer

    def _world(self) -> dict[str, Any]:
        exact = self._exact
        allowed = {
            cell.name: round(
                float(np.mean([exact.of_facets(exact.allowed(cell, one.place)).sum() for one in self._questions[:20]]))
            )
            for cell in CELLS
        }
        return {
            "cutoff": load_collections(self._servers.settings.schemas_dir).vectors.flat_search_cutoff,
            "creators": len(exact.creators),
            "facets": len(exact.facet_ids),
            "dimensions": self._card.dimensions,
            "model": self._card.model_version,
            "searches_a_cell": self._plan.searched,
            "matches_a_cell": self._plan.timed * self._plan.rounds,
            "allowed_facets": allowed,
        }


def pooled(cells: dict[str, Times]) -> Times:
    """All cells of a round as one."""
    whole = Times()
    for times in cells.values():
        whole.add(times)
    return whole


def _together(rounds: Sequence[dict[str, Times]], cell: str) -> Times:
    whole = Times()
    for one in rounds:
        whole.add(one[cell])
    return whole


def main() -> int:
    """Prints rows and details; 0 where it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluate.stack", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick, begun = parser.parse_args().quick, time.monotonic()
    spare_the_loopback()
    with tempfile.TemporaryDirectory(prefix="streamscout-evaluate-") as folder:
        values, details = measure(
            lambda text: print(f"{time.monotonic() - begun:6.0f} s  {text}", flush=True), Path(folder), quick
        )
    print(json.dumps({"values": values, "details": details}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
