"""Which of Weaviate's errors mean "later", and the addresses it is reached at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import httpx
import pytest
from weaviate.exceptions import (
    UnexpectedStatusCodeError,
    WeaviateBatchError,
    WeaviateConnectionError,
    WeaviateInvalidInputError,
    WeaviateQueryError,
)

from workers.adapters.weaviate.connection import grpc_address
from workers.adapters.weaviate.errors import StoreUnavailable, asked, is_for_later
from workers.config import Settings, SettingsError
from workers.wire.records import Unavailable


async def _raise(error: Exception) -> None:
    raise error


def _status(code: int) -> UnexpectedStatusCodeError:
    return UnexpectedStatusCodeError("answered", httpx.Response(code, json={}))


@pytest.mark.parametrize(
    "error",
    [
        WeaviateConnectionError("refused"),
        httpx.ReadError("cut off"),
        _status(503),
        _status(429),
        WeaviateBatchError("put object: store is read-only due to: disk usage too high"),
        WeaviateQueryError("could not find class Facet_v in schema", "GRPC search"),
    ],
)
async def test_a_server_in_trouble_means_later(error: Exception) -> None:
    """Absent, busy, full, or without the collection: the message says what was asked."""
    with pytest.raises(StoreUnavailable, match="a write to Facet"):
        await asked(_raise(error), "a write to Facet")


@pytest.mark.parametrize("error", [_status(400), WeaviateInvalidInputError("no"), WeaviateQueryError("no such", "x")])
async def test_a_request_that_is_wrong_stays_an_error(error: Exception) -> None:
    """Waiting would not help: it ends the process, as every fault of ours does."""
    with pytest.raises(type(error)):
        await asked(_raise(error), "a write to Facet")


async def test_no_answer_in_time_means_later() -> None:
    """The client itself would go on trying for a minute, longer than a lease lasts."""
    never: Awaitable[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(StoreUnavailable, match=r"no answer in 0\.01 s"):
        await asked(never, "a query", seconds=0.01)


def test_an_objects_own_error_is_not_the_servers() -> None:
    """Whatever words the object brings into the message."""
    assert is_for_later("put object to shard: store is read-only")
    assert is_for_later("not enough memory for this import")
    # What 1.35.2 says of every object while it loads its collections after a kill -9.
    assert is_for_later("could not find index for class Bio_v. It might have been deleted in the meantime")
    # The same moment, asked by gRPC: it ended an embedder as a fault of its own.
    assert is_for_later("explorer: list class: search: tried to browse non-existing index for Standing_v.")
    assert not is_for_later("invalid text property 'caption' on class 'Post_v': not a string, but 'read-only'")
    assert not is_for_later("new node has a vector with length 4: vector dimensions do not match the index dimensions")
    assert issubclass(StoreUnavailable, Unavailable)


def test_grpc_is_where_the_settings_say_or_beside_rest() -> None:
    """The usual port where only the REST address is given; a wrong address is named."""
    beside = Settings(weaviate_url="http://vectors.example:8080")
    assert grpc_address(beside) == ("vectors.example", 50051)
    assert grpc_address(beside.model_copy(update={"weaviate_grpc": "[::1]:9"})) == ("::1", 9)
    with pytest.raises(SettingsError, match="WEAVIATE_GRPC"):
        grpc_address(beside.model_copy(update={"weaviate_grpc": "vectors"}))
    with pytest.raises(SettingsError, match="WEAVIATE_URL"):
        grpc_address(beside.model_copy(update={"weaviate_url": None}))
