"""A logistic through labelled margins.

Platt, "Probabilistic outputs for support vector machines" (1999), with his targets; found by Newton steps that are cut
in half until the loss falls, after Lin, Lin and Weng, "A note on Platt's probabilistic outputs" (2007).
"""

from __future__ import annotations

import numpy as np

from workers.domain.vectors import Array

_STEPS, _HALVINGS, _RIDGE, _SETTLED = 100, 40, 1e-12, 1e-9


def platt(margins: Array, holds: Array, base_rate: float | None = None) -> tuple[float, float]:
    """Slope and intercept of ``1 / (1 + exp(-(slope * margin + intercept)))`` for margins (n,), ``holds`` (n,) bool.

    ``base_rate``: the share that shall hold where the probabilities are used, by weighting both classes; None takes the
    labels' own. Raises ValueError where one of the classes is empty.
    """
    positives, negatives = int(holds.sum()), int((~holds).sum())
    if not positives or not negatives:
        raise ValueError("labels of both kinds are needed: some that hold and some that do not")
    weights = class_weights(holds, base_rate)
    # Platt's targets: not quite 1 and 0, as far as so many labels allow.
    targets = np.where(holds, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    mean, spread = float(margins.mean()), float(margins.std()) or 1.0
    points = np.stack([(margins - mean) / spread, np.ones(len(margins))], axis=1)
    rate = float((weights * holds).sum() / weights.sum())
    found = np.array([0.0, np.log(rate / (1 - rate))])
    loss = _loss(points @ found, targets, weights)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(points @ found, -500, 500)))
        slope = points.T @ (weights * (p - targets))
        curve = (points * (weights * p * (1 - p))[:, None]).T @ points + _RIDGE * np.eye(2)
        step = np.linalg.solve(curve, slope)
        for halving in range(_HALVINGS):
            there = found - step * 0.5**halving
            now = _loss(points @ there, targets, weights)
            if now <= loss:
                break
        else:
            break
        settled = loss - now < _SETTLED * max(1.0, abs(loss))
        found, loss = there, now
        if settled:
            break
    return float(found[0] / spread), float(found[1] - found[0] * mean / spread)


def class_weights(holds: Array, base_rate: float | None) -> Array:
    """A weight for each label (n,), so that ``base_rate`` of the whole weight holds; 1 each without one."""
    if base_rate is None:
        return np.ones(len(holds))
    share = holds.mean()
    return np.asarray(np.where(holds, base_rate / share, (1 - base_rate) / (1 - share)))


def _loss(logits: Array, targets: Array, weights: Array) -> float:
    """Cross-entropy, without an exponential that overflows."""
    return float((weights * (np.logaddexp(0.0, logits) - targets * logits)).sum())
