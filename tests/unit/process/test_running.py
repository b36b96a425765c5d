"""A worker's process around its loop: exit codes, health, presence, logs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from workers.config import Settings
from workers.core.lease import Lease
from workers.process.health import HealthServer
from workers.process.logs import _masked
from workers.process.presence import presence
from workers.process.running import run_worker
from workers.wire.records import Health, ProduceFailed, Unavailable


class StubLoop:
    """A loop that ends as it is told."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error
        self._resumed = asyncio.Event()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        if self._error is not None:
            raise self._error
        os.kill(os.getpid(), signal.SIGUSR1)
        await self._resumed.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()

    def resume(self) -> None:
        self._resumed.set()

    def health(self) -> Health:
        return Health(live=True, ready=True)


def run(tmp_path: Path, error: Exception | None = None, at_start: Exception | None = None) -> int:
    """Run a worker around the stub."""

    @asynccontextmanager
    async def bootstrap(lease: Lease) -> AsyncIterator[StubLoop]:
        if at_start is not None:
            raise at_start
        yield StubLoop(error)

    return run_worker("stub", Settings(data_dir=tmp_path), bootstrap)  # type: ignore[arg-type]


def test_sigusr1_makes_it_go_on_and_sigterm_ends_it_with_0(tmp_path: Path) -> None:
    """And its note is gone."""
    assert run(tmp_path) == 0
    assert list((tmp_path / "workers").iterdir()) == []


def test_a_server_that_is_not_there_at_start_is_3(tmp_path: Path) -> None:
    """As the command line has it."""
    assert run(tmp_path, at_start=Unavailable("weaviate")) == 3
    assert run(tmp_path, error=Unavailable("kafka")) == 3


def test_an_end_by_a_law_is_4(tmp_path: Path) -> None:
    """A supervisor starts it again."""
    assert run(tmp_path, error=ProduceFailed("embedder.dead")) == 4


def test_a_fault_is_raised(tmp_path: Path) -> None:
    """Nobody swallows what nobody foresaw; the note is gone all the same."""
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, error=ZeroDivisionError())
    assert list((tmp_path / "workers").iterdir()) == []


def test_health_and_metrics_answer() -> None:
    """200 or 503 as the worker says, with its details; anything else is not there."""
    state = Health(live=True, ready=False, detail={"posts/0 waits": "weaviate"})
    with HealthServer("127.0.0.1", 0, lambda: state) as server:
        assert json.loads(urlopen(server.address + "/livez", timeout=5).read())["live"] is True
        with pytest.raises(HTTPError) as answer:
            urlopen(server.address + "/readyz", timeout=5)
        assert answer.value.code == 503
        assert json.loads(answer.value.read()) == {"live": True, "ready": False, "posts/0 waits": "weaviate"}
        assert b"streamscout_events_total" in urlopen(server.address + "/metrics", timeout=5).read()
        with pytest.raises(HTTPError) as missing:
            urlopen(server.address + "/else", timeout=5)
        assert missing.value.code == 404
        missing.value.close()
        answer.value.close()


def test_the_note_of_a_worker_stands_while_it_runs(tmp_path: Path) -> None:
    """Name, pid and where to ask for health."""
    with presence(tmp_path, "embedder", "http://127.0.0.1:1"):
        (note,) = (tmp_path / "workers").iterdir()
        said = json.loads(note.read_text())
        assert (said["name"], said["pid"], said["health_url"]) == ("embedder", os.getpid(), "http://127.0.0.1:1")
    assert list((tmp_path / "workers").iterdir()) == []


def test_secrets_are_stars_in_the_log() -> None:
    """By type and by name."""
    event = {"event": "x", "weaviate_api_key": "hunter2", "kafka_password": "hunter2", "value": SecretStr("hunter2")}
    assert "hunter2" not in str(_masked(None, "info", event))
