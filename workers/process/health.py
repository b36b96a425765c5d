"""Health and metrics over HTTP, on a thread of their own: they answer when the loop does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from workers.wire.records import Health


class HealthServer:
    """Serves ``/livez`` and ``/readyz`` (200 or 503, JSON) and ``/metrics`` at ``address``. Port 0 takes a free one."""

    def __init__(self, host: str, port: int, health: Callable[[], Health]) -> None:
        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                now = health()
                states = {"/livez": now.live, "/readyz": now.ready}
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
                elif self.path in states:
                    body = json.dumps({"live": now.live, "ready": now.ready, **now.detail}).encode()
                    self._answer(200 if states[self.path] else 503, "application/json", body)
                else:
                    self._answer(404, "application/json", b"{}")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                """Probes are not news."""

        self._server = ThreadingHTTPServer((host, port), Answers)
        self.address = f"http://{host}:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
