"""Work done for events that are not finished: what waits for a busy server begins where it stopped (law 5)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from workers.domain.media import Frame
from workers.domain.vectors import Array
from workers.embedder.plan import Keyframes

KEPT = 1024
"""Unfinished events remembered at most: those of a revoked partition never end here."""


@dataclass(slots=True)
class Progress:
    """Of one event. ``pixels`` and ``vectors`` by media hash, ``captions`` by caption hash: centred, float32 (d,).

    ``pixels``: of each medium its frames, until they are encoded.

    ``attempts`` asked a host in vain. ``unusable`` holds the hashes, of pictures or captions, that the model has no
    direction for.
    """

    attempts: int = 0
    media_hashes: dict[int, str] = field(default_factory=dict)
    pixels: dict[str, Sequence[Frame]] = field(default_factory=dict)
    vectors: dict[str, Keyframes] = field(default_factory=dict)
    captions: dict[str, Array] = field(default_factory=dict)
    unusable: set[str] = field(default_factory=set)


class Unfinished:
    """Progress by event hash; the oldest is forgotten beyond ``KEPT``."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._events: OrderedDict[str, Progress] = OrderedDict()

    def of(self, event: str) -> Progress:
        """What is known of the event; begins anew where that is nothing."""
        progress = self._events.setdefault(event, Progress())
        self._events.move_to_end(event)
        while len(self._events) > self._kept:
            self._events.popitem(last=False)
        return progress

    def forget(self, event: str) -> None:
        """The event is finished."""
        self._events.pop(event, None)

    def __len__(self) -> int:
        return len(self._events)
