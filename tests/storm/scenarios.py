"""The table of scenarios: which disturbance, over which events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.storm.disturbances import (
    Disturbance,
    clock_jumps,
    dies_at,
    disk_full,
    frozen_past_its_lease,
    kills_at_random,
    kills_together,
    newer_protocol,
    nothing,
    reinstated,
    state_lost,
    supervisors_killed,
    told_to_stop,
    two_of_a_kind,
)
from tests.storm.erasures import erasing, reinstating
from tests.storm.events import Sent, World, in_every_position, storm
from tests.storm.outages import (
    dead_letters_refused,
    disk_lost,
    frozen,
    gone,
    model_unloaded,
    queue_full,
    some_objects_refused,
    topics_anew,
)

Parts = tuple[Sequence[Sent], Sequence[Sent], Sequence[Sent]]


@dataclass(frozen=True)
class Scenario:
    """``short`` ones are acceptance tests; ``seconds`` is about how long it takes on two cores.

    ``alone``: it is played in a world of its own.
    """

    name: str
    disturb: Disturbance
    seconds: int = 25
    short: bool = False
    posts: int = 50
    outcomes: int = 50
    poison: int = 8
    alone: bool = False

    def parts(self, world: World) -> Parts:
        """The records of its storm that come before, while and after."""
        return thirds(storm(world, self.posts, self.outcomes, self.poison))


@dataclass(frozen=True)
class PoisonScenario(Scenario):
    """A bad record in every position of a batch."""

    def parts(self, world: World) -> Parts:
        """As many batches as a batch has places."""
        return thirds(in_every_position(world, 8))


@dataclass(frozen=True)
class PoisonLateScenario(Scenario):
    """Nothing bad while it is disturbed; before and after, there is."""

    def parts(self, world: World) -> Parts:
        """The bad records of the second part come last."""
        first, second, third = super().parts(world)
        bad = [sent for sent in second if sent.bad is not None]
        return first, [sent for sent in second if sent.bad is None], [*bad, *third]


@dataclass(frozen=True)
class ErasureScenario(Scenario):
    """A creator is erased in the middle, and everything of it comes again."""

    def parts(self, world: World) -> Parts:
        """The erasure is in the second part."""
        return thirds(erasing(world, self.posts, self.outcomes))


@dataclass(frozen=True)
class ReinstatementScenario(Scenario):
    """A creator is erased and reinstated in the middle."""

    def parts(self, world: World) -> Parts:
        """Both are in the second part."""
        return reinstating(world, self.posts, self.outcomes)


def thirds(records: Sequence[Sent]) -> Parts:
    """Before, while and after."""
    size = (len(records) + 2) // 3
    return records[:size], records[size : 2 * size], records[2 * size :]


OF_STORE = {"embedder": "stored", "creators": "rows", "indexer": "stored", "outcomes": "rows"}
OF_COMMIT = {"embedder": "announced", "creators": "settled", "indexer": "announced", "outcomes": "settled"}
WITHIN = {"embedder": "visuals", "creators": "row", "indexer": "facets", "outcomes": "row"}

SCENARIOS = (
    Scenario("undisturbed", nothing, 10),
    Scenario("kill -9 at random", kills_at_random, short=True),
    Scenario("kill -9 of all at once", kills_together),
    Scenario("death between store and output", dies_at(OF_STORE), 35, short=True),
    Scenario("death between output and commit", dies_at(OF_COMMIT), 35, short=True),
    Scenario("death within a store, between table and Weaviate", dies_at(WITHIN), 35, short=True),
    Scenario("death before what is gone is deleted", dies_at({"indexer": "deletion"})),
    Scenario("one of a kind added, one removed", two_of_a_kind, 30, short=True),
    Scenario("SIGTERM under load", told_to_stop, 30, short=True),
    Scenario("Kafka gone for 5 s", gone("kafka", 5.0), 35, short=True),
    Scenario("Weaviate gone for 5 s", gone("weaviate", 5.0), 30, short=True),
    Scenario("Triton gone for 5 s", gone("triton", 5.0), 30),
    Scenario("registry gone for 5 s", gone("schema-registry", 5.0), 30),
    Scenario("Triton's models unloaded", model_unloaded, 20, short=True),
    PoisonScenario("poison in every position of a batch", nothing, 15, short=True),
    Scenario("the dead-letter topics refuse", dead_letters_refused, 30, short=True),
    Scenario("state directories lost", state_lost, 30, short=True),
    Scenario("KIP-848: one added, one removed, kill -9", newer_protocol, 60),
    Scenario("kill -9 of the supervisors", supervisors_killed, 40),
    Scenario("Triton's queues full", queue_full, 40),
    Scenario("frozen past the lease, and woken", frozen_past_its_lease, 40),
    Scenario("the clock jumps", clock_jumps, 25),
    Scenario("disk full for the state store", disk_full, 30),
    PoisonLateScenario("topics created anew", topics_anew, 50),
    Scenario("Weaviate refuses some objects of a batch", some_objects_refused, 30),
    ErasureScenario("a creator is erased", nothing, 15, posts=20, outcomes=20),
    ErasureScenario("a creator is erased, kill -9 at random", kills_at_random, 30, posts=20, outcomes=20),
    ReinstatementScenario(
        "a creator is erased and reinstated, kill -9 at random", reinstated, 40, posts=20, outcomes=20
    ),
    Scenario("Weaviate's disk lost after kill -9", disk_lost, 60, alone=True),
    *(
        Scenario(f"{name} gone for 40 s", gone(name, 40.0), 70)
        for name in ("kafka", "weaviate", "triton", "schema-registry")
    ),
    *(
        Scenario(f"{name} frozen for 20 s", frozen(name, 20.0), 50)
        for name in ("kafka", "weaviate", "triton", "schema-registry")
    ),
    Scenario("Kafka gone longer than producers wait", gone("kafka", 75.0), 120),
)
