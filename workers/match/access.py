"""Who may do what: every request is known, counted and allowed before its body is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from workers.core.clock import Clock
from workers.match.keys import ApiKey, KeyFileError, Scope, find_key, read_keys
from workers.match.problems import Problem, forbidden, throttled, unauthorized
from workers.match.throttle import Throttle

log = structlog.get_logger()
OPEN: Final = frozenset({"/", "/docs", "/openapi.json", "/livez", "/readyz", "/metrics"})
"""What anybody may see: the page and the description of the calls, which hold no data, and what probes ask."""
EVERYTHING: Final = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by the name of the key or by address, and what is open to them. ``key``: its name, if one is shown."""

    name: str
    scopes: frozenset[Scope]
    key: str | None = None

    def check(self, wanted: Scope) -> None:
        """Raise the problem ``forbidden`` where the scope is not theirs."""
        if wanted not in self.scopes:
            raise forbidden(wanted)


def needed(method: str, path: str) -> frozenset[Scope]:
    """Any one of these opens the call. What no rule names needs ``admin``: a new call is closed until thought of."""
    if path == "/v1/decisions" and method == "POST":
        return frozenset({Scope.SEARCH, Scope.INGEST})
    if path in ("/v1/posts", "/v1/profiles", "/v1/brands", "/v1/outcomes") and method == "POST":
        return frozenset({Scope.INGEST})
    if path in ("/v1/search", "/v1/match", "/v1/similar") and method == "POST":
        return frozenset({Scope.SEARCH})
    if method in ("GET", "HEAD") and path.startswith(("/v1/", "/media/")):
        return frozenset({Scope.SEARCH})
    return frozenset({Scope.ADMIN})


class Keyring:
    """The keys of a file, read again when the file has changed, so that a revoked key ends at once.

    A file that is gone or broken opens nothing: it says so in the log, and nobody gets in by a key.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: Sequence[ApiKey] = ()

    def keys(self) -> Sequence[ApiKey]:
        """The keys that stand now."""
        if self._path is None:
            return ()
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        except OSError:
            seen = (0, 0, 0)
        if seen != self._seen:
            self._seen = seen
            try:
                self._keys = read_keys(self._path)
            except KeyFileError as error:
                log.error("no key is valid", reason=str(error))  # noqa: TRY400 - the message says it all
                self._keys = ()
        return self._keys


class Gate:
    """Decides about a request from its headers alone. ``anonymous``: what is open to those who show no key."""

    def __init__(self, keyring: Keyring, anonymous: frozenset[Scope], throttle: Throttle, clock: Clock) -> None:
        self._keyring, self._anonymous, self._throttle, self._clock = keyring, anonymous, throttle, clock

    def admit(self, connection: HTTPConnection, method: str) -> Caller:
        """The caller. Raises the problems ``throttled``, ``unauthorized`` and ``forbidden``, in this order."""
        # Not X-Forwarded-For: anybody can write it. Behind a proxy, anonymous callers share its address and its limit.
        address = connection.client.host if connection.client is not None else "unknown"
        presented = _presented(connection)
        key = None if presented is None else find_key(self._keyring.keys(), presented, self._clock.now())
        name = f"address:{address}" if key is None else f"key:{key.name}"
        if wait := self._throttle.take(name, self._clock.monotonic()):
            raise throttled(wait)
        if presented is not None and key is None:
            raise unauthorized("the key is not known, was revoked, or has expired")
        caller = Caller(name, self._anonymous) if key is None else Caller(name, key.scopes, key.name)
        wanted = needed(method, connection.scope["path"])
        if not wanted & caller.scopes:
            raise unauthorized("a key is needed") if key is None else forbidden(*sorted(wanted))
        return caller


def _presented(connection: HTTPConnection) -> str | None:
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    if kind:
        return ""  # another scheme is no key of ours, and not nobody either
    return connection.headers.get("x-api-key")


class Access:
    """ASGI middleware: the gate before every call that is not open. The caller stands in ``request.state.caller``."""

    def __init__(self, app: ASGIApp, gate: Gate, refuse: Callable[[str, Problem], ASGIApp]) -> None:
        self._app, self._gate, self._refuse = app, gate, refuse

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer it with a problem."""
        if scope["type"] == "http" and scope["path"] not in OPEN:
            try:
                caller = self._gate.admit(HTTPConnection(scope), scope["method"])
            except Problem as problem:
                await self._refuse(scope["path"], problem)(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)


def caller_of(request: Request) -> Caller:
    """Who asks."""
    caller: Caller = request.state.caller
    return caller
