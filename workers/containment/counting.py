"""What a worker's metrics say of its events and its partitions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workers import metrics
from workers.containment.admission import Misplaced
from workers.containment.breaker import Breaker
from workers.containment.retry import Delayed
from workers.wire.cloudevents import source_time
from workers.wire.records import Dead, Done, Item, Later, Open, TopicPartition, Verdict


class Counting:
    """Of one worker. What is dead, and what is done, moves its ``breaker`` too."""

    def __init__(self, worker: str, breaker: Breaker) -> None:
        self._worker, self._breaker = worker, breaker
        self._observed: set[TopicPartition] = set()

    def verdict(self, item: Item[Any], verdict: Verdict, now: datetime, monotonic: float) -> None:
        """An event has its verdict; what only moved to another topic has not been judged.

        What is open is searchable, and done as far as anybody outside can tell: it counts then, and not again.
        """
        if item.open and not isinstance(verdict, Dead | Later):
            return
        name = "done" if isinstance(verdict, Open) else type(verdict).__name__.lower()
        metrics.EVENTS.labels(self._worker, name).inc()
        if isinstance(verdict, Dead):
            self._breaker.count(verdict.reason, monotonic)
            metrics.DEAD_LETTERS.labels(self._worker, verdict.reason).inc()
        elif isinstance(verdict, Done | Open) and not isinstance(verdict, Misplaced | Delayed):
            self._breaker.count(None, monotonic)
            age = now.timestamp() - int(source_time(item.record)) / 1000
            metrics.FRESHNESS_SECONDS.labels(self._worker).observe(max(0.0, age))

    def observe(self, queued: int, blocked: int, lags: Mapping[TopicPartition, int | None]) -> None:
        """Items in memory, partitions that wait, and of each assigned one the lag, where it is known."""
        metrics.QUEUE_ITEMS.labels(self._worker).set(queued)
        metrics.PAUSED_PARTITIONS.labels(self._worker).set(blocked)
        for name, lag in lags.items():
            if lag is not None:
                metrics.LAG.labels(self._worker, *name).set(lag)
        for name in self._observed - lags.keys():
            metrics.LAG.remove(self._worker, *name)
        self._observed = set(lags)
