"""The simulation's half of ``make evaluate``: seeds in processes, constants tuned on some and reported on others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from tests.evaluate import tuning
from tests.evaluate.intervals import differences, over_seeds
from tests.evaluate.report import simulated_rows
from tests.evaluate.simulation import MEAN, METHOD, ORACLE, report, shipped, tune
from tests.evaluate.variants import ENCODERS
from tests.evaluate.world import Shape

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Which worlds, and which seeds of them: no seed is both tuned on and reported."""

    shape: Shape
    tuned: tuple[int, ...]
    reported: tuple[int, ...]


WHOLE = Plan(Shape(), tuned=(1, 2), reported=(11, 12, 13, 14, 15))
QUICK = Plan(Shape(creators=150, topics=48, posts=30), tuned=(1,), reported=(11, 12))


def simulate(say: Say, plan: Plan) -> tuple[dict[str, float], dict[str, Any]]:
    """The values of its rows, and everything the page shows."""
    with ProcessPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        tuned: dict[str, list[dict[str, float]]] = {encoder: [] for encoder in ENCODERS}
        tasks = {
            pool.submit(tune, seed, plan.shape, encoder): f"tuned on seed {seed}, {encoder}"
            for seed in plan.tuned
            for encoder in ENCODERS
        }
        for name, found in _done(tasks, say):
            tuned[name.split(", ", 1)[1]].append(found)
        constants = shipped(plan.shape.dimensions)
        oracle = tuning.oracle_temperature(tuned, next(iter(ENCODERS)))
        say(f"the oracle's temperature is {oracle:g}")
        reports = {pool.submit(report, seed, plan.shape, oracle): f"seed {seed}" for seed in plan.reported}
        seeds = [found for _, found in sorted(_done(reports, say), key=lambda each: each[0])]
    values = simulated_rows([seed["arms"] for seed in seeds])
    say(", ".join(f"{name} {value:.3f}" for name, value in values.items()))
    ships = tuning.judged(tuned, constants.fold.join, constants.fold.facets, constants.temperature)
    return values, {
        "plan": asdict(plan),
        "posts": round(fmean(seed["posts"] for seed in seeds)),
        "tuning": {
            "figures": tuned,
            "oracle_temperature": oracle,
            "best": asdict(tuning.best(tuned, constants.fold.facets)),
            "ships": asdict(ships),
        },
        "seeds": seeds,
        **summary(seeds),
    }


def summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds with their intervals, of figures and of differences within a seed."""
    return {
        "intervals": over_seeds(seeds),
        "against": {
            name: over_seeds([differences(seed["arms"], seed["arms"][name]) for seed in seeds])
            for name in (METHOD, MEAN, ORACLE)
        },
        "gains": over_seeds([gains(seed) for seed in seeds]),
        "ablations": over_seeds(
            [differences(seed["ablations"], seed["ablations"]["as it ships"]["as it ships"]) for seed in seeds]
        ),
    }


def gains(seed: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What bios and audiences bring against none, under the same truth."""
    bio, audience = seed["bio"], seed["audience"]
    return {
        "bio": {name: value - bio[f"{name.rpartition(' | ')[0]} | no bios"] for name, value in bio.items()},
        "audience": {name: value - audience["weight 0"] for name, value in audience.items()},
    }


def _done(tasks: dict[Any, str], say: Say) -> Iterator[tuple[str, Any]]:
    for future in as_completed(tasks):
        found = future.result()
        say(f"simulated: {tasks[future]}")
        yield tasks[future], found
