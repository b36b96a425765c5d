"""The real servers for tests: started by our own ``up`` once a session, or a running stack named by ``--stack``.

All processes of a session (``pytest -n 4``) share one stack.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from rich.console import Console

from tests.dealing import REAL, InUnits, rank
from tests.slow_tests import SlowTests
from workers.config import Settings, load_settings
from workers.stack.record import StackFiles

# A busy machine is no failure: no test asserts on the wall clock, hypothesis' included.
hypothesis_settings.register_profile("streamscout", deadline=None)
hypothesis_settings.load_profile("streamscout")

_numbers = itertools.count(1)
SERVERS = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--stack DIR`` uses the servers that ``streamscout up`` started with that data directory."""
    parser.addoption("--stack", default=None, help="data directory of a running stack to use instead of a new one")


def pytest_configure(config: pytest.Config) -> None:
    """Where the session's servers live, one place for all its processes; and what is shown of the slow tests."""
    given = getattr(config, "workerinput", {}).get("servers")
    if given is None:
        config.pluginmanager.register(SlowTests(config))
    config.stash[SERVERS] = Path(given or tempfile.mkdtemp(prefix="streamscout-servers-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A process of ``-n`` is told where the servers of them all live."""
    node.workerinput["servers"] = str(node.config.stash[SERVERS])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> InUnits:
    """How the tests are dealt out to the processes of ``-n``."""
    return InUnits(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever lies in a folder of real servers, or asks for them, is marked ``real``; what takes longest is first."""
    for item in items:
        if folder_of(item) in REAL or asks_for_servers(item):
            item.add_marker(pytest.mark.real)
    items.sort(key=lambda item: rank(item.nodeid, is_real(item)))


def folder_of(item: pytest.Item) -> str:
    """Which kind of test it is: ``unit``, ``contract``, ``integration``…"""
    return Path(item.path).relative_to(Path(__file__).parent).parts[0]


def is_real(item: pytest.Item) -> bool:
    """Whether it is not among the fast tests."""
    return item.get_closest_marker("real") is not None


def asks_for_servers(item: pytest.Item) -> bool:
    """Whether a fixture of the test is the ``stack`` of this module, and not one that another module calls so."""
    found = item._fixtureinfo.name2fixturedefs.get("stack") if isinstance(item, pytest.Function) else None
    return bool(found) and found[-1].func.__module__ == __name__


def needs_servers(item: pytest.Item) -> bool:
    """Whether it uses the session's servers; a contract asks for them as it runs, where its kind is the real one."""
    return asks_for_servers(item) or (is_real(item) and folder_of(item) not in REAL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """The servers start when a chosen test needs them, and before any test's time runs.

    Building them the first time takes minutes. Under ``-n`` the first process starts them and the others wait.
    """
    config = session.config
    if config.option.collectonly or config.getoption("--stack") or not any(map(needs_servers, session.items)):
        return
    from workers.stack.locks import locked
    from workers.stack.servers import start_stack

    root = config.stash[SERVERS]
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), locked(root / "tests.lock", lambda _: None, ""):
        if not (root / "ready").exists():
            start_stack(load_settings(data_dir=root))
            (root / "ready").touch()


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """The servers stop with the process that the person started, after all others."""
    yield
    if hasattr(session.config, "workerinput"):
        return
    from workers.stack.servers import stop_stack

    root = session.config.stash[SERVERS]
    if StackFiles(root).stack.exists():
        # Producers that a test left open would say, after pytest's own last line, that the broker is gone.
        logging.getLogger("librdkafka").disabled = True
        stop_stack(load_settings(data_dir=root), Console(quiet=True))
    if session.exitstatus == pytest.ExitCode.TESTS_FAILED and StackFiles(root).stack.exists():
        print(f"the servers' logs are in {root / 'logs'}")
    else:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Settings:
    """Settings of running servers: Kafka, Schema Registry, Weaviate and Triton."""
    root = request.config.getoption("--stack") or request.config.stash[SERVERS]
    return load_settings(data_dir=Path(root), api_anonymous="everything")


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
                "indexer_settle_seconds": 1.0,
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
