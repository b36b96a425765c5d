"""What `status` knows of the workers."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rich.console import Console

from workers.config import Settings
from workers.stack.fleet import Fleet
from workers.stack.progress import Board
from workers.stack.status import collect_status, running_workers


def write(folder: Path, name: str, pid: int, text: str | None = None) -> Path:
    """A worker's file."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{pid}.json"
    row = {"name": name, "pid": pid, "started_at": "2026-11-23T08:00:00Z", "health_url": "http://127.0.0.1:1"}
    path.write_text(json.dumps(row) if text is None else text)
    return path


def test_a_worker_whose_process_lives_is_listed(tmp_path: Path) -> None:
    """Our own process stands for it."""
    write(tmp_path / "workers", "embedder", os.getpid())
    assert [worker.name for worker in running_workers(tmp_path / "workers")] == ["embedder"]


def test_the_file_of_a_dead_worker_is_removed(tmp_path: Path) -> None:
    """A kill -9 leaves one."""
    left = write(tmp_path / "workers", "embedder", 2**22 + 1)
    assert running_workers(tmp_path / "workers") == []
    assert not left.exists()


def test_a_file_that_is_still_being_written_is_left_alone(tmp_path: Path) -> None:
    """The next call sees it."""
    half = write(tmp_path / "workers", "embedder", os.getpid(), '{"name": "emb')
    assert running_workers(tmp_path / "workers") == []
    assert half.exists()


def test_a_worker_that_does_not_answer_is_not_ready(tmp_path: Path) -> None:
    """With its address and pid all the same."""
    write(tmp_path / "workers", "embedder", os.getpid())
    (line,) = [line for line in collect_status(Settings(data_dir=tmp_path)) if line.kind == "worker"]
    assert (line.name, line.address, line.ready, line.pid) == ("embedder", "http://127.0.0.1:1", False, os.getpid())


def started_here(root: Path, name: str, pid: int) -> None:
    """The pid file that a worker of the fleet leaves when it is killed."""
    (root / "pids").mkdir(exist_ok=True)
    (root / "pids" / f"{name}.pid").write_text(f"{pid}\nThu Jan  1 00:00:00 1970\n")


def test_a_worker_that_ended_by_itself_is_named_until_down(tmp_path: Path) -> None:
    """It must not look as if it had never been started."""
    started_here(tmp_path, "embedder", 2**22 + 1)
    (line,) = [line for line in collect_status(Settings(data_dir=tmp_path)) if line.kind == "worker"]
    assert (line.name, line.address, line.ready, line.pid) == ("embedder", None, False, None)
    assert line.detail == {"ended": f"see {tmp_path / 'logs' / 'embedder.log'}"}
    with Board(Console(quiet=True)) as board:
        assert Fleet(Settings(data_dir=tmp_path), board).stop(1) == []
    assert all(line.kind == "server" for line in collect_status(Settings(data_dir=tmp_path)))


def test_a_worker_that_was_started_again_by_hand_has_not_ended(tmp_path: Path) -> None:
    """One line, of the process that runs."""
    started_here(tmp_path, "embedder", 2**22 + 1)
    write(tmp_path / "workers", "embedder", os.getpid())
    (line,) = [line for line in collect_status(Settings(data_dir=tmp_path)) if line.kind == "worker"]
    assert line.pid == os.getpid()


def test_before_the_first_up_every_server_is_named_and_none_is_ready(tmp_path: Path) -> None:
    """Four lines, no error."""
    lines = collect_status(Settings(data_dir=tmp_path))
    assert [line.name for line in lines] == ["kafka", "schema-registry", "weaviate", "triton"]
    assert not any(line.ready or line.pid for line in lines)
