"""Events onto Kafka, acknowledged or not."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.unit.match.world import NOW
from workers.domain.events import CreatorErased
from workers.match.outbox import KafkaOutbox
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import OutRecord, ProduceFailed, Unavailable

EVENT = CreatorErased(creator_id="ann", requested_at=NOW)
POST = {"type": "PostRemoved", "post_id": "p1", "creator_id": "ann", "revision": 1}


class Broker:
    """Acknowledges, refuses, or says nothing."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.sent: list[OutRecord] = []

    def send(self, record: OutRecord) -> Future[None]:
        self.sent.append(record)
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()
        if self.answer == "acknowledged":
            future.set_result(None)
        elif self.answer == "refused":
            future.set_exception(ProduceFailed("posts: not enough replicas"))
        return future

    def flush(self, seconds: float) -> None: ...


def outbox(answer: str) -> tuple[KafkaOutbox, Broker]:
    """An outbox over a broker; one that says nothing is not waited for for long, the others for as long as it takes."""
    broker = Broker(answer)
    return KafkaOutbox(Wire(JsonCodec(), "test", "ns"), broker, seconds=0.05 if answer == "silent" else 60.0), broker


async def test_an_event_is_written_under_its_key_and_id() -> None:
    """And the namespace's topic."""
    box, broker = outbox("acknowledged")
    await box.publish("posts", EVENT, id="e1", time=NOW)
    (record,) = broker.sent
    assert (record.topic, record.key, dict(record.headers)["ce_id"]) == ("ns.posts", b"ann", b"e1")


@pytest.mark.parametrize("answer", ["refused", "silent"])
async def test_what_is_not_acknowledged_is_unavailable(answer: str) -> None:
    """For one event; for several it is told of each."""
    box, _ = outbox(answer)
    with pytest.raises(Unavailable, match="Kafka"):
        await box.publish("posts", EVENT, id="e1", time=NOW)
    report = await box.ingest("posts", [POST], NOW)
    assert (report.accepted, list(report.undelivered)) == ((), [0])


async def test_nothing_is_written_where_one_is_wrong() -> None:
    """All or none."""
    box, broker = outbox("acknowledged")
    report = await box.ingest("posts", [POST, {}], NOW)
    assert (report.accepted, list(report.errors), broker.sent) == ((), [1], [])
    assert len((await box.ingest("posts", [POST], NOW)).accepted) == 1
