"""From figures of single seeds to means with intervals, over trees of any depth. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from workers.evaluate.metrics import Interval


def interval(values: Sequence[float]) -> Interval:
    """The mean over seeds and its 95 % interval by Student's t; seeds are few, so not by a bootstrap."""
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Interval(mean, math.nan, math.nan, count)
    half = float(stats.t.ppf(0.975, count - 1) * np.std(values, ddof=1) / math.sqrt(count))
    return Interval(mean, mean - half, mean + half, count)


def over_seeds(trees: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One tree with an interval at every leaf, of trees with the same names and a figure at every leaf."""
    return {
        name: over_seeds([tree[name] for tree in trees])
        if isinstance(first, Mapping)
        else interval([tree[name] for tree in trees])
        for name, first in trees[0].items()
    }


def differences(own: Mapping[str, Any], other: Mapping[str, float]) -> dict[str, Any]:
    """``own`` less ``other`` at each leaf that ``other`` names: seed by seed, so that what seeds share falls away."""
    return {
        name: differences(value, other) if isinstance(value, Mapping) else value - other[name]
        for name, value in own.items()
        if isinstance(value, Mapping) or name in other
    }
