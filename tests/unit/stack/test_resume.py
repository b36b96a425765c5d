"""``streamscout resume``: only a worker that is paused is told to go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.waiting import eventually
from workers.__main__ import build_app
from workers.config import Settings
from workers.process.health import HealthServer
from workers.stack.resume import resume_workers
from workers.wire.records import Health

WAIT = "import signal, sys; print(flush=True); signal.sigwait([signal.SIGUSR1])"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with 0 when told to go on."""
    started = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]);" + WAIT],
        stdout=subprocess.PIPE,
    )
    assert started.stdout is not None
    started.stdout.readline()
    yield started
    started.kill()
    started.wait(10)
    started.stdout.close()


def note(folder: Path, pid: int, url: str) -> None:
    """The note of a running embedder."""
    folder.mkdir(exist_ok=True)
    row = {"name": "embedder", "pid": pid, "started_at": "2026-11-23T08:00:00Z", "health_url": url}
    (folder / f"embedder-{pid}.json").write_text(json.dumps(row))


def test_a_paused_worker_is_told(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    """By SIGUSR1, to the process that its note names."""
    paused = Health(live=True, ready=False, detail={"breaker": "open"})
    with HealthServer("127.0.0.1", 0, lambda: paused) as server:
        note(tmp_path / "workers", process.pid, server.address)
        assert resume_workers(Settings(data_dir=tmp_path), "embedder") == ([process.pid], [])
        assert resume_workers(Settings(data_dir=tmp_path), "indexer") == ([], [])
    eventually(lambda: process.poll() == 0, 10)


def test_a_worker_that_is_not_paused_gets_no_signal(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    """Nor one that does not answer: its pid may be another's by now."""
    with HealthServer("127.0.0.1", 0, lambda: Health(live=True, ready=True)) as server:
        note(tmp_path / "workers", process.pid, server.address)
        assert resume_workers(Settings(data_dir=tmp_path), "embedder") == ([], [process.pid])
    assert resume_workers(Settings(data_dir=tmp_path), "embedder") == ([], [process.pid])
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM


def test_who_does_not_run_or_never_pauses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 for a worker that does not run here, 2 for one that has no breaker."""
    monkeypatch.setenv("STREAMSCOUT_DATA_DIR", str(tmp_path))
    runner = CliRunner()
    nobody = runner.invoke(build_app(), ["resume", "embedder", "--json"])
    assert (nobody.exit_code, json.loads(nobody.stdout)["resumed"]) == (1, [])
    assert runner.invoke(build_app(), ["resume", "match"]).exit_code == 2
