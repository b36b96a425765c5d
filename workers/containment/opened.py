"""What is stored and not final yet: it comes again after a while, unless something newer takes its place."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Entry(Generic[T]):
    one: T
    until: float


class Opened(Generic[T]):
    """The newest of each key, ``most`` of them: of more, the ones that wait longest have waited long enough.

    Kept until it is closed or something newer is opened; what is due is told once. Pure: time comes as an argument.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[Hashable, _Entry[T]] = {}
        self._soonest = inf

    def __len__(self) -> int:
        return len(self._entries)

    def open(self, key: Hashable, one: T, until: float) -> T | None:
        """It is due at ``until``; whatever else was open under its key is given back."""
        before = self._entries.pop(key, None)
        self._entries[key] = _Entry(one, until)
        self._soonest = min(self._soonest, until)
        return None if before is None or before.one is one else before.one

    def close(self, key: Hashable, one: T) -> None:
        """It is final, if it is still what is open under its key."""
        if (found := self._entries.get(key)) is not None and found.one is one:
            del self._entries[key]

    def due(self, now: float) -> list[T]:
        """Whose time has come."""
        more = len(self._entries) - self._most
        if now < self._soonest and more <= 0:
            return []
        found = []
        for place, entry in enumerate(self._entries.values()):
            if entry.until <= now or (place < more and entry.until < inf):
                found.append(entry.one)
                entry.until = inf
        self._soonest = min((entry.until for entry in self._entries.values()), default=inf)
        return found

    def take(self, which: Callable[[T], bool]) -> list[T]:
        """All that is open and of this kind, to be made final at once; none of it is told again."""
        found = [entry.one for entry in self._entries.values() if which(entry.one)]
        self._entries = {key: entry for key, entry in self._entries.items() if not which(entry.one)}
        return found
