"""Work in flight looks like a difference: only what nobody was writing can be judged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from workers.domain.partitioning import partition_of
from workers.verify.differences import UPSTREAM, Difference


class Progress(NamedTuple):
    """Of one partition: records that a worker has not stored, the end, and records that are stored and not final."""

    unsettled: int
    end: int
    open: int = 0


Measure = Mapping[tuple[str, str, int], Progress]
"""By worker, topic and partition."""


@dataclass(frozen=True, slots=True)
class Stillness:
    """What moved between two measures, the first taken before a reading and the second after it."""

    before: Measure
    after: Measure

    def still(self, worker: str, key: str) -> bool:
        """Whether the worker had nothing to do, before and after, on the partitions of this key, and nothing came."""
        return all(
            before is not None and not before.unsettled and not after.unsettled and before.end == after.end
            for before, after in self._places(worker, key)
        )

    def may_be_open(self, difference: Difference) -> bool:
        """Whether a thing's exact values may still be to be written, and it is no farther off than may wait."""
        return difference.waits and any(
            each is not None and each.open for pair in self._places("indexer", difference.key) for each in pair
        )

    def _places(self, worker: str, key: str) -> list[tuple[Progress | None, Progress]]:
        """What was measured of the worker's partitions of a key."""
        count = 1 + max((partition for of, _, partition in self.after if of == worker), default=0)
        place = partition_of(key.encode(), count)
        return [
            (self.before.get(where), after)
            for where, after in self.after.items()
            if where[0] == worker and where[2] == place
        ]

    def settled(self, difference: Difference) -> bool:
        """Whether nothing that was in flight can explain a difference."""
        return all(self.still(worker, difference.key) for worker in UPSTREAM[difference.kind])

    def open_events(self) -> int:
        """Records that the workers have not stored."""
        return unsettled(self.after)


def unsettled(measure: Measure) -> int:
    """Records that the workers have not stored: what is searchable is not waited for."""
    return sum(each.unsettled for each in measure.values())


async def wait_until_settled(
    measure: Callable[[], Measure],
    seconds: float,
    monotonic: Callable[[], float],
    pause: Callable[[float], Awaitable[None]],
) -> Measure:
    """The first measure with nothing unsettled, or the last one within ``seconds``."""
    until = monotonic() + seconds
    while unsettled(found := measure()) and monotonic() < until:
        await pause(min(0.5, max(0.05, until - monotonic())))
    return found
