"""The share-weighted score of a creator for a brief (shared/representation.md, "The score").

``s(c) = sum_a weight_a * T * log(sum_f share_f * exp((q_a . facet_f - 1) / T))``: a soft maximum over the creator's
facets with each one's share inside. Cutting a facet in two leaves it unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.domain.vectors import Array


@dataclass(frozen=True, slots=True)
class Scores:
    """Of C creators with F facets in all, for A aspects.

    ``total`` (C,): the score, at most 0 where shares sum to 1; ``per_aspect`` (C, A): the same before the weights;
    ``contribution`` (F,): each facet's part in its creator's score, 0 to 1, summing to 1 within a creator.
    """

    total: Array
    per_aspect: Array
    contribution: Array


def share_weighted(cosines: Array, shares: Array, starts: Array, weights: Array, temperature: float) -> Scores:
    """Score creators whose facets lie one after the other.

    ``cosines`` (F, A), ``shares`` (F,) above 0, ``starts`` (C,) the index of each creator's first facet, ascending from
    0, ``weights`` (A,) of the aspects, summing to 1. Raises ValueError where a share is not above 0.
    """
    if not (shares > 0).all():
        raise ValueError("a facet's share must be above 0")
    counts = np.diff(np.append(starts, len(shares)))
    logits = np.log(shares)[:, None] + (cosines - 1.0) / temperature
    peaks = np.maximum.reduceat(logits, starts, axis=0)
    risen = np.exp(logits - np.repeat(peaks, counts, axis=0))
    sums = np.add.reduceat(risen, starts, axis=0)
    per_aspect = temperature * (peaks + np.log(sums))
    contribution = (risen / np.repeat(sums, counts, axis=0)) @ weights
    return Scores(total=per_aspect @ weights, per_aspect=per_aspect, contribution=contribution)
