"""What an indexer knows of the creators that it has written: what is stored of them, and what is not final yet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from workers.indexer.objects import Version
from workers.indexer.settling import Published
from workers.wire.records import Position


@dataclass(slots=True)
class _Known:
    """``published``: None where a write may or may not have landed. ``open``: the record that is not final yet."""

    partition: int
    published: Published | None = None
    version: Version | None = None
    open: Position | None = None


class Memory:
    """Of ``most`` creators, and of all that are open: their number the loop bounds.

    What is known of a partition is known while it is ours: afterwards another may have written.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._creators: OrderedDict[str, _Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._creators)

    def published(self, creator_id: str) -> Published | None:
        """What is stored of a creator; None where that has to be asked."""
        known = self._creators.get(creator_id)
        return None if known is None else known.published

    def version(self, creator_id: str) -> Version | None:
        """What was written, where it is known what is stored."""
        known = self._creators.get(creator_id)
        return None if known is None or known.published is None else known.version

    def open(self, creator_id: str) -> Position | None:
        """The record of which exact values are still to be written."""
        known = self._creators.get(creator_id)
        return None if known is None else known.open

    def wrote(
        self, creator_id: str, partition: int, version: Version, published: Published, open_: Position | None
    ) -> None:
        """All of this is stored; of a record that is ``open_`` exact values come later."""
        self._creators[creator_id] = _Known(partition, published, version, open_)
        self._creators.move_to_end(creator_id)
        if (excess := len(self._creators) - self._most) > 0:
            idle = (other for other, known in self._creators.items() if known.open is None)
            for other in list(islice(idle, excess)):
                del self._creators[other]

    def doubt(self, creator_ids: Collection[str]) -> None:
        """Something was written of them, nobody knows what. What is open stays so."""
        for creator_id in creator_ids:
            if (known := self._creators.get(creator_id)) is not None:
                known.published = None

    def forget(self, creator_id: str) -> None:
        """Nothing is stored, and nothing open."""
        self._creators.pop(creator_id, None)

    def released(self, partitions: Collection[int]) -> None:
        """These are not ours any more."""
        for creator_id in [one for one, known in self._creators.items() if known.partition in partitions]:
            del self._creators[creator_id]
