"""Free loopback ports."""

from __future__ import annotations

import socket

from workers.stack.ports import LOOPBACK, choose_ports, connects


def test_ports_are_free_and_differ() -> None:
    """All of one call can be bound at once."""
    ports = choose_ports(("http", "grpc", "metrics"), {}, ())
    assert len(set(ports.values())) == 3
    for port in ports.values():
        with socket.socket() as listener:
            listener.bind((LOOPBACK, port))


def test_a_server_comes_back_on_its_port() -> None:
    """Where the port is free it is taken again."""
    before = choose_ports(("http",), {}, ())
    assert choose_ports(("http",), before, ()) == before


def test_a_port_in_use_is_left_to_its_user() -> None:
    """Another port is chosen."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        used = listener.getsockname()[1]
        assert choose_ports(("http",), {"http": used}, ())["http"] != used
        assert connects(f"{LOOPBACK}:{used}")
    assert not connects(f"{LOOPBACK}:{used}")


def test_a_port_promised_to_another_server_is_not_chosen() -> None:
    """It may not be bound yet."""
    before = choose_ports(("http",), {}, ())
    assert choose_ports(("http",), before, set(before.values())) != before
