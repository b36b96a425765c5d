"""``python -m tests.models.offline ARGUMENTS``: our own command line where nothing can be reached."""

from __future__ import annotations

import socket
from typing import Any, NoReturn

from workers.__main__ import main


def refused(*_arguments: Any, **_named: Any) -> NoReturn:
    """Instead of a connection, or of a name's address."""
    raise OSError("there is no network in this test")


if __name__ == "__main__":
    socket.getaddrinfo = refused
    socket.socket.connect = refused  # type: ignore[method-assign]
    socket.socket.connect_ex = refused  # type: ignore[method-assign]
    main()
