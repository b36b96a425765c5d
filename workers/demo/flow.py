"""Watching posts flow: published, embedded, searchable; read off the workers' metrics and the API."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from rich.console import Console

from workers.demo.observed import Scrape, quantile, scrape

SETTLE_SECONDS = 120.0
POLL_SECONDS = 0.5
SHOW_SECONDS = 2.0


class StepFailedError(Exception):
    """A step of the demo did not do what it says."""


@dataclass(frozen=True, slots=True)
class Flowed:
    """What one load did: posts a second from the first publication until all are searchable; freshness in seconds."""

    posts_per_second: float
    freshness_p50: float
    freshness_p99: float


@dataclass(slots=True)
class Flow:
    """Reads a running Streamscout: addresses of its workers by name, its API, the ids of all creators."""

    console: Console
    api: httpx.Client
    workers: Mapping[str, str]
    creators: tuple[str, ...]
    check_workers: Callable[[], None]

    def watch(self, title: str, publish: Callable[[], int], posts: int, known: int) -> Flowed:
        """Publish in the background and show the flow until ``known + posts`` posts are folded and searchable.

        ``publish`` answers with how many events the broker acknowledged. Raises StepFailedError when time runs out.
        """
        before = {name: scrape(self.workers[name]) for name in ("embedder", "indexer")}
        self.console.print(f"  {title}: events (posts and profiles) so far; freshness in seconds", highlight=False)
        self.console.print("seconds  published  embedded  each s  searchable  freshness p50     p99", highlight=False)
        began, shown = time.monotonic(), 0.0
        with ThreadPoolExecutor(1, thread_name_prefix="publish") as pool:
            publishing = pool.submit(publish)
            while True:
                self.check_workers()
                seconds = time.monotonic() - began
                finished = self._settled(publishing, before, known + posts)
                if finished or seconds - shown >= SHOW_SECONDS:
                    shown = seconds
                    self._show(publishing, before, seconds)
                if finished:
                    return Flowed(posts / seconds, *self._freshness(before, time.monotonic() - began))
                if seconds > SETTLE_SECONDS + posts / 4:
                    raise StepFailedError(
                        f"{title}: after {seconds:.0f} s only {self.searchable()} posts are searchable"
                    )
                time.sleep(POLL_SECONDS)

    def searchable(self) -> int:
        """Posts that are folded into a creator who can be matched, as the API tells it."""
        counted = 0
        for creator in self.creators:
            answer = self.api.get(f"/v1/creators/{creator}")
            if answer.status_code != httpx.codes.NOT_FOUND:
                counted += int(answer.raise_for_status().json()["posts"])
        return counted

    def _settled(self, publishing: Future[int], before: Mapping[str, Scrape], posts: int) -> bool:
        """Whether everything published is searchable. The API is asked last: asking it costs the workers time."""
        if not publishing.done() or self._done("embedder", before) < publishing.result():
            return False
        return self.searchable() >= posts

    def _done(self, worker: str, before: Mapping[str, Scrape]) -> float:
        name, labels = "streamscout_events_total", {"worker": worker, "verdict": "done"}
        return scrape(self.workers[worker]).total(name, **labels) - before[worker].total(name, **labels)

    def _show(self, publishing: Future[int], before: Mapping[str, Scrape], seconds: float) -> None:
        published = str(publishing.result()) if publishing.done() else "…"
        embedded, indexed = self._done("embedder", before), self._done("indexer", before)
        p50, p99 = self._freshness(before, seconds)
        self.console.print(
            f"{seconds:7.1f}{published:>11}{embedded:10.0f}{embedded / max(seconds, 0.1):8.0f}{indexed:12.0f}"
            f"{p50:15.2f}{p99:8.2f}",
            highlight=False,
        )

    def _freshness(self, before: Mapping[str, Scrape], most: float) -> tuple[float, float]:
        name, labels = "streamscout_freshness_seconds", {"worker": "indexer"}
        old = before["indexer"].buckets(name, **labels)
        new = scrape(self.workers["indexer"]).buckets(name, **labels)
        return quantile(0.50, old, new, most), quantile(0.99, old, new, most)
