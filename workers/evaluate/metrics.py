"""How good a ranked answer is: nDCG@k, recall@k, AUC, and intervals for their means. Pure.

Gains are linear, as Järvelin and Kekäläinen (ACM TOIS 2002) define them: a grade of 2 is worth twice a grade of 1, so
that shares and grades are judged alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
"""Resamples of a bootstrap."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and the 95 % interval in which it lies; of one value, or none, the interval is not a number."""

    mean: float
    low: float
    high: float
    count: int


def ndcg_at(k: int, gains: Sequence[float], known: Sequence[float]) -> float:
    """Discounted gain of an answer's first ``k``, over that of the best answer there is: 0 to 1.

    ``gains``: of the answer's items, best first, 0 for one that is not known to be good; ``known``: every gain above 0
    that there is to have, in any order. Raises ValueError where there is none: then every answer is as good.
    """
    best = _discounted(sorted(known, reverse=True)[:k])
    if best <= 0:
        raise ValueError("nothing is known to be relevant")
    return _discounted(gains[:k]) / best


def recall_at(k: int, relevant: Sequence[bool], known: int) -> float:
    """Part of all ``known`` relevant items that stand among an answer's first ``k``: 0 to 1. Raises ValueError for 0.

    Where more than ``k`` are relevant even the best answer has less than 1.
    """
    if known < 1:
        raise ValueError("nothing is known to be relevant")
    return sum(map(bool, relevant[:k])) / known


def auc(good: Sequence[float], bad: Sequence[float]) -> float:
    """The chance that a good one scores above a bad one, a tie counting half (Mann-Whitney). Raises ValueError."""
    if not len(good) or not len(bad):
        raise ValueError("an AUC needs good ones and bad ones")
    ordered = np.sort(np.asarray(bad, dtype=np.float64))
    values = np.asarray(good, dtype=np.float64)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return float((below + up_to).sum() / (2.0 * len(values) * len(ordered)))


def bootstrap(values: Sequence[float], seed: int = 1) -> Interval:
    """The mean of values, and its interval by the percentile bootstrap (Efron 1979). Of a seed: always the same."""
    data = np.asarray(values, dtype=np.float64)
    if len(data) < 2:
        return Interval(float(data.mean()) if len(data) else math.nan, math.nan, math.nan, len(data))
    drawn = np.random.default_rng(seed).integers(len(data), size=(DRAWS, len(data)))
    low, high = np.quantile(data[drawn].mean(axis=1), (0.025, 0.975))
    return Interval(float(data.mean()), float(low), float(high), len(data))


def _discounted(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))
