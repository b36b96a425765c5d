"""Leaving a shared Weaviate as it was found: hundreds of forgotten collections make every change of its schema slow."""

from __future__ import annotations

import asyncio

from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.names import alias_name
from workers.config import Settings


def remove_collections(settings: Settings) -> None:
    """Remove every collection and alias of the settings' namespace, which must not be the empty one."""
    if not settings.namespace:
        raise ValueError("without a namespace these would be everybody's collections")
    asyncio.run(_remove(settings))


async def _remove(settings: Settings) -> None:
    mine = alias_name(settings.namespace, "")
    async with connect(settings) as client:
        for alias in await client.alias.list_all():
            if alias.startswith(mine):
                await client.alias.delete(alias_name=alias)
        for name in await client.collections.list_all():
            if name.startswith(mine):
                await client.collections.delete(name)
