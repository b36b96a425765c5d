"""Connections to strangers' hosts (httpcore): a host is looked up once, checked, and connected to as checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore
import httpx

from workers.domain.addresses import is_public
from workers.domain.media import InvalidMedia
from workers.domain.reasons import Reason

MOST_ADDRESSES = 4
"""Tried of a host: its owner may list any number."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Looks a host up once, refuses it if any of its addresses is not public, and connects to an address it checked.

    TLS still verifies the certificate of the host's name: that is done above this layer. Looking up has threads of its
    own: a stranger's slow name server holds none that others need.
    """

    def __init__(self, private_hosts: bool, lookups: int) -> None:
        self._private_hosts = private_hosts
        self._backend = httpcore.AnyIOBackend()
        self._threads = ThreadPoolExecutor(lookups, thread_name_prefix="lookup")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, _look_up, host, port)
        except UnicodeError as error:  # a label of no characters, or of too many
            raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"no host can have such a name: {error}") from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        if not self._private_hosts and not all(map(is_public, found)):
            # Not which address: callers of the API read this too, and would learn what our name server knows.
            raise InvalidMedia(Reason.MEDIA_FORBIDDEN, f"{host} is not a public host")
        return found[:MOST_ADDRESSES]

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise NotImplementedError("pictures do not come over unix sockets")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)

    def close(self) -> None:
        """Wait for no lookup."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def verified() -> ssl.SSLContext:
    """TLS with the usual authorities and the host's name checked, whatever the environment says."""
    return httpx.create_ssl_context(trust_env=False)
