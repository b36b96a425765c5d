"""How two objects are told apart, and what stood still."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import numpy as np
import pytest

from workers.domain.partitioning import partition_of
from workers.domain.stored import PropertyValue, StoredObject
from workers.verify.differences import TOLERANCE, UPSTREAM, Difference, Kind, unlike
from workers.verify.stillness import Measure, Progress, Stillness, unsettled, wait_until_settled

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def stored(vector: list[float] | None = None, **properties: PropertyValue) -> StoredObject:
    """An object."""
    vectors = {} if vector is None else {"facet": np.asarray(vector, dtype=np.float32)}
    return StoredObject(UUID(int=1), properties, vectors)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (stored(a=1, b="x", c=["y"], d=NOON), stored(a=1, b="x", c=["y"], d=NOON)),
        (stored(a=2**60), stored(a=float(2**60))),
        (stored(a=2**60 + 1), stored(a=2**60)),
        (stored(d=NOON), stored(d=NOON.astimezone(timezone(timedelta(hours=2))))),
        (stored(c=[]), stored()),
        (stored(), stored(c=[])),
        (stored([1.0, 0.0]), stored([1.0 - 0.9 * TOLERANCE, 0.0])),
    ],
)
def test_what_the_store_makes_of_an_object_is_no_difference(one: StoredObject, other: StoredObject) -> None:
    """Whole numbers are doubles there, a list of nothing is none, a time may be of another zone."""
    assert unlike(one, other) == []


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        (stored(a="x"), stored(), "a: missing"),
        (stored(), stored(a="x"), "a: not expected"),
        (stored(a="x"), stored(a="y"), "a: 'y' instead of 'x'"),
        (stored(a=True), stored(a=False), "a: False instead of True"),
        (stored(a=0.5), stored(a=0.25), "a: 0.25 instead of 0.5"),
        (stored(c=["x"]), stored(c=["x", "y"]), "c: ['x', 'y'] instead of ['x']"),
        (stored([1.0, 0.0]), stored([1.0, 2 * TOLERANCE]), "vector facet: off by 0.002"),
        (stored([1.0, 0.0]), stored([1.0]), "vector facet: off by inf"),
        (stored([1.0]), stored([float("nan")]), "vector facet: off by inf"),
        (stored([1.0]), stored(), "vector facet: missing"),
        (stored(), stored([1.0]), "vector facet: not expected"),
    ],
)
def test_what_differs_is_said(expected: StoredObject, found: StoredObject, said: str) -> None:
    """By name, with both values."""
    assert unlike(expected, found) == [said]


def measured(lag: int = 0, end: int = 9, worker: str = "indexer", partition: int = 0, opened: int = 0) -> Measure:
    """Four partitions of every worker's topic, one of them so."""
    workers = ("embedder", "creators", "indexer", "outcomes")
    still = {(of, f"of {of}", n): Progress(0, 9) for of in workers for n in range(4)}
    return still | {(worker, f"of {worker}", partition): Progress(lag, end, opened)}


@pytest.mark.parametrize("kind", UPSTREAM)
def test_only_what_is_upstream_on_the_same_partition_can_explain_a_difference(kind: Kind) -> None:
    """Something unread, or something new, there; elsewhere it explains nothing."""
    difference = Difference("missing", kind, "id", "ada", "")
    place = partition_of(b"ada", 4)
    assert Stillness(measured(), measured()).settled(difference)
    for worker in ("embedder", "creators", "indexer", "outcomes"):
        explains = worker in UPSTREAM[kind]
        for moved in (
            measured(lag=1, worker=worker, partition=place),
            measured(end=10, worker=worker, partition=place),
        ):
            assert Stillness(measured(), moved).settled(difference) is not explains
            assert Stillness(moved, measured()).settled(difference) is not explains
        elsewhere = measured(lag=1, worker=worker, partition=(place + 1) % 4)
        assert Stillness(elsewhere, elsewhere).settled(difference)


def test_what_waits_for_settling_is_excused_while_a_creator_of_its_partition_is_open() -> None:
    """Before the look or after it, there and nowhere else; what is farther off never is."""
    place = partition_of(b"ada", 4)
    waits = Difference("drifted", "facet", "id", "ada", "", waits=True)
    opened, elsewhere = measured(partition=place, opened=1), measured(partition=(place + 1) % 4, opened=1)
    assert Stillness(opened, measured()).may_be_open(waits)
    assert Stillness(measured(), opened).may_be_open(waits)
    assert not Stillness(elsewhere, measured()).may_be_open(waits)
    assert not Stillness(opened, opened).may_be_open(replace(waits, waits=False))
    assert Stillness(opened, opened).settled(waits)
    assert unsettled(opened) == 0


async def test_waiting_ends_with_the_work_or_with_the_time() -> None:
    """The last measure is given back."""
    clock = [0.0]

    async def pause(seconds: float) -> None:
        clock[0] += seconds

    left = [measured(lag=2), measured(lag=1), measured()]
    found = await wait_until_settled(lambda: left.pop(0), 10.0, lambda: clock[0], pause)
    assert found == measured()
    assert left == []
    busy = measured(lag=3)
    assert await wait_until_settled(lambda: busy, 10.0, lambda: clock[0], pause) == busy
    assert clock[0] >= 10.0
