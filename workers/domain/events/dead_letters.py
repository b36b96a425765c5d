"""What operators did about dead letters."""

from __future__ import annotations

from typing import Literal

from workers.domain.events.envelope import Event
from workers.domain.fields import Count, Identifier, Label, Text, Timestamp


class DeadLetterResolved(Event):
    """What an operator did about a dead letter: put it back, for the ``replays``-th time in all, or gave it up."""

    key_field = "dead_id"

    dead_id: Identifier
    worker: Label
    action: Literal["replayed", "dropped"]
    resolved_at: Timestamp
    why: Text | None = None
    replays: Count = 0

    def covers(self, worker: str, replays: int) -> bool:
        """Whether it settles a letter of ``worker`` that died after ``replays`` replays.

        No clock is asked: a letter that died again carries one replay more than what was put back. A drop is for ever.
        """
        return self.worker == worker and (self.action == "dropped" or replays < self.replays)
