"""Scores held against the truth: the protocol's metrics of one arm in one world. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.evaluate.truth import RELEVANT, TAIL, allowed, of_the_category, share_of_output
from tests.evaluate.world import World
from workers.domain.vectors import Array
from workers.evaluate.metrics import auc, ndcg_at, recall_at

TOP, DEEP = 10, 50


@dataclass(frozen=True)
class Judged:
    """Means over the briefs; ``caption_correlation``: of creators' caption rates with their mean scores."""

    ndcg10: float
    recall50: float
    tail_recall50: float
    auc_in_category: float
    caption_correlation: float


class Judge:
    """Holds what is true of one world under one meaning of output."""

    def __init__(self, world: World, meaning: str = "output", share: Array | None = None) -> None:
        self._share = share_of_output(world, meaning) if share is None else share
        self._allowed, self._near = allowed(world), of_the_category(world)
        self._caption_rate = world.creators.caption_rate

    def judge(self, scores: Array) -> Judged:
        """``scores`` (B, C), minus infinity where the match would not have scored a creator at all."""
        found: dict[str, list[float]] = {"ndcg": [], "recall": [], "tail": [], "auc": []}
        for share, score, may, near in zip(self._share, scores, self._allowed, self._near, strict=True):
            relevant = may & (share >= RELEVANT)
            if not relevant.any():
                continue
            served = _served(score, may)
            found["ndcg"].append(ndcg_at(TOP, list(share[served[:TOP]]), list(share[may])))
            found["recall"].append(recall_at(DEEP, list(relevant[served[:DEEP]]), int(relevant.sum())))
            tail = relevant & (share < TAIL)
            if tail.any():
                found["tail"].append(recall_at(DEEP, list(tail[served[:DEEP]]), int(tail.sum())))
            good, bad = score[near & relevant], score[near & may & ~relevant]
            if len(good) and len(bad):
                found["auc"].append(auc(list(good), list(bad)))
        means = [float(np.mean(values)) for values in found.values()]
        return Judged(*means, caption_correlation=self._correlation(scores))

    def ndcg10(self, scores: Array) -> float:
        """The first metric alone."""
        return self.judge(scores).ndcg10

    def _correlation(self, scores: Array) -> float:
        """Not a number where scores do not differ."""
        known = np.isfinite(scores)
        scored = known.any(axis=0)
        mean = np.where(known, scores, 0.0).sum(axis=0)[scored] / known.sum(axis=0)[scored]
        if np.ptp(mean) == 0:
            return float("nan")
        return float(np.corrcoef(self._caption_rate[scored], mean)[0, 1])


def _served(score: Array, may: Array) -> Array:
    """The creators as they are served: best first, equal ones in their order, nobody who is not scored."""
    able = np.flatnonzero(may & np.isfinite(score))
    return np.asarray(able[np.argsort(-score[able], kind="stable")])
