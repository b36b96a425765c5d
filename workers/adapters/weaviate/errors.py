"""Which of Weaviate's errors mean "later": the server is absent, busy, starting, full or shutting down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import grpc
import httpx
from weaviate.exceptions import (
    UnexpectedStatusCodeError,
    WeaviateBaseError,
    WeaviateConnectionError,
    WeaviateGRPCUnavailableError,
    WeaviateQueryError,
    WeaviateRetryError,
    WeaviateStartUpError,
    WeaviateTimeoutError,
)

from workers.wire.records import Unavailable

T = TypeVar("T")

CALL_SECONDS = 10.0
"""Longest wait for one call. The client retries an absent server on its own, up to a minute: too long for a lease."""

_ABSENT = (
    WeaviateConnectionError,
    WeaviateGRPCUnavailableError,
    WeaviateRetryError,
    WeaviateStartUpError,
    WeaviateTimeoutError,
)
_LATER_CODES = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
}
# In gRPC's code UNKNOWN and in an object's own error Weaviate tells its troubles in words alone; all others are the
# object's. Those that may quote what the object says are told apart first.
_OBJECTS_OWN_WORDS = ("invalid ", "no such prop", "does not have configuration for vector")
_LATER_WORDS = (
    "read-only",
    "not enough memory",
    "memory pressure",
    "shutting down",
    "shutdown",
    "context canceled",
    "context deadline exceeded",
    "connection refused",
    "connection reset",
    "leader",
    "not ready",
    "is locked",
    "loading",
    "too many",
    "no space left",
    "not present in schema",
    "could not find class",
    "could not find index for class",
    "non-existing index",
    "not found in schema",
)


class StoreUnavailable(Unavailable):
    """Weaviate is absent or busy, or has not got the collection yet."""


def is_for_later(message: str) -> bool:
    """Whether an error's words tell of the server's state rather than of what was sent."""
    lowered = message.lower()
    if any(words in lowered for words in _OBJECTS_OWN_WORDS):
        return False
    return any(words in lowered for words in _LATER_WORDS)


async def asked(call: Awaitable[T], what: str, seconds: float = CALL_SECONDS) -> T:
    """The answer to a call. Raises StoreUnavailable, naming ``what`` was asked, where it may succeed later."""
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError as error:
        raise StoreUnavailable(f"{what}: no answer in {seconds:g} s") from error
    except httpx.TransportError as error:
        raise StoreUnavailable(f"{what}: {type(error).__name__} {error}") from error
    except WeaviateBaseError as error:
        if _may_succeed_later(error):
            raise StoreUnavailable(f"{what}: {error.message}") from error
        raise


def _may_succeed_later(error: WeaviateBaseError) -> bool:
    if isinstance(error, _ABSENT):
        return True
    if isinstance(error, UnexpectedStatusCodeError):
        return error.status_code == 429 or error.status_code >= 500
    if isinstance(error, WeaviateQueryError):
        # The client keeps the call's own error only as what its error came from.
        cause = error.__cause__ or error.__context__
        if isinstance(cause, grpc.aio.AioRpcError) and cause.code() in _LATER_CODES:
            return True
        return is_for_later(error.message)
    return False
