"""What runs: every server and worker with address, version, readiness and pid."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from workers.config import Settings
from workers.stack.launcher import RECIPES
from workers.stack.processes import start_time
from workers.stack.recipe import Recipe
from workers.stack.record import Record, StackFiles


@dataclass(frozen=True)
class ServerStatus:
    """A line of ``streamscout status``. ``version`` and ``pid`` are None for a server that is not ours.

    ``detail`` is what a worker says of itself: partitions that wait and why, and its breaker while it is open; of a
    worker that ended without being stopped, where its log is.
    """

    name: str
    kind: Literal["server", "worker"]
    address: str | None
    version: str | None
    ready: bool
    pid: int | None
    detail: dict[str, str] = field(default_factory=dict)


class RunningWorker(BaseModel):
    """What a running worker writes to ``<data_dir>/workers/<name>-<pid>.json``."""

    name: str
    pid: int
    started_at: str
    health_url: str


def collect_status(settings: Settings) -> list[ServerStatus]:
    """Every server in the order of its start, then every worker by name, then those that ended by themselves."""
    files = StackFiles(settings.data_dir)
    record = files.load()
    workers = running_workers(files.workers)
    with ThreadPoolExecutor(len(RECIPES) + len(workers)) as pool:
        servers = pool.map(lambda recipe: _server(settings, files, record, recipe), RECIPES)
        return [*servers, *pool.map(worker_status, workers), *ended_workers(files, {one.name for one in workers})]


def running_workers(folder: Path) -> list[RunningWorker]:
    """The workers whose process lives; the files of those that ended without removing theirs are removed."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            worker = RunningWorker.model_validate_json(path.read_text())
        except (FileNotFoundError, ValidationError):
            # Gone since we listed it, or still being written: the next call sees it.
            continue
        if start_time(worker.pid) is None:
            path.unlink(missing_ok=True)
        else:
            found.append(worker)
    return found


def ended_workers(files: StackFiles, running: Collection[str]) -> list[ServerStatus]:
    """The workers that were started here and ended by themselves, or were killed: ``down`` removes their pid files."""
    servers = {recipe.name for recipe in RECIPES}
    names = sorted(path.stem for path in files.pid_file("any").parent.glob("*.pid"))
    return [
        ServerStatus(name, "worker", None, version("streamscout"), False, None, {"ended": f"see {files.log(name)}"})
        for name in names
        if name not in servers and name not in running and files.process(name) is None
    ]


def _server(settings: Settings, files: StackFiles, record: Record, recipe: Recipe) -> ServerStatus:
    server, process = record.servers.get(recipe.name), files.process(recipe.name)
    given = recipe.given(settings)
    ours = server is not None and (not given or set(given.values()) <= set(server.addresses.values()))
    addresses = server.addresses if server and ours and process else given
    return ServerStatus(
        name=recipe.name,
        kind="server",
        address=next(iter(addresses.values()), None),
        version=server.version if server and ours else None,
        ready=bool(addresses) and recipe.ready(addresses, settings),
        pid=process.pid if process and ours else None,
    )


def worker_status(worker: RunningWorker) -> ServerStatus:
    """The status of a worker, as its own health endpoint tells it."""
    detail: dict[str, str] = {}
    try:
        answer = httpx.get(f"{worker.health_url.rstrip('/')}/readyz", timeout=5)
        ready, said = answer.is_success, answer.json()
        if isinstance(said, dict):
            detail = {str(name): text for name, text in said.items() if isinstance(text, str)}
    except (httpx.HTTPError, ValueError):
        ready = False
    url = urlsplit(worker.health_url)
    address = f"{url.scheme}://{url.netloc}"
    return ServerStatus(worker.name, "worker", address, version("streamscout"), ready, worker.pid, detail)
