"""Weaviate's collections, made before any worker starts."""

from __future__ import annotations

import asyncio

from workers.adapters.weaviate.collections import ensure_collections
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.errors import StoreUnavailable
from workers.adapters.weaviate.schema import SchemaError, load_collections
from workers.config import Settings
from workers.stack.errors import ServerUnavailableError, SetupError


def create_collections(settings: Settings, model_version: str, dimensions: int) -> str:
    """Create the collections of this model version, and the aliases that do not exist; what was done, in words.

    Raises SetupError naming each property or index that is not as ``schemas/collections.yaml`` says,
    ServerUnavailableError.
    """
    try:
        created = asyncio.run(_create(settings, model_version, dimensions))
    except SchemaError as error:
        raise SetupError(str(error)) from error
    except StoreUnavailable as error:
        raise ServerUnavailableError(str(error)) from error
    return f"{len(created)} collections and aliases created" if created else "all there"


async def _create(settings: Settings, model_version: str, dimensions: int) -> list[str]:
    listed = load_collections(settings.schemas_dir)
    async with connect(settings) as client:
        return await ensure_collections(client, listed, settings.namespace, model_version, dimensions)
