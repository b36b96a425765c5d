"""Which constants to ship, from the two seeds that are tuned on, over all the encoders drawn. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tests.evaluate.variants import ENCODERS, TEMPERATURES, TUNED_JOINS

Tuned = Mapping[str, Sequence[Mapping[str, float]]]
"""For each encoder the figures of each seed, as ``simulation.tune`` names them."""


@dataclass(frozen=True)
class Choice:
    """Constants, and their nDCG@10 over the oracle's: its mean, and by encoder."""

    join: float
    facets: int
    temperature: float
    ratio: float
    by_encoder: Mapping[str, float]


def oracle_temperature(tuned: Tuned, encoder: str) -> float:
    """The one at which the oracle is best: it is given its own."""
    return max(TEMPERATURES, key=lambda each: fmean(seed[f"oracle, {each:g}"] for seed in tuned[encoder]))


def judged(tuned: Tuned, join: float, facets: int, temperature: float) -> Choice:
    """What these constants reach of the oracle's best."""
    name = f"facets, {join:g}, {facets}, {temperature:g}"
    ratios = {}
    for encoder in ENCODERS:
        best = f"oracle, {oracle_temperature(tuned, encoder):g}"
        ratios[encoder] = fmean(seed[name] / seed[best] for seed in tuned[encoder])
    return Choice(join, facets, temperature, fmean(ratios.values()), ratios)


def best(tuned: Tuned, facets: int) -> Choice:
    """The join threshold and temperature of the greatest mean over encoders; of equals the lower threshold."""
    choices = [judged(tuned, join, facets, temperature) for join in TUNED_JOINS for temperature in TEMPERATURES]
    return max(choices, key=lambda choice: (round(choice.ratio, 4), -choice.join))
