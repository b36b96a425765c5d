"""Pictures without a network, and a host of pictures on the loopback; ``tests/contract/test_media_contract.py``."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from workers.domain.media import InvalidMedia, MediaUnavailable

Answer = tuple[int, Mapping[str, str], bytes]


class MemoryMedia:
    """``pictures`` by URL; what is not there is gone, what is ``busy`` or ``resting`` comes later. ``fetched`` counts.

    ``busy`` was asked and may say after how many seconds; ``resting`` is not asked.
    """

    def __init__(self, pictures: Mapping[str, bytes] | None = None) -> None:
        self.pictures = dict(pictures or {})
        self.busy: set[str] = set()
        self.after: float | None = None
        self.resting: set[str] = set()
        self.fetched: Counter[str] = Counter()

    @asynccontextmanager
    async def opened(self, url: str) -> AsyncIterator[bytes]:
        await asyncio.sleep(0)  # as a network would: others begin meanwhile
        if url in self.resting:
            raise MediaUnavailable("left alone", self.after, asked=False)
        self.fetched[url] += 1
        if url in self.busy:
            raise MediaUnavailable("HTTP 503", self.after)
        if url not in self.pictures:
            raise InvalidMedia("media_gone", "HTTP 404")
        yield self.pictures[url]

    async def fetch(self, url: str) -> bytes:
        async with self.opened(url) as data:
            return data


class MediaHost:
    """An HTTP server on a free port of the loopback: ``answers`` by path, 404 for the rest; ``asked`` counts paths.

    An answer may be a function: it is called on the server's thread, so it may block as a slow host does.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[], Answer]] = {}
        self.asked: Counter[str] = Counter()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.split("?", 1)[0]
                host.asked[path] += 1
                answer = host.answers.get(path, (404, {}, b""))
                status, headers, body = answer() if callable(answer) else answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
