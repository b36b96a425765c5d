"""Which offset may be committed: the contiguous prefix of what is settled (law 3). Pure."""

from __future__ import annotations

from collections import deque


class Offsets:
    """One partition. Offsets come in rising order, not without gaps: compaction and transactions leave holes."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._settled: set[int] = set()
        self._first: int | None = None
        self.committable: int | None = None
        """The next offset to read: everything before it is settled. None before the first is."""

    def __len__(self) -> int:
        """How many offsets are read and not yet under the prefix."""
        return len(self._open)

    @property
    def next(self) -> int | None:
        """The first offset that is not dealt with, as far as is known."""
        return self._first if self.committable is None else self.committable

    def read(self, offset: int) -> None:
        """An offset was handed out. Raises ValueError if it does not rise."""
        if (self._open and offset <= self._open[-1]) or offset < (self.committable or 0):
            raise ValueError(f"offset {offset} read out of order")
        self._open.append(offset)
        self._first = offset if self._first is None else self._first

    def settle(self, offset: int) -> None:
        """An offset's outputs are acknowledged."""
        self._settled.add(offset)
        while self._open and self._open[0] in self._settled:
            self.committable = self._open.popleft() + 1
            self._settled.remove(self.committable - 1)
