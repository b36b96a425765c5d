"""What ``make evaluate`` reports: its rows in their order, their bars, and how they follow from figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from tests.evaluate.simulation import MEAN, METHOD, ORACLE
from tests.reports.rows import RowKind

SIMULATED = (
    RowKind("ndcg10_over_oracle", "x", 0.98),
    RowKind("vectors_per_creator", "vectors", 6.0, "at_most"),
    RowKind("ndcg10_minus_mean", "nDCG@10", 0.08),
    RowKind("tail_recall50_minus_mean", "recall@50", 0.30),
    RowKind("caption_rate_correlation", "r", 0.1, "at_most"),
)
SERVED = (
    RowKind("filtered_recall10_min", "recall@10", 0.95),
    RowKind("filtered_recall10_min_graph", "recall@10"),
    RowKind("match_p99_over_near_vector", "x", 5.0, "at_most"),
    RowKind("match_p99_ms", "ms"),
)
ROWS = (*SIMULATED, *SERVED)
NAMES = tuple(kind.name for kind in ROWS)

BySeed = Sequence[Mapping[str, Mapping[str, float]]]
"""For each seed the arms, and of each arm its figures."""


def simulated_rows(arms: BySeed) -> dict[str, float]:
    """The values of the rows that the simulation measures: means over the seeds of what each seed shows.

    The method is judged as it is served, from its candidates; the mean and the oracle over everybody.
    """

    def over_seeds(row: Any) -> float:
        return fmean(row(one[METHOD], one[MEAN], one[ORACLE]) for one in arms)

    return {
        "ndcg10_over_oracle": over_seeds(lambda own, _, oracle: own["ndcg10"] / oracle["ndcg10"]),
        "vectors_per_creator": over_seeds(lambda own, _, __: own["vectors"]),
        "ndcg10_minus_mean": over_seeds(lambda own, mean, _: own["ndcg10"] - mean["ndcg10"]),
        "tail_recall50_minus_mean": over_seeds(lambda own, mean, _: own["tail_recall50"] - mean["tail_recall50"]),
        "caption_rate_correlation": over_seeds(lambda own, _, __: abs(own["caption_correlation"])),
    }
