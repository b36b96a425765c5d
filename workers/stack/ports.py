"""Free loopback ports, found by binding."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


def choose_ports(purposes: Iterable[str], before: Mapping[str, int], taken: Collection[int]) -> dict[str, int]:
    """A free port for each purpose: the one it had ``before`` where that is free, never one of ``taken``.

    All stay bound until the last is found, so that none is found twice.
    """
    with ExitStack() as held:
        chosen: dict[str, int] = {}
        for purpose in purposes:
            port = _bind(held, before.get(purpose, 0))
            while port is None or port in taken:
                port = _bind(held, 0)
            chosen[purpose] = port
        return chosen


def _bind(held: ExitStack, port: int) -> int | None:
    """The port, or any free one for 0; None where it is in use."""
    listener = held.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        if port == 0:
            raise
        return None
    return int(listener.getsockname()[1])


def connects(address: str, seconds: float = 2.0) -> bool:
    """Whether something accepts connections at ``host:port`` (the first, where several are given by commas)."""
    host, _, port = address.split(",")[0].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except OSError:
        return False
    return True
