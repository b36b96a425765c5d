"""Which offset may be committed: the contiguous prefix of what is settled (law 3). Pure."""

from __future__ import annotations

from collections import deque


class Offsets:
    """One partition. Offsets come in rising order, not without gaps: compaction and transactions leave holes.

    What is held is stored and searchable, and settled later: lag counts what is neither.
    """

    def __init__(self) -> None:
        self._settled, self._stored = _Prefix(), _Prefix()
        self._first: int | None = None

    def __len__(self) -> int:
        """How many offsets are read and not yet under the prefix."""
        return len(self._settled.open)

    @property
    def committable(self) -> int | None:
        """The next offset to read: everything before it is settled. None before the first is."""
        return self._settled.end

    @property
    def next(self) -> int | None:
        """The first offset that is not dealt with, as far as is known."""
        return self._first if self.committable is None else self.committable

    @property
    def stored(self) -> int | None:
        """The first offset that is neither settled nor held; None before the first is."""
        return self._stored.end

    def read(self, offset: int) -> None:
        """An offset was handed out. Raises ValueError if it does not rise."""
        self._settled.read(offset)
        self._stored.read(offset)
        self._first = offset if self._first is None else self._first

    def hold(self, offset: int) -> None:
        """An offset's event is stored, and not final."""
        self._stored.mark(offset)

    def settle(self, offset: int) -> None:
        """An offset's outputs are acknowledged."""
        self._stored.mark(offset)
        self._settled.mark(offset)


class _Prefix:
    """Everything read before ``end`` is marked."""

    def __init__(self) -> None:
        self.open: deque[int] = deque()
        self._ahead: set[int] = set()
        self.end: int | None = None

    def read(self, offset: int) -> None:
        if (self.open and offset <= self.open[-1]) or offset < (self.end or 0):
            raise ValueError(f"offset {offset} read out of order")
        self.open.append(offset)

    def mark(self, offset: int) -> None:
        if offset < (self.end or 0):
            return
        self._ahead.add(offset)
        while self.open and self.open[0] in self._ahead:
            self.end = self.open.popleft() + 1
            self._ahead.remove(self.end - 1)
