"""What the demo reads off the running workers: their Prometheus metrics, as sums and quantiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from workers.adapters.security import trusting
from workers.config import Settings

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scrape:
    """One reading of one worker's metrics: name and labels to value."""

    samples: tuple[tuple[str, tuple[tuple[str, str], ...], float], ...]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of a name that carry these labels."""
        wanted = labels.items()
        return sum(value for found, having, value in self.samples if found == name and wanted <= dict(having).items())

    def buckets(self, name: str, **labels: str) -> dict[float, float]:
        """A histogram's cumulative counts by upper bound."""
        wanted = labels.items()
        found: dict[float, float] = {}
        for sample, having, value in self.samples:
            carried = dict(having)
            if sample == f"{name}_bucket" and wanted <= carried.items():
                bound = float(carried["le"])
                found[bound] = found.get(bound, 0.0) + value
        return found


def scrape(address: str) -> Scrape:
    """Read a worker's ``/metrics``. Raises httpx.HTTPError."""
    text = httpx.get(f"{address}/metrics", timeout=10).raise_for_status().text
    return Scrape(
        tuple(
            (sample.name, tuple(sorted(sample.labels.items())), sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        )
    )


def quantile(
    share: float, before: Mapping[float, float], after: Mapping[float, float], most: float = math.inf
) -> float:
    """A quantile of what a histogram counted between two readings, linear within its bucket as PromQL's is.

    NaN where nothing was counted; the last finite bound where the quantile lies beyond it. ``most`` is the greatest
    value there can be: in a wide bucket a line alone would tell of ages that nothing has reached yet.
    """
    bounds = sorted(after)
    counts = [after[bound] - before.get(bound, 0.0) for bound in bounds]
    if not bounds or counts[-1] <= 0:
        return math.nan
    rank, low, below = share * counts[-1], 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=True):
        if count >= rank:
            if math.isinf(bound):
                return min(low, most)
            high = max(low, min(bound, most))
            return low + (high - low) * ((rank - below) / (count - below) if count > below else 1.0)
        low, below = bound, count
    return low


def pictures_computed(settings: Settings) -> int:
    """How many pictures Triton has computed since its start, by its own count (its statistics extension)."""
    url = f"{settings.triton_url}/v2/models/clip_image/stats"
    answer = httpx.get(url, timeout=10, verify=trusting(settings, "triton_ca_file")).raise_for_status().json()
    return sum(int(model["inference_count"]) for model in answer["model_stats"])
