"""From Kafka to searchable: as fast as it goes, and as fresh as it is at a load that comes by itself."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from tests.bench.encoders import RowFailed, served
from tests.bench.report import arrivals, percentile, sustained
from tests.bench.watching import Seen, watched
from tests.bench.world import World
from workers.domain.vectors import Array

BATCHES_SKIPPED = 2
BATCH = 32


@dataclass(frozen=True)
class Round:
    """Pictures a second of Triton alone (the mean of before and after), and from Kafka to searchable."""

    triton: float
    end_to_end: float
    seen: Seen

    def ratio(self) -> float:
        return self.end_to_end / self.triton


def rounds(
    world: World, pixels: Array, say: Callable[[str], None], *, times: int, posts: int, seconds: float, name: str
) -> list[Round]:
    """Turn about with Triton alone, so that whatever else the machine does befalls both."""
    found = []
    before = served(world.settings, world.card, pixels, seconds)
    for number in range(times):
        say(f"{name}, round {number + 1}: Triton alone {before:.1f} pictures/s")
        with watched(world, f"{name}, round {number + 1}") as seen:
            rate = backlog(world, posts)
        after = served(world.settings, world.card, pixels, seconds)
        found.append(Round((before + after) / 2, rate, seen))
        say(f"{name}, round {number + 1}: from Kafka to searchable {rate:.1f}, {found[-1].ratio():.3f} of Triton alone")
        say(f"{name}, round {number + 1}: cores used by {seen.cores_used()}")
        before = after
    return found


def backlog(world: World, posts: int) -> float:
    """Posts a second from a topic that is full; the first batches, in which nothing overlaps yet, do not count."""
    numbers = world.posts(posts)
    with closing(world.publisher()) as publisher:
        for number in numbers:
            publisher.publish(number)
        publisher.flush()
    return sustained([done.at for done in world.announced(numbers)], BATCHES_SKIPPED * BATCH)


@dataclass(frozen=True)
class Freshness:
    """Seconds from the moment at which a post was to be published until it could be found.

    ``backfill``: old posts a second that were done meanwhile.
    """

    rate: float
    posts: int
    p50: float
    p99: float
    worst: float
    backfill: float = 0.0


def freshness(world: World, rate: float, seconds: float, seed: int, backfill: int = 0) -> Freshness:
    """Posts that come when they come, however slow the answer is: the wait for a publisher that is late counts too.

    ``backfill``: so many old posts lie in ``posts.backfill`` when the first live one comes, and are waited for at last.
    """
    rng = random.Random(seed)
    moments = arrivals(rate, seconds, [rng.random() for _ in range(int(rate * seconds * 2) + 50)])
    numbers, old = world.posts(len(moments)), world.posts(backfill)
    due: dict[int, float] = {}
    failures: list[BaseException] = []

    def publish() -> None:
        try:
            with closing(world.publisher()) as publisher:
                for number in old:
                    publisher.publish(number, "posts.backfill")
                publisher.flush()
                # The wall's clock: announcements are dated by it, too.
                begun, pause = time.time() + 0.5, threading.Event()
                for number, moment in zip(numbers, moments, strict=True):
                    due[number] = begun + moment
                    pause.wait(max(0.0, due[number] - time.time()))
                    publisher.publish(number)
        except BaseException as error:  # noqa: BLE001 - raised where the posts are waited for
            failures.append(error)

    publishing = threading.Thread(target=publish, name="publish", daemon=True)
    publishing.start()
    ages = [done.at - due[done.number] for done in world.announced(numbers)]
    publishing.join()
    past = [done.at for done in world.announced(old)]
    if failures:
        raise RowFailed(f"posts could not be published: {failures[0]}")
    begun, ended = min(due.values()), max(due.values())
    meanwhile = sum(begun <= at <= ended for at in past) / max(ended - begun, 1.0)
    return Freshness(rate, len(ages), percentile(ages, 0.5), percentile(ages, 0.99), max(ages), meanwhile)


def best(found: Sequence[Round]) -> Round:
    """The round with the best ratio."""
    return max(found, key=Round.ratio)
