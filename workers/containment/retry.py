"""How long an item waits, and where: short waits in memory, longer ones on the topic ``<worker>.retry``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from workers.config import Settings
from workers.containment.dead_letters import DUE, REFUSALS, delayed
from workers.wire.letters import carried, count
from workers.wire.records import Done, InRecord, Item, Later

LONGEST_SECONDS = 3600.0
"""No wait is longer, whatever a host asks for or a clock says."""


class Delayed(Done):
    """The item goes on as a record of the retry topic: once that is acknowledged, its own offset is dealt with."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The policy of one worker; ``topic`` is the full name of its retry topic."""

    settings: Settings
    topic: str

    def seconds(self, item: Item[Any], later: Later) -> float:
        """The handler's wish, but no less than a pause that doubles with each attempt."""
        times = item.refusals if later.elsewhere else item.attempts
        backoff = self.settings.retry_seconds * 2.0 ** min(times, 30)
        return min(max(later.seconds, min(backoff, self.settings.retry_max_seconds)), LONGEST_SECONDS)

    def moved(self, item: Item[Any], later: Later, crowded: bool, now: datetime) -> Delayed | None:
        """The item on its way to the retry topic, or None: it waits in memory, unless that is ``crowded``."""
        wait = self.seconds(item, later)
        if not later.elsewhere or (wait < self.settings.retry_topic_seconds and not crowded):
            return None
        due = round((now + timedelta(seconds=wait)).timestamp() * 1000)
        return Delayed((delayed(item.record, self.topic, item.refusals + later.counted, due),))

    def carried(self, record: InRecord, now: datetime) -> tuple[int, float]:
        """Refusals so far, and the seconds until it is due: of a record of the retry topic; else none, and none.

        Only there, where nobody but this worker writes, are the headers believed.
        """
        if record.position.topic != self.topic:
            return 0, 0.0
        headers = carried(record)
        refusals, due = count(headers, REFUSALS), count(headers, DUE)
        return refusals, min(max(0.0, due / 1000 - now.timestamp()), LONGEST_SECONDS)
