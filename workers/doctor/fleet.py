"""The workers of this data directory: alive, ready, and how far behind."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from prometheus_client.parser import text_string_to_metric_families

from workers.config import Settings
from workers.doctor.findings import Finding, doubtful, fine, wrong
from workers.stack.record import StackFiles
from workers.stack.status import RunningWorker, running_workers

CHECK = "workers"
SECONDS = 5.0
BEHIND = 10_000


def examine(settings: Settings) -> Sequence[Finding]:
    """A finding for each worker that wrote its note here; elsewhere (Kubernetes) their probes tell."""
    workers = running_workers(StackFiles(settings.data_dir).workers)
    if not workers:
        do = "start them (`streamscout run WORKER`), or ask where they run: they are not of this data directory"
        return [doubtful(CHECK, f"none runs here ({settings.data_dir})", do)]
    return [_examine(worker) for worker in workers]


def _examine(worker: RunningWorker) -> Finding:
    url = worker.health_url.rstrip("/")
    try:
        live, ready = (httpx.get(url + path, timeout=SECONDS).is_success for path in ("/livez", "/readyz"))
        text = httpx.get(f"{url}/metrics", timeout=SECONDS).text
    except httpx.HTTPError as error:
        what = f"{worker.name} (pid {worker.pid}) does not answer: {type(error).__name__}"
        return wrong(CHECK, what, "see its log; stop the process and start it again")
    lag = sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "streamscout_lag_records"
    )
    return judge(worker.name, worker.pid, live, ready, lag)


def judge(name: str, pid: int, live: bool, ready: bool, lag: float) -> Finding:
    """One worker."""
    who = f"{name} (pid {pid})"
    if not live:
        return wrong(CHECK, f"{who}: its loop stands still", "stop the process and start it again; its log says more")
    if not ready:
        do = "give it a minute; if it stays so, its log and /readyz say what it waits for"
        return doubtful(CHECK, f"{who}: not ready", do)
    if lag > BEHIND:
        do = "start a second process of it, or find out what slows it (streamscout_stage_seconds)"
        return doubtful(CHECK, f"{who}: {lag:.0f} records behind", do)
    return fine(CHECK, f"{who}: ready, {lag:.0f} records behind")
