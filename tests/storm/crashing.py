"""``python -m tests.storm.crashing STEP NTH LIVES WORKER``: a worker that kills itself (SIGKILL) at a named step.

It does so the NTH time that it reaches the step, as long as the file LIVES has not noted two deaths; afterwards the
worker is whole. FAULTS are the same, with something broken in the worker instead: the storm must notice each.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from workers.config import load_settings
from workers.core.clock import SystemClock

DEATHS = 2
Die = Callable[[], None]


def before(owner: Any, name: str, die: Die, when: Callable[..., bool] = lambda *_, **__: True) -> None:
    """Patch a method: ``die`` is called first, for those calls that ``when`` says."""
    method = getattr(owner, name)

    def patched(*args: Any, **options: Any) -> Any:
        if when(*args, **options):
            die()
        return method(*args, **options)

    setattr(owner, name, patched)


def stored(die: Die) -> None:
    """A batch is stored, its outputs are not sent."""
    from workers.containment.writing import Writing

    before(Writing, "write", die)


def announced(die: Die) -> None:
    """Its outputs are acknowledged, its offsets are not committed."""
    from workers.core.loop import Loop

    before(Loop, "_settle", die)


def visuals(die: Die) -> None:
    """The visuals of an edit are written, its post is not."""
    from workers.embedder.storing import Storing

    before(Storing, "_upsert", die, lambda _self, collection, objects: collection == "Post" and bool(objects))


def facets(die: Die) -> None:
    """A creator's facets are written, the creator is not."""
    from workers.indexer.worker import Indexer

    before(Indexer, "_write", die, lambda _self, collection, *_: collection == "Creator")


def deletion(die: Die) -> None:
    """A creator is written, the facets that are gone are not deleted."""
    from workers.indexer.worker import Indexer

    before(Indexer, "_delete_what_is_gone", die)


def row(die: Die) -> None:
    """A row is in the changelog and not on disk."""
    from workers.adapters.tables.state import ChangelogTable

    before(ChangelogTable, "_land", die)


def rows(die: Die) -> None:
    """An event's rows are on disk, its outputs are not sent."""
    from workers.adapters.tables.worker import KeyedWorker

    before(KeyedWorker, "_send", die)


def settled(die: Die) -> None:
    """Rows and outputs are acknowledged, the event is not."""
    from workers.adapters.tables.consumer import HandAcknowledged

    before(HandAcknowledged, "settle", die)


STEPS: dict[str, Callable[[Die], None]] = {
    step.__name__: step for step in (stored, announced, visuals, facets, deletion, row, rows, settled)
}


# Faults, planted to see whether the storm catches them.


def commits_before_storing(_die: Die) -> None:
    """Offsets are settled when a batch begins."""
    from workers.core.loop import Loop

    handle = Loop._handle

    async def eager(self: Any, batch: Any) -> Any:
        for waiting in batch:
            waiting.partition.offsets.settle(waiting.item.record.position.offset)
        await asyncio.sleep(2.0)
        return await handle(self, batch)

    Loop._handle = eager  # type: ignore[method-assign]
    Loop._settle = lambda *_: None  # type: ignore[method-assign]


def folds_in_any_order(_die: Die) -> None:
    """A late post is folded in behind newer ones: the fold is of a history, not of a set of rows."""
    from workers.creators import fold, worker

    new_post = fold.with_new_post

    def careless(known: Any, *args: Any) -> Any:
        return new_post(replace(known, newest=None), *args)

    worker.with_new_post = careless  # type: ignore[attr-defined]


def counts_repeats(_die: Die) -> None:
    """Every delivery of an outcome is a fact of its own."""
    from workers.outcomes import worker

    fact_of, numbers = worker.fact_of, count()

    def again(event: Any) -> Any:
        fact = fact_of(event)
        return replace(fact, event_id=f"{fact.event_id}#{next(numbers)}")

    worker.fact_of = again  # type: ignore[attr-defined]


def jumps(_die: Die) -> None:
    """No fault of ours: the wall clock leaps an hour ahead and back, every other second."""
    wall = time.time

    def jumping() -> float:
        now = wall()
        return now + 3600.0 * (int(now) % 2)

    time.time = jumping
    # ``datetime.now`` does not ask ``time.time``.
    SystemClock.now = lambda _: datetime.fromtimestamp(jumping(), UTC)  # type: ignore[method-assign]


def refuses_some(_die: Die) -> None:
    """No fault of ours: every third facet of a batch is refused, the first time that it comes."""
    from workers.adapters.weaviate.objects import ObjectStore

    upsert, refused = ObjectStore.upsert, Counter[Any]()

    async def partly(self: Any, collection: str, objects: Any) -> list[str | None]:
        wanted = [collection == "Facet" and each.id.int % 3 == 0 and not refused[each.id] for each in objects]
        refused.update(each.id for each, refuse in zip(objects, wanted, strict=True) if refuse)
        taken = [each for each, refuse in zip(objects, wanted, strict=True) if not refuse]
        answers = iter(await upsert(self, collection, taken))
        return ["refused for a test" if refuse else next(answers) for refuse in wanted]

    ObjectStore.upsert = partly  # type: ignore[method-assign]


FAULTS: dict[str, Callable[[Die], None]] = {
    fault.__name__: fault for fault in (commits_before_storing, folds_in_any_order, counts_repeats, jumps, refuses_some)
}


def dying(nth: int, lives: Path) -> Die:
    """What ends the process, at its ``nth`` call, unless ``lives`` has noted enough deaths."""
    calls = count(1)

    def die() -> None:
        died = lives.stat().st_size if lives.exists() else 0
        if next(calls) == nth and died < DEATHS:
            with lives.open("a") as noted:
                noted.write("x")
            os.kill(os.getpid(), signal.SIGKILL)

    return die


def main() -> int:
    """Patch, then run the worker."""
    step, nth, lives, worker = sys.argv[1:]
    # Importing first, so that every name that is patched is the one in use.
    room = import_module(f"workers.{worker}.main")
    {**STEPS, **FAULTS}[step](dying(int(nth), Path(lives)))
    return int(room.run(load_settings()))


if __name__ == "__main__":
    sys.exit(main())
