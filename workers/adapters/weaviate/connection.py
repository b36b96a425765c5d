"""A connection to Weaviate, REST and gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
import weaviate
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.config import GrpcConfig

from workers.adapters.security import readable, trusting
from workers.adapters.weaviate.errors import StoreUnavailable, asked
from workers.config import Settings, SettingsError

GRPC_PORT = 50051
_CONNECT_SECONDS = 5.0
# Each call has a shorter limit of its own (errors.CALL_SECONDS); this one is for the slowest: making collections.
_ANSWER_SECONDS = 60.0
# gRPC's own limit of two minutes between two tries would keep a worker away long after the server is back.
_RECONNECT = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[weaviate.WeaviateAsyncClient]:
    """A client for as long as the block lasts.

    Raises SettingsError where no address is set, StoreUnavailable where nothing answers there or it is not ready.
    """
    client = _client(settings)
    try:
        await asked(client.connect(), f"Weaviate at {settings.weaviate_url}")
        if not await asked(client.is_ready(), "Weaviate's readiness"):
            raise StoreUnavailable(f"Weaviate at {settings.weaviate_url} is not ready")
        await _reach(*grpc_address(settings))
        yield client
    finally:
        await client.close()


def grpc_address(settings: Settings) -> tuple[str, int]:
    """Host and port of gRPC: as set, else Weaviate's usual port beside the REST address."""
    settings.required("weaviate_url")
    url = urlsplit(str(settings.weaviate_url))
    if settings.weaviate_grpc is None:
        return str(url.hostname), GRPC_PORT
    host, _, port = settings.weaviate_grpc.rpartition(":")
    if not host or not port.isdigit():
        raise SettingsError(f"STREAMSCOUT_WEAVIATE_GRPC: {settings.weaviate_grpc!r} is not host:port")
    return host.strip("[]"), int(port)


def _client(settings: Settings) -> weaviate.WeaviateAsyncClient:
    grpc_host, grpc_port = grpc_address(settings)
    url = urlsplit(str(settings.weaviate_url))
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise SettingsError(f"STREAMSCOUT_WEAVIATE_URL: {settings.weaviate_url!r} is not http(s)://host:port")
    secure = url.scheme == "https"
    key, ca = settings.weaviate_api_key, readable(settings, "weaviate_ca_file")
    client = weaviate.use_async_with_custom(
        http_host=url.hostname,
        http_port=url.port or (443 if secure else 80),
        http_secure=secure,
        grpc_host=grpc_host,
        grpc_port=grpc_port,
        grpc_secure=secure,
        auth_credentials=Auth.api_key(key.get_secret_value()) if key else None,
        additional_config=AdditionalConfig(
            timeout=Timeout(init=_CONNECT_SECONDS, query=_ANSWER_SECONDS, insert=_ANSWER_SECONDS),
            grpc_config=GrpcConfig(
                channel_options=_RECONNECT,
                credentials=grpc.ssl_channel_credentials(ca.read_bytes()) if secure and ca else None,
            ),
        ),
        # The client's checks ask a package index on the internet for its newest version; ours are in `connect`.
        skip_init_checks=True,
    )
    if secure and ca:
        # The client has no option for it: its transports by scheme, otherwise of proxies, are where TLS is said.
        context = trusting(settings, "weaviate_ca_file")
        connection: Any = client._connection
        connection._make_mounts = lambda _colour: {"https://": httpx.AsyncHTTPTransport(verify=context)}
    return client


async def _reach(host: str, port: int) -> None:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        raise StoreUnavailable(f"Weaviate's gRPC at {host}:{port}: {error or 'no answer'}") from error
    writer.close()
