"""The API's listener."""

from __future__ import annotations

import socket

from workers.match.main import listening


def test_what_is_accepted_sends_at_once() -> None:
    """An answer goes out in two parts: the second must not wait until the first is acknowledged."""
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
