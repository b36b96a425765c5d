"""What an erasure writes beside its event on ``posts``."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.match.test_outbox import Broker
from workers.domain.erasure import ErasureKey
from workers.domain.events import PostRemoved
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.erasing import Erasing
from workers.wire.ingest import ingest

NOW = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)
KEY = ErasureKey(b"a secret of the tests")
WIRE = Wire(JsonCodec(), "test", "ns")


@pytest.mark.parametrize(("kind", "is_erased"), [("CreatorErased", True), ("CreatorReinstated", False)])
def test_it_is_recorded_by_hash_and_copied_into_every_partition_of_outcomes(kind: str, is_erased: bool) -> None:
    """Three topics; no personal data in ``erasures``."""
    producer = Broker("acknowledged")
    raw = {"type": kind, "creator_id": "mira", "requested_at": NOW.isoformat()}
    report = ingest("posts", [raw], WIRE, producer, erasing=Erasing(WIRE, KEY, 3), time=NOW)
    assert len(report.accepted) == len(report.events) == 1
    recorded, *copies, event = producer.sent
    assert (recorded.topic, recorded.key) == ("ns.erasures", KEY.hash("mira").encode())
    assert f'"erased":{str(is_erased).lower()}'.encode() in (recorded.value or b"")
    assert b"mira" not in repr(recorded).encode()
    assert [(copy.topic, copy.partition, copy.key) for copy in copies] == [
        ("ns.outcomes", number, b"mira") for number in range(3)
    ]
    assert (event.topic, event.key, event.partition) == ("ns.posts", b"mira", None)


def test_who_asks_stands_on_the_event_alone() -> None:
    """For the audit; other events of the same request do not say it."""
    producer = Broker("acknowledged")
    removed = {"type": "PostRemoved", "post_id": "p", "creator_id": "mira", "revision": 1}
    raw = {"type": "CreatorErased", "creator_id": "mira", "requested_at": NOW.isoformat()}
    ingest("posts", [removed, raw], WIRE, producer, erasing=Erasing(WIRE, KEY, 1), time=NOW, asked_by="legal")
    told = [(record.topic, dict(record.headers).get("ce_askedby")) for record in producer.sent]
    assert told == [("ns.posts", None), ("ns.erasures", None), ("ns.outcomes", None), ("ns.posts", b"legal")]


def test_other_events_are_written_once() -> None:
    """Nothing else goes elsewhere."""
    event = PostRemoved(post_id="p", creator_id="mira", revision=1)
    assert Erasing(WIRE, KEY, 3).records(event, NOW) == []


def test_whoever_cannot_write_all_of_an_erasure_writes_nothing_of_it() -> None:
    """``streamscout publish`` says where it goes."""
    producer = Broker("acknowledged")
    raw = {"type": "CreatorErased", "creator_id": "mira", "requested_at": NOW.isoformat()}
    report = ingest("posts", [raw], WIRE, producer, time=NOW)
    assert producer.sent == []
    assert "DELETE /v1/creators/{id}" in report.errors[0].detail
