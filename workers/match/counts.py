"""How many creators, or facets, a hard filter allows and refuses: exactly, and of large sets up to a minute old.

To count what meets a filter Weaviate 1.35 reads every object of it (aggregator/filtered.go): 0.05 s of two cores for
15,000 creators, more than the rest of a match. Counts of few are therefore asked anew for each match, large ones are
remembered: taken as they are for ``FRESH_SECONDS``, then still given while they are counted again behind the answer,
and waited for once they are ``KEPT_SECONDS`` old.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from workers.core.clock import Clock
from workers.domain.queries import NEGATIONS, Condition
from workers.match.ports import Index
from workers.wire.records import Unavailable

log = structlog.get_logger()

KEPT_FROM: Final = 1000
"""Creators that must be read to count, from which on a count is remembered."""
FRESH_SECONDS: Final = 60.0
KEPT_SECONDS: Final = 600.0
_MOST_KEPT: Final = 2000

Key = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """Objects in a collection, and those of them that meet the conditions, counted at ``at`` on the monotonic clock."""

    objects: int
    allowed: int
    at: float

    @property
    def refused(self) -> int:
        """Those that do not. Writes between the two counts must not make it less than none."""
        return max(0, self.objects - self.allowed)


class Counts:
    """Of one collection of an index. One count of one set runs at a time, whoever waits for it."""

    def __init__(self, index: Index, clock: Clock, collection: str = "Creator") -> None:
        self._index, self._clock, self._collection = index, clock, collection
        self._kept: OrderedDict[Key, Counted] = OrderedDict()
        self._asked: dict[Key, asyncio.Task[Counted]] = {}

    async def objects(self) -> int:
        """All there are now: no filter, so nothing has to be read."""
        return await self._index.count(self._collection)

    async def counted(self, conditions: Sequence[Condition]) -> Counted:
        """Those that meet every condition. Raises Unavailable."""
        key = _key(conditions)
        kept = self._kept.get(key)
        age = math.inf if kept is None else self._clock.monotonic() - kept.at
        if kept is not None and age < FRESH_SECONDS:
            return kept
        task = self._asked.get(key) or self._ask(key)
        if kept is not None and age < KEPT_SECONDS:
            return kept
        # Others may wait for the same: who goes away does not end it.
        return await asyncio.shield(task)

    def _ask(self, key: Key) -> asyncio.Task[Counted]:
        task = asyncio.get_running_loop().create_task(self._count(key))
        self._asked[key] = task

        def done(ended: asyncio.Task[Counted]) -> None:
            del self._asked[key]
            if not ended.cancelled() and isinstance(error := ended.exception(), Unavailable):
                log.warning("a filter could not be counted", reason=str(error))

        task.add_done_callback(done)
        return task

    async def _count(self, key: Key) -> Counted:
        at = self._clock.monotonic()
        objects, allowed = await asyncio.gather(self.objects(), self._index.count(self._collection, key))
        counted = Counted(objects, allowed, at)
        self._kept.pop(key, None)
        if _read(key, counted) >= KEPT_FROM:
            self._kept[key] = counted
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return counted


def _key(conditions: Sequence[Condition]) -> Key:
    """The same for questions a minute apart: "active within a week" moves with the clock."""
    return tuple(
        replace(one, value=one.value.replace(second=0, microsecond=0)) if isinstance(one.value, datetime) else one
        for one in conditions
    )


def _read(key: Key, counted: Counted) -> int:
    """How many objects the store read to count: of negations those that are left out."""
    negated = all(condition.relation in NEGATIONS for condition in key)
    return counted.refused if negated else counted.allowed
