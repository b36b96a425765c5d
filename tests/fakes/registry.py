"""A schema registry on a free port of the loopback; ``tests/contract/test_codec*.py`` hold it to Apicurio."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class FakeRegistry:
    """What the codec asks of Confluent's API. ``asked`` lists the calls; ``status``, where set, is every answer.

    With ``login`` (user:password) nobody else is let in; with ``certificate`` (PEM, with its key) it speaks TLS.
    """

    def __init__(self, login: str | None = None, certificate: tuple[Path, Path] | None = None) -> None:
        self._expected = None if login is None else f"Basic {base64.b64encode(login.encode()).decode()}"
        self._tls = certificate is not None
        self.schemas: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self.status: int | None = None
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *_: object) -> None:
                """Quiet."""

            def _answer(self, body: dict[str, Any] | None) -> None:
                path = self.path.partition("?")[0]
                registry.asked.append(f"{self.command} {path}")
                if registry._expected not in (None, self.headers.get("Authorization")):
                    status, answer = 401, {"error_code": 401, "message": "who are you"}
                else:
                    status, answer = registry.answer(self.command, path.strip("/").split("/"), body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """No more answers: connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def register(self, subject: str, schema: str) -> int:
        """The id of a schema, old or new."""
        if (subject, schema) not in self.schemas:
            self.schemas.append((subject, schema))
        return self.schemas.index((subject, schema)) + 1

    def answer(self, method: str, path: list[str], body: dict[str, Any] | None) -> tuple[int, Any]:
        """The status and the body of one call."""
        if self.status is not None:
            return self.status, {"error_code": self.status * 100, "message": "not now"}
        match method, path, body:
            case "GET", ["schemas", "types"], _:
                return 200, ["AVRO"]
            case "GET", ["schemas", "ids", number], _:
                if not 0 < int(number) <= len(self.schemas):
                    return 404, {"error_code": 40403, "message": f"Schema {number} not found."}
                return 200, {"schema": self.schemas[int(number) - 1][1]}
            case "POST", ["subjects", subject], {"schema": schema}:
                if (subject, schema) not in self.schemas:
                    return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
                return 200, {"subject": subject, "id": self.register(subject, schema), "version": 1, "schema": schema}
            case "POST", ["subjects", subject, "versions"], {"schema": schema}:
                return 200, {"id": self.register(subject, schema)}
        return 405, {"error_code": 405, "message": "not a call of the codec"}
