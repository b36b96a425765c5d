"""Too many dead letters pause the worker (law 4): something may be wrong with it, and not with the events.

Closed, it counts; open, nothing begins until ``breaker_seconds`` have passed; then a few events are let through, and
it closes if they are good enough. Whoever says so closes it at any time. Pure: time comes as an argument, in seconds.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final, Literal

import structlog

from workers.config import Settings
from workers.metrics import BREAKER_OPEN

TRIAL: Final = 10
State = Literal["closed", "open", "trying"]
log = structlog.get_logger()


class Breaker:
    """Of one worker's process. Opens when more than ``breaker_share`` of the last verdicts are dead letters."""

    def __init__(self, settings: Settings) -> None:
        self._share, self._least = settings.breaker_share, settings.breaker_least
        self._seconds = settings.breaker_seconds
        self._verdicts: deque[str | None] = deque(maxlen=max(settings.breaker_window, settings.breaker_least))
        self._dead = 0  # of the verdicts: they are many, and each new one is judged
        self._tried: list[str | None] = []
        self._until: float | None = None
        self._why = ""

    def count(self, reason: str | None, now: float) -> None:
        """A verdict: the reason of a dead letter, or None of what was done."""
        state = self.state(now)
        if state == "trying":
            self._tried.append(reason)
            if len(self._tried) == TRIAL and self._bad(sum(each is not None for each in self._tried), TRIAL):
                self._open(self._tried, now)
            elif len(self._tried) == TRIAL:
                self.resume()
        elif state == "closed":
            self._remember(reason)
            if len(self._verdicts) >= self._least and self._bad(self._dead, len(self._verdicts)):
                self._open(self._verdicts, now)

    def state(self, now: float) -> State:
        """Whether all may begin, none, or a few."""
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "trying"

    def room(self, now: float, in_flight: int) -> int | None:
        """How many items may begin beside those in flight; None: as many as one likes."""
        state = self.state(now)
        if state == "closed":
            return None
        return 0 if state == "open" else max(0, TRIAL - len(self._tried) - in_flight)

    def resume(self) -> None:
        """Go on, and begin to count anew."""
        self._until, self._why = None, ""
        self._verdicts.clear()
        self._dead = 0
        self._tried.clear()

    def described(self, now: float) -> dict[str, str]:
        """For health and status: nothing while closed."""
        if self._until is None:
            return {}
        left = self._until - now
        then = f"tries a few in {left:.0f} s" if left > 0 else f"tries: {len(self._tried)} of {TRIAL} are judged"
        return {"breaker": f"open: {self._why}; {then}, or goes on when told (streamscout resume)"}

    def _remember(self, reason: str | None) -> None:
        if len(self._verdicts) == self._verdicts.maxlen:
            self._dead -= self._verdicts[0] is not None
        self._verdicts.append(reason)
        self._dead += reason is not None

    def _bad(self, dead: int, all_of_them: int) -> bool:
        return dead > self._share * all_of_them

    def _open(self, verdicts: deque[str | None] | list[str | None], now: float) -> None:
        reasons = Counter(reason for reason in verdicts if reason is not None)
        most, times = reasons.most_common(1)[0]
        self._why = f"{reasons.total()} of {len(verdicts)} events are dead letters ({times} {most})"
        self._until = now + self._seconds
        self._tried.clear()


class Alarm:
    """Says once what a breaker does: in the log and as a metric."""

    def __init__(self, worker: str, breaker: Breaker) -> None:
        self._worker, self._breaker = worker, breaker
        self._said: State = "closed"
        BREAKER_OPEN.labels(worker).set(0)

    def tell(self, now: float) -> None:
        """Call it often."""
        state = self._breaker.state(now)
        if state == self._said:
            return
        self._said = state
        BREAKER_OPEN.labels(self._worker).set(state != "closed")
        if state == "open":
            log.error("paused: too many dead letters", worker=self._worker, **self._breaker.described(now))
        else:
            log.warning("breaker closed" if state == "closed" else "lets a few events through", worker=self._worker)
