"""What the verdicts of a batch write: outputs and dead letters, all acknowledged (law 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from workers import metrics
from workers.containment.dead_letters import dead_letter
from workers.domain.reasons import Reason
from workers.wire.records import Dead, Done, Item, OutputRefused, OutRecord, Producer, Verdict


class Writing:
    """Of one worker: ``dead`` is the full name of its dead-letter topic."""

    def __init__(self, worker: str, producer: Producer, dead: str, now: Callable[[], datetime]) -> None:
        self._worker, self._producer, self._dead, self._now = worker, producer, dead, now

    async def write(self, items: Sequence[Item[Any]], verdicts: list[Verdict]) -> None:
        """Outputs and dead letters, all acknowledged; of an output that Kafka never takes the event is dead, alone.

        Its verdict says so then. Another ProduceFailed escapes and ends the process, uncommitted; so does a dead letter
        that is refused.
        """
        places: Sequence[int] = range(len(items))
        while places:
            records = [(place, each) for place in places for each in self._outputs(items[place], verdicts[place])]
            sent = [self._acknowledged(self._producer.send(record), record) for _, record in records]
            answers = zip(records, await asyncio.gather(*sent), strict=True)
            refused = {place: why for (place, _), why in answers if why is not None}
            for place, why in refused.items():
                if isinstance(verdicts[place], Dead):
                    raise why
                verdicts[place] = Dead(Reason.OUTPUT_REFUSED, str(why))
            places = list(refused)

    async def _acknowledged(self, sent: Future[None], record: OutRecord) -> OutputRefused | None:
        try:
            await asyncio.wrap_future(sent)
        except OutputRefused as refused:
            return refused
        metrics.OUTPUTS.labels(self._worker, record.topic).inc()
        return None

    def _outputs(self, item: Item[Any], verdict: Verdict) -> Sequence[OutRecord]:
        if isinstance(verdict, Dead):
            return [dead_letter(item.record, verdict, self._dead, self._worker, item.attempts, self._now())]
        return verdict.outputs if isinstance(verdict, Done) else ()
