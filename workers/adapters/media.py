"""Media by address (httpcore). Strangers write the addresses, and strangers answer: each step has a limit."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

import httpcore
import httpx

from workers.adapters.media_connect import CheckedBackend, verified
from workers.adapters.media_files import read_file
from workers.adapters.media_hosts import Hosts
from workers.adapters.media_sizes import Size, too_large
from workers.config import Settings
from workers.core.clock import Clock, SystemClock
from workers.domain.media import InvalidMedia, MediaUnavailable, shown_address
from workers.domain.media_answers import judge
from workers.domain.reasons import Reason

_REDIRECTS: Final = {301, 302, 303, 307, 308}
_PLAIN: Final = {"", "identity"}
_ZIPPED: Final = {"gzip", "x-gzip", "deflate"}
_EITHER_FORMAT: Final = 32 + zlib.MAX_WBITS
_KEPT_OPEN: Final = 15.0
_HEADERS: Final[dict[bytes | str, bytes | str]] = {
    b"user-agent": b"streamscout",
    b"accept": b"image/*, video/*",
    b"accept-encoding": b"identity",
}


class MediaFetcher:
    """The bytes behind a URL. Open it with ``async with``; at most ``media_concurrency`` media are held at once.

    Of these ``media_videos_at_once`` may be videos of more than ``media_max_bytes``: the bytes in memory are bounded.

    Each request stands alone: no cookies, no credentials, no referrer, no proxy of the environment (it would connect
    for us, past every check of the address). A host's headers may be 100 KiB at most (httpcore's limit).
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings, self._clock = settings, clock or SystemClock()
        self._slots = asyncio.Semaphore(settings.media_concurrency)
        self._large = asyncio.Semaphore(settings.media_videos_at_once)
        self._hosts = Hosts(settings)
        self._backend = CheckedBackend(settings.media_private_hosts, settings.media_concurrency)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verified(),
            max_connections=settings.media_concurrency,
            keepalive_expiry=_KEPT_OPEN,
            network_backend=self._backend,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.aclose()
        self._backend.close()

    async def fetch(self, url: str) -> bytes:
        """The bytes of an http, https or file URL.

        Raises InvalidMedia where that is for good, MediaUnavailable where the host may answer later, with the time
        where it says one. Neither quotes a URL's query: it may be signed.
        """
        async with self.opened(url) as data:
            return data

    @asynccontextmanager
    async def opened(self, url: str) -> AsyncIterator[bytes]:
        """The same, held as one of ``media_concurrency`` media until the block ends."""
        parsed, size = _checked(url), Size(self._settings, self._large)
        try:
            if parsed.scheme == "file":
                async with self._slots:
                    yield await self._file(parsed.path, size)
                return
            data = await self._download(parsed, size)
            try:
                yield data
            finally:
                self._slots.release()
        finally:
            size.give_back()

    async def _file(self, path: str, size: Size) -> bytes:
        while True:
            data = await asyncio.to_thread(read_file, self._settings.media_root, path, size.most)
            if not await size.grows(data, len(data)):
                return data

    async def _download(self, url: httpx.URL, size: Size) -> bytes:
        """Keeps its slot on return. Follows redirects by hand: each one is a new address from a stranger."""
        left = self._settings.media_seconds
        for _ in range(self._settings.media_max_redirects + 1):
            # The host's turn first: those in line for a slow host keep no slot from others.
            async with self._hosts.turn(url.host.rstrip(".")):
                await self._slots.acquire()
                begun, answer = time.monotonic(), None
                try:
                    answer = await self._ask(url, left, size)
                finally:
                    if not isinstance(answer, bytes):
                        self._slots.release()
            if isinstance(answer, bytes):
                return answer
            url, left = answer, left - (time.monotonic() - begun)
        raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"more than {self._settings.media_max_redirects} redirects")

    async def _ask(self, url: httpx.URL, seconds: float, size: Size) -> bytes | httpx.URL:
        """One request: the medium, or where it is instead. Whatever a host does ends as one of our two errors."""
        shown = shown_address(str(url))
        try:
            async with asyncio.timeout(seconds) as deadline:
                return await self._exchange(url, seconds, size, deadline)
        except TimeoutError as error:
            raise MediaUnavailable(f"{shown}: not within {self._settings.media_seconds:g} s") from error
        except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as error:
            raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"{shown}: cannot be asked for: {error}") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise MediaUnavailable(f"{shown}: {type(error).__name__} {error}") from error
        except ValueError as error:  # a host's name that TLS cannot ask for
            raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"{shown}: {error}") from error

    async def _exchange(
        self, url: httpx.URL, seconds: float, size: Size, deadline: asyncio.Timeout
    ) -> bytes | httpx.URL:
        request = httpcore.Request(
            "GET",
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers={b"host": url.netloc, **_HEADERS},
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)},
        )
        async with asyncio.timeout(self._settings.media_first_byte_seconds):
            response = await self._pool.handle_async_request(request)
        try:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in _REDIRECTS and "location" in headers:
                return _redirected(url, headers["location"])
            judge(response.status, headers, str(url), self._clock.now(), self._settings.media_retry_after_seconds)
            return await self._read(response, headers, size, deadline)
        finally:
            await response.aclose()

    async def _read(
        self, response: httpcore.Response, headers: dict[str, str], size: Size, deadline: asyncio.Timeout
    ) -> bytes:
        """Counts while reading, and while unpacking: a Content-Length says what its sender likes."""
        data = bytearray()
        said = headers.get("content-length", "")
        if said.isdigit() and (len(said) > 18 or int(said) > size.whatever_it_is):
            raise too_large(size.whatever_it_is)
        unpack = _unpacker(headers.get("content-encoding", "").strip().lower())
        read, declared = 0, int(said) if said.isdigit() else 0
        async for chunk in response.aiter_stream():
            read += len(chunk)
            try:
                data += chunk if unpack is None else unpack.decompress(chunk, size.most + 1 - len(data))
            except zlib.error as error:
                raise InvalidMedia(Reason.MEDIA_CORRUPT, f"not what its content-encoding says: {error}") from error
            if await size.grows(data, max(read, len(data), declared if size.tells(data) else 0)):
                deadline.reschedule(asyncio.get_running_loop().time() + self._settings.media_video_download_seconds)
        if unpack is not None and not unpack.eof:
            raise InvalidMedia(Reason.MEDIA_CORRUPT, "cut off inside its content-encoding")
        return bytes(data)


def _unpacker(encoding: str) -> Any:
    """For one layer of gzip or deflate, which some hosts send unasked; each further one could be a bomb of its own."""
    if encoding in _PLAIN:
        return None
    if encoding not in _ZIPPED:
        raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"content-encoding {encoding[:40]!r} was not asked for")
    return zlib.decompressobj(_EITHER_FORMAT)


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    try:
        target = str(url.join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"a redirect to what is no URL: {error}") from error
    checked = _checked(target)
    if checked.scheme == "file":
        raise InvalidMedia(Reason.MEDIA_FORBIDDEN, "a redirect to a file")
    return checked


def _checked(url: str) -> httpx.URL:
    """The URL, parsed; raises InvalidMedia for another scheme, credentials or no host."""
    try:
        parsed = httpx.URL(url)
        host, port = parsed.host, parsed.port  # a host in Punycode is decoded only here, and may be none
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"not a URL: {error}") from error
    if parsed.scheme not in {"http", "https", "file"}:
        scheme = shown_address(parsed.scheme) or "(none)"
        raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"scheme {scheme}: only http, https and file are read")
    if parsed.userinfo:
        raise InvalidMedia(Reason.MEDIA_FORBIDDEN, "credentials in the URL")
    if parsed.scheme == "file" and host not in {"", "localhost"}:
        raise InvalidMedia(Reason.MEDIA_FORBIDDEN, "a file URL of another host")
    if parsed.scheme != "file" and (not host or "%" in host):
        raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, "a URL without a host, or with escapes in it")
    if port is not None and not 0 < port < 65536:
        raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, "a port that is none")
    return parsed
