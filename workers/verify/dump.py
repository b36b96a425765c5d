"""The whole state, line after line, sorted by kind and id: the same state is the same bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from workers.domain.events import CreatorUpdated, Event, FeedbackSignalled
from workers.domain.ids import dead_letter_id
from workers.domain.reasons import InvalidEvent
from workers.domain.stored import StoredObject
from workers.verify.lines import dead_values, object_values, signal_values, unreadable_values, update_values
from workers.wire.cloudevents import Wire
from workers.wire.letters import ID, REASON
from workers.wire.records import InRecord

OBJECT_KINDS = {"bio": "Bio", "creator": "Creator", "facet": "Facet", "post": "Post", "visual": "Visual"}
KINDS = tuple(sorted([*OBJECT_KINDS, "dead", "signal", "update"]))
E = TypeVar("E", bound=Event)

DeadLetter = tuple[str, str, str]
"""Id, worker, reason."""


class Listing(Protocol):
    """The collections of the model that serves."""

    def objects(self, collection: str) -> AsyncIterator[StoredObject]:
        """Every object with its vectors, ids ascending."""
        ...


class Newest(Protocol):
    """Compacted topics, by their full names."""

    def newest(self, topic: str) -> Iterator[InRecord]:
        """The newest record of each key that is not deleted, by key as bytes."""
        ...


class State:
    """What is stored: collections, the topics ``creators`` and ``signals``, and the dead letters."""

    def __init__(
        self, listing: Listing, newest: Newest, wire: Wire, topics: dict[str, str], dead: Iterable[DeadLetter]
    ) -> None:
        self._listing, self._newest, self._wire = listing, newest, wire
        self._topics, self._dead = topics, sorted(set(dead))

    async def values(self, kind: str) -> AsyncIterator[dict[str, Any]]:
        """The things of a kind, ids ascending, each as the values of its line."""
        if kind in OBJECT_KINDS:
            async for stored in self._listing.objects(OBJECT_KINDS[kind]):
                yield object_values(kind, stored)
            return
        rows: Iterator[dict[str, Any]]
        if kind == "dead":
            rows = (dead_values(*letter) for letter in self._dead)
        elif kind == "signal":
            rows = self._said("signals", kind, FeedbackSignalled, signal_values)
        else:
            rows = self._said("creators", kind, CreatorUpdated, update_values)
        for values in rows:
            yield values

    def _said(
        self, topic: str, kind: str, accepted: type[E], values: Callable[[E], dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        for record in self._newest.newest(self._topics[topic]):
            try:
                event = self._wire.read(record, (accepted,))
            except InvalidEvent as error:
                yield unreadable_values(kind, (record.key or b"").decode("utf-8", "backslashreplace"), error.reason)
            else:
                yield values(event)


def dead_letter_of(record: InRecord, worker: str) -> DeadLetter:
    """A record of ``<worker>.dead``; one that no worker wrote is named after where it lies."""
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    position = record.position
    own = str(dead_letter_id(position.topic_id, position.partition, position.offset))
    return headers.get(ID, own), worker, headers.get(REASON, "")
