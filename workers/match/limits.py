"""Limits on what a request may bring, kept while its body is read: a Content-Length says what its sender likes."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.match.problems import too_large


class BodyLimit:
    """ASGI middleware: a body of more than ``most`` bytes is the problem ``too_large``."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise too_large(self._most)
            return message

        await self._app(scope, counted, send)
