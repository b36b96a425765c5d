"""What each process and stage does while something is measured: looked at once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.bench.machine import cpu_seconds
from tests.bench.report import numbers
from tests.bench.world import World

EVERY_SECONDS = 1.0
STAGES = ("fetch", "encode", "store", "handle", "outputs")


@dataclass
class Seen:
    """``busy``: cores of processor time by process; ``stages``: batches in a stage at a time, and seconds of each.

    ``queue``: items that wait in the embedder; ``pending``: requests that wait at Triton. By seconds since the begin.
    """

    name: str
    seconds: float = 0.0
    busy: dict[str, float] = field(default_factory=dict)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    triton: dict[str, float] = field(default_factory=dict)
    at: list[float] = field(default_factory=list)
    queue: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    pending: list[float] = field(default_factory=list)
    cores: dict[str, list[float]] = field(default_factory=dict)

    def cores_used(self) -> str:
        """How many cores each process kept busy, in words; the busiest first."""
        return ", ".join(f"{name} {used:.2f}" for name, used in sorted(self.busy.items(), key=lambda each: -each[1]))

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {key: _rounded(value) for key, value in vars(self).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return {key: _rounded(one) for key, one in value.items()} if isinstance(value, dict) else value


@contextmanager
def watched(world: World, name: str) -> Iterator[Seen]:
    """Filled in when the block ends."""
    seen, ended = Seen(name), threading.Event()
    pids = world.pids()
    before, stages, triton, begun = _cpu(pids), _stages(world), _triton(world), time.monotonic()

    def look() -> None:
        last, moment = dict(before), begun
        while not ended.wait(EVERY_SECONDS):
            now, new = time.monotonic(), _cpu(pids)
            with suppress(httpx.HTTPError):
                said, encoder = numbers(world.metrics()), numbers(world.triton_metrics())
                seen.at.append(now - begun)
                seen.queue.append(said.get('streamscout_queue_items{worker="embedder"}', 0.0))
                seen.lag.append(sum(v for k, v in said.items() if k.startswith("streamscout_lag_records")))
                seen.pending.append(sum(v for k, v in encoder.items() if k.startswith("nv_inference_pending")))
                for process in pids:
                    share = (new[process] - last[process]) / (now - moment)
                    seen.cores.setdefault(process, []).append(share)
            last, moment = new, now

    watcher = threading.Thread(target=look, name="watch", daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()
        seen.seconds = time.monotonic() - begun
        after = _cpu(pids)
        seen.busy = {process: (after[process] - before[process]) / seen.seconds for process in pids}
        with suppress(httpx.HTTPError):
            seen.stages = _stage_shares(stages, _stages(world), seen.seconds)
            now = _triton(world)
            seen.triton = {key: (now[key] - triton[key]) / seen.seconds for key in now}


def _cpu(pids: dict[str, int]) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def _stages(world: World) -> dict[str, tuple[float, float]]:
    """Seconds and times of each stage so far."""
    said = numbers(world.metrics())
    prefix = "streamscout_stage_seconds"
    return {
        stage: (
            said.get(f'{prefix}_sum{{stage="{stage}",worker="embedder"}}', 0.0),
            said.get(f'{prefix}_count{{stage="{stage}",worker="embedder"}}', 0.0),
        )
        for stage in STAGES
    }


def _stage_shares(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]], seconds: float
) -> dict[str, dict[str, float]]:
    shares = {}
    for stage in STAGES:
        spent, times = (now - then for now, then in zip(after[stage], before[stage], strict=True))
        shares[stage] = {"batches_at_a_time": spent / seconds, "mean_s": spent / times if times else 0.0}
    return shares


def _triton(world: World) -> dict[str, float]:
    """Seconds that the picture tower's requests waited, and that batches were computed; and pictures."""
    said = numbers(world.triton_metrics())

    def of(name: str) -> float:
        return sum(v for k, v in said.items() if k.startswith(name + "{") and 'model="clip_image"' in k)

    return {
        "requests_waiting": of("nv_inference_queue_duration_us") / 1e6,
        "requests_in_the_engine": of("nv_inference_compute_infer_duration_us") / 1e6,
        "pictures_per_s": of("nv_inference_count"),
        "executions_per_s": of("nv_inference_exec_count"),
    }
