"""The story of ``safety rescore``: every stored post whose scores are older is named to the embedder, and looked at
until it is scored. What is done already is passed over, so that a run that was cut short goes on where it stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast
from uuid import UUID

from workers.domain.events import SafetyRevised
from workers.domain.ids import published_id
from workers.domain.parse import canonical_data
from workers.domain.safety.scoring import NEVER
from workers.domain.stored import Fetching, Listing, StoredObject
from workers.wire.cloudevents import Wire
from workers.wire.records import OutRecord, Producer, wait_acknowledged

TOPIC: Final = "posts.backfill"
MOST_OPEN: Final = 2000
"""Posts named and not scored yet at most: backfill is not flooded with them. Live posts go before it anyway."""
STILL_SECONDS: Final = 60.0
"""So long without one more post scored, and nobody is waited for any longer."""
_LOOKED_AT_ONCE, _PAUSE, _SECONDS = 200, 0.25, 60.0
_READ: Final = ("post_id", "creator_id", "removed", "safety_revision")


@dataclass(slots=True)
class Report:
    """``posts`` were looked at: ``scored_before`` had this revision or a newer one, ``removed`` are tombstones.

    ``named`` to the embedder; of these ``scored`` since, ``gone`` meanwhile, ``left`` without an answer.
    """

    revision: int
    posts: int = 0
    scored_before: int = 0
    removed: int = 0
    named: int = 0
    scored: int = 0
    gone: int = 0
    left: int = 0


Told = Callable[[Report, int], None]
"""Told how far it is, and how many posts there are, about."""


class Rescoring:
    """``pause`` and ``monotonic`` are the clock's. Raises Unavailable where Kafka or the store is gone."""

    def __init__(
        self,
        listing: Listing,
        store: Fetching,
        wire: Wire,
        producer: Producer,
        revision: int,
        told: Told,
        monotonic: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._listing, self._store, self._wire, self._producer = listing, store, wire, producer
        self._told, self._monotonic, self._pause = told, monotonic, pause
        self._report = Report(revision)
        self._open: deque[UUID] = deque()
        self._sent: list[Future[None]] = []
        self._total, self._moved_at = 0, monotonic()

    async def run(self, wait: bool) -> Report:
        """``wait``: until each post that was named is scored, or nothing moves any more."""
        self._total = await self._listing.count("Post")
        async for post in self._listing.objects("Post", vectors=False, properties=_READ):
            self._look_at(post)
            self._told(self._report, self._total)
            if len(self._sent) >= _LOOKED_AT_ONCE:
                self._acknowledged()
            while wait and len(self._open) >= MOST_OPEN and self._moving():
                await self._settle()
            if wait and not self._moving():
                break
        self._acknowledged()
        while wait and self._open and self._moving():
            await self._settle()
        self._report.left = len(self._open)
        return self._report

    def _look_at(self, post: StoredObject) -> None:
        report, said = self._report, post.properties
        report.posts += 1
        if said.get("removed"):
            report.removed += 1
        elif _revision(post) >= report.revision:
            report.scored_before += 1
        elif "post_id" in said and "creator_id" in said:
            self._name(str(said["post_id"]), str(said["creator_id"]))
            self._open.append(post.id)

    def _name(self, post_id: str, creator_id: str) -> None:
        if not self._open:
            self._moved_at = self._monotonic()
        event = SafetyRevised(post_id=post_id, creator_id=creator_id, safety_revision=self._report.revision)
        name = published_id(TOPIC, event.type_name(), canonical_data(event))
        self._sent.append(self._producer.send(self._record(event, str(name))))
        self._report.named += 1

    def _record(self, event: SafetyRevised, name: str) -> OutRecord:
        return self._wire.record(TOPIC, event, id=name, time=datetime.now(UTC))

    async def _settle(self) -> None:
        """Look at those that have waited longest."""
        self._acknowledged()
        few = [self._open[place] for place in range(min(_LOOKED_AT_ONCE, len(self._open)))]
        found = await self._store.fetch("Post", few)
        done = {id_ for id_ in few if self._answered(found.get(id_))}
        # Those that do not come go behind the others, so that they do not hide them.
        for _ in few:
            if (id_ := self._open.popleft()) not in done:
                self._open.append(id_)
        if not done:
            await self._pause(_PAUSE)
            return
        self._moved_at = self._monotonic()
        self._told(self._report, self._total)

    def _answered(self, post: StoredObject | None) -> bool:
        if post is None or post.properties.get("removed"):
            self._report.gone += 1
            return True
        if _revision(post) < self._report.revision:
            return False
        self._report.scored += 1
        return True

    def _moving(self) -> bool:
        return not self._open or self._monotonic() - self._moved_at < STILL_SECONDS

    def _acknowledged(self) -> None:
        try:
            wait_acknowledged(self._producer, self._sent, _SECONDS)
        finally:
            self._sent.clear()


def _revision(post: StoredObject) -> int:
    return int(cast("int", post.properties.get("safety_revision", NEVER)))
