"""Nothing of a keyed worker whose membership is stale reaches the wire, whenever it was frozen."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceRequest

from workers.adapters.tables.guard import ROOM, check_when_encoded, guard, widen


class Told:
    """A membership that is as fresh as it is told."""

    def __init__(self, fresh: bool) -> None:
        self.now = asyncio.Event()
        if fresh:
            self.now.set()

    def fresh(self) -> bool:
        return self.now.is_set()

    async def until_fresh(self) -> None:
        await self.now.wait()


def request() -> ProduceRequest:
    """A request of one batch."""
    return ProduceRequest(required_acks=-1, timeout=1000, topics=[("t", [(0, b"batch")])], transactional_id=None)


def test_a_request_whose_membership_went_stale_while_it_was_encoded_is_not_sent() -> None:
    """aiokafka tries it again, as for a lost connection, and then waits for the group's word."""
    told, asked = Told(fresh=True), request()
    check_when_encoded(asked, told)
    struct = asked.prepare({0: (7, 7)})
    assert struct.encode()
    told.now.clear()
    with pytest.raises(KafkaConnectionError, match="not sent"):
        struct.encode()
    assert KafkaConnectionError.retriable


def test_a_socket_takes_the_whole_of_a_request() -> None:
    """What the kernel has not taken would be sent by a process that wakes."""
    one, other = socket.socketpair()
    with one, other:
        connection = SimpleNamespace(_writer=SimpleNamespace(get_extra_info=lambda _: one))
        before = one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        widen(connection)
        assert before < one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * ROOM


async def test_a_stale_member_sends_what_others_may_hear_and_no_records() -> None:
    """Its metadata requests go on; a produce request waits for the group's word."""
    sent: list[object] = []

    async def send(_node: int, what: object, **_: object) -> None:
        sent.append(what)

    async def ready(_node: int, **_: object) -> bool:
        return False

    told, client = Told(fresh=False), SimpleNamespace(send=send, ready=ready)
    guard(client, told)
    await client.send(0, "metadata")
    waiting = asyncio.create_task(client.send(0, request()))
    await asyncio.sleep(0)
    assert sent == ["metadata"]
    told.now.set()
    await waiting
    assert len(sent) == 2
