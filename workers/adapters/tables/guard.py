"""Nothing of a keyed worker's reaches the wire while its membership is not certain.

A process can be frozen at any instruction, and its requests lie in buffers. So membership is asked after a request is
encoded, at the last line of ours before the socket; and the socket is given room for the whole of it: what the kernel
has taken travels while the process is frozen, and what it has not would be sent by a process that wakes, much later,
over rows that another has written since.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Final, Protocol

from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceRequest

ROOM: Final = 4 * 1024**2
"""Bytes that a socket holds: twice the largest request. The kernel may give less (net.core.wmem_max)."""


class Freshness(Protocol):
    """Whether partitions are certainly ours."""

    def fresh(self) -> bool: ...

    async def until_fresh(self) -> None: ...


def guard(client: Any, membership: Freshness) -> None:
    """Make aiokafka's ``client`` ask ``membership`` before every produce request, last when it is already encoded."""
    send = client.send

    async def guarded(node_id: Any, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            await membership.until_fresh()
            group = options.get("group", ConnectionGroup.DEFAULT)
            if await client.ready(node_id, group=group):
                widen(client._conns[node_id, group])
            check_when_encoded(request, membership)
        return await send(node_id, request, **options)

    client.send = guarded


def widen(connection: Any) -> None:
    """Give the connection's socket room, once."""
    if not hasattr(connection, "_widened_by_streamscout"):
        connection._widened_by_streamscout = True
        held = connection._writer.get_extra_info("socket")
        with suppress(OSError):  # closed meanwhile: whoever sends will know
            held.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)


def check_when_encoded(request: Any, membership: Freshness) -> None:
    """Encoding takes its time. If membership is stale by then, aiokafka tries again, as for a lost connection."""
    prepare = request.prepare

    def prepared(versions: Any) -> Any:
        struct = prepare(versions)
        encode = struct.encode

        def encoded() -> bytes:
            data: bytes = encode()
            if not membership.fresh():
                raise KafkaConnectionError("no word from the group: the request was not sent")
            return data

        struct.encode = encoded
        return struct

    request.prepare = prepared
