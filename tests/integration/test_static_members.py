"""Two keyed workers by one name of the group: what becomes of them, and of the events."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.test_keyed_worker import Start, publish, written
from tests.waiting import eventually
from workers.config import Settings, child_environment
from workers.stack.topics import create_topics


@pytest.fixture
def named(stack: Settings, tmp_path: Path) -> Settings:
    """Topics of an own namespace, and a name for the process."""
    changes = {"namespace": f"s{uuid4().hex[:10]}", "data_dir": tmp_path / "data", "group_instance_id": "pod-0"}
    fresh = stack.model_copy(update={**changes, "session_timeout_ms": 6000})
    fresh.data_dir.mkdir()
    create_topics(fresh)
    return fresh


@pytest.fixture
def start(named: Settings) -> Iterator[Start]:
    """Starts workers; none outlives the test."""
    with ExitStack() as stack, (named.data_dir / "echo.log").open("ab") as log:

        def make() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "tests.integration.echo_tables"]
            process = subprocess.Popen(command, env=child_environment(named), stdout=log, stderr=log)
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            return process

        yield make


@pytest.mark.timeout(300)
def test_two_keyed_workers_by_one_name_say_so_and_end(named: Settings, start: Start) -> None:
    """They would take the partitions from each other for ever. Nothing is lost: one alone does the rest."""
    publish(named, *(f"p{number}" for number in range(50)))
    workers = [start()]
    eventually(lambda: written(named), 60)
    workers.append(start())
    eventually(lambda: any(worker.poll() is not None for worker in workers), 120)
    assert "STREAMSCOUT_GROUP_INSTANCE_ID: another process joined group" in (named.data_dir / "echo.log").read_text()
    for worker in workers:
        worker.kill()
        worker.wait(10)
    publish(named, *(f"p{number}" for number in range(50, 100)))
    alone = start()
    eventually(lambda: set(written(named)) == {f"p{number}" for number in range(100)}, 120)
    alone.send_signal(signal.SIGTERM)
    assert alone.wait(60) == 0
