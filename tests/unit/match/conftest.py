"""The API over a small world in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.unit.match.world import World
from workers.match.app import create_app


@pytest.fixture
def world() -> World:
    """An empty one."""
    return World()


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application over the world."""
    transport = httpx.ASGITransport(create_app(world.rooms()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client
