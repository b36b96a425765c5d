"""What becomes of a record on its way to a handler with keyed state, and how long membership is believed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.tables import FakeTable
from workers.adapters.tables.app import Membership
from workers.adapters.tables.limits import Limits
from workers.adapters.tables.routing import Routing
from workers.adapters.tables.state import TableView
from workers.config import Settings
from workers.domain.events import PostRetracted
from workers.domain.partitioning import partition_of
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import Dead, InRecord, Item, OutputRefused, OutRecord, Position, TopicFacts, Unavailable

WIRE = Wire(JsonCodec(), "tests", "ns")
EVENT = PostRetracted(post_id="p", creator_id="mira", revision=1, model_version="m")
HOME = partition_of(b"mira", 4)


class Handler:
    """Answers with what it was given to answer."""

    def __init__(self, answer: list[OutRecord] | Dead | Exception) -> None:
        self.answer, self.seen = answer, list[Any]()
        self.row, self.forgotten = b"value", 0

    def handle(self, item: Item[Any], table: TableView) -> list[OutRecord] | Dead:
        self.seen.append(item.event)
        table.put(b"row", self.row)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def forget(self) -> None:
        self.forgotten += 1


def arrived(topic: str = "ns.embeddings", partition: int = HOME, key: bytes | None = b"mira") -> InRecord:
    """The event as it lies in a topic."""
    record = WIRE.record("embeddings", EVENT, id="e", time=datetime(2026, 1, 1, tzinfo=UTC))
    return InRecord(Position(topic, partition, 7, "topic-id"), key, record.value, record.headers, 0)


def decided(record: InRecord, answer: list[OutRecord] | Dead | Exception) -> tuple[Handler, list[OutRecord]]:
    """The handler, and the outputs of the record."""
    handler = Handler(answer)
    routing = Routing(Settings(namespace="ns"), "creators", (PostRetracted,), 4, handler, WIRE)
    return handler, routing.decide(record, FakeTable())


def test_a_copy_for_every_partition_is_handled_where_it_lies() -> None:
    """An erasure lies in each partition of outcomes."""
    handler = Handler([])
    routing = Routing(
        Settings(namespace="ns"), "creators", (PostRetracted,), 4, handler, WIRE, everywhere=(PostRetracted,)
    )
    for partition in range(4):
        assert routing.decide(arrived(partition=partition), FakeTable()) == []
    assert handler.seen == [EVENT] * 4


def test_an_event_in_its_place_reaches_the_handler_and_its_outputs_come_back() -> None:
    """The usual case."""
    output = OutRecord("ns.creators", b"mira", b"update")
    handler, outputs = decided(arrived(), [output])
    assert (handler.seen, outputs) == ([EVENT], [output])


@pytest.mark.parametrize("record", [arrived(key=b"else"), arrived(key=None), arrived(partition=(HOME + 1) % 4)])
def test_what_lies_under_a_wrong_key_or_on_a_wrong_partition_goes_round_once(record: InRecord) -> None:
    """To the worker's own topic, under its own key; there it is dead if it is wrong again."""
    handler, (forwarded,) = decided(record, [])
    assert (handler.seen, forwarded.topic, forwarded.key) == ([], "ns.creators.rekeyed", b"mira")
    again = replace(record, position=replace(record.position, topic="ns.creators.rekeyed"))
    handler, (dead,) = decided(again, [])
    assert (handler.seen, dead.topic) == ([], "ns.creators.dead")
    assert dict(dead.headers)["streamscout.dead.reason"] == b"key_mismatch"


def test_what_is_no_event_and_what_the_handler_refuses_is_dead() -> None:
    """With the reason, and the original bytes."""
    _, (malformed,) = decided(replace(arrived(), value=b"{"), [])
    _, (refused,) = decided(arrived(), Dead("wrong_model_version", "m"))
    reasons = [dict(record.headers)["streamscout.dead.reason"] for record in (malformed, refused)]
    assert reasons == [b"malformed_json", b"wrong_model_version"]
    assert malformed.value == b"{"


@pytest.mark.parametrize("large", ["creators", "creators.changelog", "creators.rekeyed"])
def test_what_kafka_never_takes_is_dead_before_it_is_sent(large: str) -> None:
    """An output, a row, or the copy that goes round; and the handler keeps nothing that comes of it."""
    limits = Limits({f"ns.{name}": TopicFacts("id", 4, 700) for name in ("creators", "creators.rekeyed")})
    handler = Handler([OutRecord("ns.creators", b"mira", b"x" * (800 if large == "creators" else 8))])
    handler.row = b"x" * (800 if large == "creators.changelog" else 8)
    routing = Routing(Settings(namespace="ns"), "creators", (PostRetracted,), 4, handler, WIRE, limits=limits)
    event = arrived()
    if large == "creators.rekeyed":
        event = replace(arrived(key=b"else"), headers=(*event.headers, ("trace", b"x" * 800)))
    changelog = Limits({"ns.creators.changelog": TopicFacts("id", 4, 700)})
    table = FakeTable()
    (dead,) = routing.decide(event, changelog.rows(table, "ns.creators.changelog"))
    headers = dict(dead.headers)
    assert dead.topic == "ns.creators.dead"
    assert headers["streamscout.dead.reason"] == b"output_refused"
    assert headers["__connect.errors.exception.message"].startswith(f"ns.{large}: a record of ".encode())
    assert handler.forgotten == 1
    assert table.rows == ({b"row": handler.row} if large == "creators" else {})


def test_limits_are_those_that_kafka_told_last_and_no_batch_is_larger() -> None:
    """Of topics that nobody told of, the client's own limit counts."""
    limits = Limits({"small": TopicFacts("id", 4, 1000), "large": TopicFacts("id", 4, 10**9)})
    assert limits.batch == 1000
    with pytest.raises(OutputRefused, match="small"):
        limits.check(OutRecord("small", b"k", b"x" * 1000))
    limits.learn({"small": TopicFacts("id", 4, 2000)})
    limits.check(OutRecord("small", b"k", b"x" * 1000))
    assert limits.batch == 2000
    for name in ("large", "unknown"):
        limits.check(OutRecord(name, b"k", b"x" * 2_000_000))
        with pytest.raises(OutputRefused, match=name):
            limits.check(OutRecord(name, b"k", b"x" * 2**21))


def test_a_server_that_is_gone_is_no_verdict() -> None:
    """The event comes again."""
    with pytest.raises(Unavailable):
        decided(arrived(), Unavailable("the registry"))


async def test_membership_is_believed_for_half_a_session_after_the_question_was_asked() -> None:
    """An answer that lay unread in a frozen process says nothing about now."""
    membership = Membership(0.5, lambda: None)
    assert not membership.fresh()
    membership.confirmed(asyncio.get_running_loop().time() - 1.0)
    assert not membership.fresh()
    membership.confirmed(asyncio.get_running_loop().time())
    assert membership.fresh()
    await membership.until_fresh()


async def test_a_member_that_the_group_has_forgotten_is_not_believed_at_all() -> None:
    """And whoever must know is told, once for each coordinator's word."""
    told: list[bool] = []
    membership = Membership(60.0, lambda: told.append(True))
    answers = iter([True, False])

    async def beat() -> bool:
        return next(answers)

    coordinator = SimpleNamespace(_do_heartbeat=beat, reset_generation=lambda: None)
    membership.listen(coordinator)
    membership.listen(coordinator)
    assert await coordinator._do_heartbeat()
    assert membership.fresh()
    coordinator.reset_generation()
    assert (membership.fresh(), told) == (False, [True])
    assert not await coordinator._do_heartbeat()
    assert not membership.fresh()
    assert not membership.rivalled()
    coordinator.reset_generation()
    coordinator.reset_generation()
    assert membership.rivalled()
