"""What operators did about dead letters."""

from __future__ import annotations

from typing import Literal

from workers.domain.events.envelope import Event
from workers.domain.fields import Count, Identifier, Label, Text, Timestamp


class DeadLetterResolved(Event):
    """What an operator did about a dead letter: put it back, for the ``replays``-th time in all, or gave it up.

    One event may be dead at two workers: its letters have one id, and each a resolution of its own.
    """

    key_field = "worker"

    dead_id: Identifier
    worker: Label
    action: Literal["replayed", "dropped"]
    resolved_at: Timestamp
    why: Text | None = None
    replays: Count = 0

    def key(self) -> str:
        """The worker and the dead letter's id."""
        return f"{self.worker}|{self.dead_id}"

    def covers(self, worker: str, replays: int) -> bool:
        """Whether it settles a letter of ``worker`` that died after ``replays`` replays."""
        return self.worker == worker and covers(self.action, self.replays, replays)


def covers(action: Literal["replayed", "dropped"], replays: int, before: int) -> bool:
    """Whether what was done, for the ``replays``-th time in all, settles a death after ``before`` replays.

    No clock is asked: a letter that died again carries one replay more than what was put back. A drop is for ever.
    """
    return action == "dropped" or before < replays
