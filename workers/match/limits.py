"""Limits on what a request may bring: its kind, and its size, counted while it is read (a header may say anything)."""

from __future__ import annotations

from fastapi import Depends, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.match.problems import too_large, unsupported_media_type


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def json_body(request: Request) -> None:
    """Refuse a body that is not announced as JSON, with the problem ``unsupported_media_type``."""
    kind = _kind(request)
    if not kind and request.headers.get("content-length", "0") == "0":
        return  # there is none, and the call says what it misses
    if kind != "application/json" and not kind.endswith("+json"):
        raise unsupported_media_type("application/json")


def form_body(request: Request) -> None:
    """Refuse a body that is not announced as a form with files."""
    if _kind(request) != "multipart/form-data":
        raise unsupported_media_type("multipart/form-data, with the picture under `image`,")


JSON_BODY, FORM_BODY = Depends(json_body), Depends(form_body)


class BodyLimit:
    """ASGI middleware: a body of more than ``most`` bytes, ``picture`` for a search by picture, is ``too_large``."""

    def __init__(self, app: ASGIApp, most: int, picture: int) -> None:
        self._app, self._most, self._picture = app, most, picture

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read, most = 0, self._picture if scope["path"] == "/v1/search" else self._most

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise too_large(most)
            return message

        await self._app(scope, counted, send)
