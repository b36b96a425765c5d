"""The fake producer with a broker of its own, which may refuse single records as a real one does those too large."""

from __future__ import annotations

from concurrent.futures import Future

from tests.fakes.kafka import FakeBroker, FakeProducer
from workers.wire.records import InRecord, OutRecord, ProduceFailed


class MemoryProducer(FakeProducer):
    """Records whose key is in ``refused`` fail. ``written`` is what was acknowledged, in order."""

    def __init__(self) -> None:
        self._topics = FakeBroker({"posts": 1, "posts.backfill": 1})
        super().__init__(self._topics)
        self.refused: set[bytes] = set()

    @property
    def written(self) -> list[InRecord]:
        return [*self._topics.read("posts"), *self._topics.read("posts.backfill")]

    def send(self, record: OutRecord) -> Future[None]:
        if record.key not in self.refused:
            return super().send(record)
        failed: Future[None] = Future()
        failed.set_exception(ProduceFailed("the record is too large"))
        return failed
