"""Who waits for whom: posts of a creator go side by side, an erasure or a reinstatement goes alone.

What is read after one waits for it in the loop's queue (``key``). What was read before and is still in flight is waited
for at the door (``taken``); what waits elsewhere, for its pictures' host, comes too late: it has been overtaken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from workers.domain.events import CreatorErased, CreatorReinstated, PostPublished, PostRemoved, SafetyRevised
from workers.embedder.task import Accepted
from workers.wire.records import Item

Place = tuple[str, int, int]


@dataclass(eq=False, slots=True)
class _Inside:
    """A batch on its way: creators whose standing it changes, those whose posts it holds."""

    alone: frozenset[str]
    together: frozenset[str]
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def conflicts(self, other: _Inside) -> bool:
        return not (self.alone.isdisjoint(other.alone | other.together) and self.together.isdisjoint(other.alone))


class Turns:
    """``retry`` is the full name of the retry topic: what lies there waits alone, and holds nothing read after it."""

    def __init__(self, retry: str) -> None:
        self._retry = retry
        self._open: dict[str, set[Place]] = {}
        self._inside: list[_Inside] = []

    def key(self, item: Item[Accepted]) -> str:
        """Items of one key are never in flight together. Called once for each item, in the order of reading."""
        event, creator = item.event, f"creator|{item.event.creator_id}"
        if changes_standing(event):
            if item.record.position.topic != self._retry:
                self._open.setdefault(event.creator_id, set()).add(_place(item))
            return creator
        if isinstance(event, PostPublished | PostRemoved | SafetyRevised) and event.creator_id not in self._open:
            return f"post|{event.post_id}"
        return creator

    def done(self, item: Item[Accepted]) -> None:
        """A change of standing has happened: what is read from here on need not wait for it."""
        places = self._open.get(item.event.creator_id, set())
        places.discard(_place(item))
        if not places:
            self._open.pop(item.event.creator_id, None)

    @asynccontextmanager
    async def taken(self, batch: Sequence[Item[Accepted]]) -> AsyncIterator[None]:
        """Inside, no other batch changes the standing of these creators, nor holds events of those it changes here."""
        alone = frozenset(item.event.creator_id for item in batch if changes_standing(item.event))
        mine = _Inside(alone, frozenset(item.event.creator_id for item in batch) - alone)
        before = [other for other in self._inside if other.conflicts(mine)]
        self._inside.append(mine)
        try:
            for other in before:
                await other.left.wait()
            yield
        finally:
            self._inside.remove(mine)
            mine.left.set()


def changes_standing(event: Accepted) -> bool:
    """Whether the event erases or reinstates its creator."""
    return isinstance(event, CreatorErased | CreatorReinstated)


def _place(item: Item[Accepted]) -> Place:
    position = item.record.position
    return position.topic, position.partition, position.offset
