"""Which records of a partition are taken, one after another without a hole, and how far they are settled.

What is fetched and then dropped on the way, as happens while partitions move, is not what compaction has removed. From
outside both look alike, a gap in the offsets: only who saw what was fetched can tell.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable


class Skipped(Exception):
    """A record was fetched, and a later one of its partition was handed over before it."""


class Line:
    """One partition under one assignment. Offsets are Kafka's; ``committable`` is the next one to read."""

    def __init__(self) -> None:
        self._fetched: list[int] = []
        self._waiting: set[int] = set()
        self._taken = self._settled = -1

    def fetch(self, offsets: Iterable[int]) -> None:
        """These came from the broker; after a seek, once more."""
        for offset in offsets:
            if offset > self._taken and offset not in self._waiting:
                self._waiting.add(offset)
                heapq.heappush(self._fetched, offset)

    def take(self, offset: int) -> bool:
        """Whether it is to be handled; in the order of offsets. Raises Skipped if one before it never came.

        False for one that was taken already, and for one that was fetched under an earlier assignment.
        """
        if offset not in self._waiting:
            return False
        if self._fetched[0] < offset:
            raise Skipped(f"record {self._fetched[0]} was fetched, and not handed over before {offset}")
        self._waiting.remove(heapq.heappop(self._fetched))
        self._taken = offset
        return True

    def settle(self, offset: int) -> None:
        """It is dealt with; in the order in which they were taken."""
        self._settled = max(self._settled, offset)

    def committable(self) -> int | None:
        """The offset after the last settled one, None before the first."""
        return self._settled + 1 if self._settled >= 0 else None
