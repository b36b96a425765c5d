"""Pictures by address (httpx). Strangers write them: a host is looked up once, checked, and connected to as checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpcore
import httpx

from workers.config import Settings
from workers.domain.media import InvalidMedia, MediaUnavailable

MAX_REDIRECTS = 5
_GONE = {404, 410}
_FORBIDDEN = {401, 403, 407, 451}
_BUSY = {408, 425, 429}
_HEADERS = {"user-agent": "streamscout", "accept": "image/*", "accept-encoding": "identity"}


class MediaFetcher:
    """The bytes behind a URL. Open it with ``async with``; at most ``media_concurrency`` downloads run at once."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.media_root
        self._max_bytes = settings.media_max_bytes
        self._seconds = settings.media_seconds
        self._slots = asyncio.Semaphore(settings.media_concurrency)
        transport = _CheckedTransport(settings.media_private_hosts, settings.media_concurrency)
        # No proxy of the environment: it would connect for us, past every check of the address.
        self._client = httpx.AsyncClient(
            transport=transport, headers=_HEADERS, timeout=settings.media_seconds, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def fetch(self, url: str) -> bytes:
        """The bytes of an http, https or file URL.

        Raises InvalidMedia (``media_gone``, ``media_forbidden``, ``media_too_large``, ``media_unsupported``) where that
        is for good, MediaUnavailable where the host may answer later. Neither quotes a URL's query: it may be signed.
        """
        parsed = _checked(url)
        async with self._slots:
            if parsed.scheme == "file":
                return await asyncio.to_thread(self._read_file, parsed)
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._download(parsed)
            except TimeoutError as error:
                raise MediaUnavailable(f"{without_query(url)}: not within {self._seconds:g} s") from error
            except httpx.TransportError as error:
                raise MediaUnavailable(f"{without_query(url)}: {type(error).__name__} {error}") from error

    async def _download(self, url: httpx.URL) -> bytes:
        """Follows redirects by hand: each one is a new address from a stranger."""
        for _ in range(MAX_REDIRECTS + 1):
            async with self._client.stream("GET", url) as response:
                if not response.has_redirect_location:
                    _check_status(response)
                    return await self._read(response)
                url = _checked(str(url.join(response.headers["location"])))
                if url.scheme == "file":
                    raise InvalidMedia("media_forbidden", "a redirect to a file")
        raise InvalidMedia("media_unsupported", f"more than {MAX_REDIRECTS} redirects")

    async def _read(self, response: httpx.Response) -> bytes:
        """Counts while reading: a Content-Length says what its sender likes."""
        data = bytearray()
        async for chunk in response.aiter_bytes():
            data += chunk
            if len(data) > self._max_bytes:
                raise InvalidMedia("media_too_large", f"more than {self._max_bytes} bytes")
        return bytes(data)

    def _read_file(self, url: httpx.URL) -> bytes:
        if self._root is None:
            raise InvalidMedia("media_forbidden", "file URLs are not allowed: STREAMSCOUT_MEDIA_ROOT is not set")
        root = self._root.resolve()
        try:
            path = Path(url.path).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise InvalidMedia("media_unsupported", f"not the path of a file: {error}") from error
        # Before anything that tells whether the file is there: outside, that is nobody's business.
        if not path.is_relative_to(root):
            raise InvalidMedia("media_forbidden", f"outside the allowed directory {root}")
        try:
            if path.exists() and not path.is_file():
                raise InvalidMedia("media_unsupported", "not a file")
            with path.open("rb") as file:
                data = file.read(self._max_bytes + 1)
        except FileNotFoundError as error:
            raise InvalidMedia("media_gone", "no such file") from error
        except PermissionError as error:
            raise InvalidMedia("media_forbidden", "the file may not be read") from error
        except OSError as error:
            raise MediaUnavailable(f"{path.name}: {error}") from error
        if len(data) > self._max_bytes:
            raise InvalidMedia("media_too_large", f"more than {self._max_bytes} bytes")
        return data


def without_query(url: str) -> str:
    """The URL as it may be logged: a query often holds a signature."""
    return url.split("?", 1)[0].split("#", 1)[0]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and so is every IPv4 address inside it."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    inner: list[ipaddress.IPv4Address | None] = []
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    return all(one.is_global and not one.is_multicast for one in (ip, *inner) if one is not None)


def _checked(url: str) -> httpx.URL:
    """The URL, parsed; raises InvalidMedia for another scheme, credentials or no host."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidMedia("media_unsupported", f"not a URL: {error}") from error
    if parsed.scheme not in {"http", "https", "file"}:
        raise InvalidMedia(
            "media_unsupported", f"scheme {parsed.scheme or '(none)'}: only http, https and file are read"
        )
    if parsed.userinfo:
        raise InvalidMedia("media_forbidden", "credentials in the URL")
    if parsed.scheme == "file" and parsed.host not in {"", "localhost"}:
        raise InvalidMedia("media_forbidden", "a file URL of another host")
    if parsed.scheme != "file" and not parsed.host:
        raise InvalidMedia("media_unsupported", "a URL without a host")
    return parsed


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status in _GONE:
        raise InvalidMedia("media_gone", f"HTTP {status}")
    if status in _FORBIDDEN:
        raise InvalidMedia("media_forbidden", f"HTTP {status}: a signed URL may have expired")
    if status in _BUSY or status >= 500:
        raise MediaUnavailable(f"{without_query(str(response.url))}: HTTP {status}")
    if not response.is_success:
        raise InvalidMedia("media_unsupported", f"HTTP {status}")


class _CheckedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport over a pool that connects through ``_CheckedBackend``."""

    def __init__(self, private_hosts: bool, connections: int) -> None:
        super().__init__(trust_env=False)
        # httpx has no parameter for the backend; the pool it makes itself has not connected to anything yet.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=15.0,
            network_backend=_CheckedBackend(private_hosts),
        )


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Looks a host up once, refuses it if any of its addresses is not public, and connects to an address it checked.

    TLS still verifies the certificate of the host's name: that is done above this layer.
    """

    def __init__(self, private_hosts: bool) -> None:
        self._private_hosts = private_hosts
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._addresses(host, port)
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        refused = [address for address in addresses if not self._private_hosts and not is_public(address)]
        if refused:
            raise InvalidMedia("media_forbidden", f"{host} is not a public host ({refused[0]})")
        return addresses

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise NotImplementedError("pictures do not come over unix sockets")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
