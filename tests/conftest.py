"""The real servers for tests: started by our own ``up`` once a session, or a running stack named by ``--stack``."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from workers.config import Settings, load_settings

# A busy machine is no failure: no test asserts on the wall clock, hypothesis' included.
hypothesis_settings.register_profile("streamscout", deadline=None)
hypothesis_settings.load_profile("streamscout")

_numbers = itertools.count(1)
REAL = ("integration", "acceptance", "bench")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--stack DIR`` uses the servers that ``streamscout up`` started with that data directory."""
    parser.addoption("--stack", default=None, help="data directory of a running stack to use instead of a new one")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever lies in a folder of real servers, or asks for them, is marked ``real``."""
    for item in items:
        folder = Path(item.path).relative_to(Path(__file__).parent).parts[0]
        if folder in REAL or "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of running servers: Kafka, Schema Registry, Weaviate and Triton."""
    running = request.config.getoption("--stack")
    if running:
        yield load_settings(data_dir=Path(running), api_anonymous="everything")
        return
    from workers.stack.servers import start_stack, stop_stack

    bare = load_settings(data_dir=tmp_path_factory.mktemp("stack"))
    start_stack(bare)
    try:
        yield load_settings(data_dir=bare.data_dir, api_anonymous="everything")
    finally:
        # Producers that a test left open would say, after pytest's own last line, that the broker is gone.
        logging.getLogger("librdkafka").disabled = True
        stop_stack(bare)


@pytest.fixture
def new_settings(stack: Settings, tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """Makes settings of an own world on the shared servers: fresh topics, groups, collections and directories.

    What was made is removed afterwards, so that the servers do not fill up with the worlds of a session's tests.
    """
    from workers.stack.setup import prepare_world

    worlds: list[Settings] = []

    def make(**overrides: object) -> Settings:
        fresh = stack.model_copy(
            update={
                "namespace": f"t{os.getpid()}x{next(_numbers)}",
                "data_dir": tmp_path / "data",
                "media_root": tmp_path / "media",
                "session_timeout_ms": 6000,
                **overrides,
            }
        )
        (tmp_path / "media").mkdir(exist_ok=True)
        prepare_world(fresh)
        worlds.append(fresh)
        return fresh

    yield make
    for world in worlds:
        remove_world(world)


def remove_world(settings: Settings) -> None:
    """Delete the topics and collections of a test's namespace."""
    from confluent_kafka.admin import AdminClient

    from workers.adapters.weaviate.connection import connect
    from workers.adapters.weaviate.names import alias_name

    admin = AdminClient({"bootstrap.servers": str(settings.kafka_bootstrap)})
    topics = [name for name in admin.list_topics(timeout=30).topics if name.startswith(f"{settings.namespace}.")]
    for future in admin.delete_topics(topics).values() if topics else ():
        future.result(30)

    async def drop() -> None:
        async with connect(settings) as client:
            prefix = alias_name(settings.namespace, "")
            for alias in await client.alias.list_all():
                if alias.startswith(prefix):
                    await client.alias.delete(alias_name=alias)
            for name in await client.collections.list_all():
                if name.startswith(prefix):
                    await client.collections.delete(name)

    asyncio.run(drop())


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    """Settings of a fresh world with nothing overridden."""
    return new_settings()
