"""Work in flight looks like a difference: only what nobody was writing can be judged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from workers.domain.partitioning import partition_of
from workers.verify.differences import UPSTREAM, Difference

Measure = Mapping[tuple[str, str, int], tuple[int, int]]
"""By worker, topic and partition: records that are not settled, and the end."""


@dataclass(frozen=True, slots=True)
class Stillness:
    """What moved between two measures, the first taken before a reading and the second after it."""

    before: Measure
    after: Measure

    def still(self, worker: str, key: str) -> bool:
        """Whether the worker had nothing to do, before and after, on the partitions of this key, and nothing came."""
        count = 1 + max((partition for of, _, partition in self.after if of == worker), default=0)
        place = partition_of(key.encode(), count)
        return all(
            lag == 0 and self.before.get(where) == (0, end)
            for where, (lag, end) in self.after.items()
            if where[0] == worker and where[2] == place
        )

    def settled(self, difference: Difference) -> bool:
        """Whether nothing that was in flight can explain a difference."""
        return all(self.still(worker, difference.key) for worker in UPSTREAM[difference.kind])

    def open_events(self) -> int:
        """Records that the workers have not settled."""
        return unsettled(self.after)


def unsettled(measure: Measure) -> int:
    """Records that the workers have not settled."""
    return sum(lag for lag, _ in measure.values())


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
