"""The embedder with an encoder that answers at once: posts for each second of a core, and memory over many posts."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from tests.bench.machine import cpu_seconds, resident_mb
from tests.bench.report import slope
from tests.bench.watching import Seen, watched
from tests.bench.world import World

LOOK_EVERY = 200


@dataclass(frozen=True)
class Endured:
    """``per_core``: posts for each second of processor time of the embedder's process, of its best third.

    ``per_second``: posts by the clock in that third, with the embedder on a core of its own. ``memory``: (posts, MB).
    """

    per_core: float
    per_second: float
    slope: float
    memory: list[tuple[float, float]]
    seen: Seen


def endure(world: World, warm_up: int, posts: int, say: Callable[[str], None]) -> Endured:
    """Publishes all at once, and looks at the process while they pass."""
    numbers = world.posts(warm_up + posts)
    pid = world.pids()["embedder"]
    with closing(world.publisher()) as publisher:
        for number in numbers:
            publisher.publish(number)
        publisher.flush()
    looks: list[tuple[int, float, float, float]] = []
    with watched(world, "the encoder answers at once") as seen:
        for count, _ in enumerate(world.announced(numbers), 1):
            if count >= warm_up and (count - warm_up) % LOOK_EVERY == 0:
                looks.append((count - warm_up, time.monotonic(), cpu_seconds(pid), resident_mb(pid)))
            if count % 2000 == 0:
                say(f"the encoder answers at once: {count} of {len(numbers)} posts, {resident_mb(pid):.0f} MB")
    third = max(1, (len(looks) - 1) // 3)
    per_core, per_second = max(_rates(looks[start], looks[start + third]) for start in (0, third, 2 * third))
    memory = [(done / 1000, mb) for done, _, _, mb in looks]
    return Endured(per_core, per_second, slope(memory), memory, seen)


def _rates(one: tuple[int, float, float, float], other: tuple[int, float, float, float]) -> tuple[float, float]:
    done = other[0] - one[0]
    return done / (other[2] - one[2]), done / (other[1] - one[1])
