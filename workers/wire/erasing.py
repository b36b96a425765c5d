"""What else is written when a creator is erased or reinstated: its event on ``posts`` reaches the index, no signals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from workers.domain.erasure import ErasureKey, recorded
from workers.domain.events import CreatorErased, CreatorReinstated, Event
from workers.domain.ids import published_id
from workers.domain.parse import canonical_data
from workers.wire.cloudevents import Wire
from workers.wire.records import OutRecord

RECORDED, COPIED = "erasures", "outcomes"


class Erasing:
    """``partitions``: how many ``outcomes`` has. A copy goes into each: a creator's outcomes lie under many brands."""

    def __init__(self, wire: Wire, key: ErasureKey, partitions: int) -> None:
        self._wire, self._key, self._partitions = wire, key, partitions

    def records(self, event: Event, time: datetime) -> list[OutRecord]:
        """The record of ``erasures`` and the copies in ``outcomes``; none for an event of another kind.

        Raises RegistryUnavailable.
        """
        if not isinstance(event, CreatorErased | CreatorReinstated):
            return []
        said = recorded(event, self._key)
        name = str(published_id(RECORDED, said.type_name(), canonical_data(said)))
        copy = self._wire.record(COPIED, event, id=name, time=time)
        return [
            self._wire.record(RECORDED, said, id=name, time=time),
            *(replace(copy, partition=number) for number in range(self._partitions)),
        ]
