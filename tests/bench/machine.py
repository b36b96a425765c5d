"""The machine: which cores are used, what runs on them, and how busy each process keeps them (Linux)."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workers.stack import versions

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
PACKAGES = (
    "streamscout", "numpy", "Pillow", "confluent-kafka", "weaviate-client", "tritonclient", "open_clip_torch", "torch",
)  # fmt: skip


class TooFewCores(RuntimeError):
    """The bench needs two cores: one for the encoder, one for everything else."""


def two_cores() -> tuple[int, int]:
    """The encoder's core and that of everything else: of those that this process may use, the first two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise TooFewCores(f"{TooFewCores.__doc__} There is {len(cores)}.")
    return cores[0], cores[1]


@contextmanager
def on(cores: Collection[int]) -> Iterator[None]:
    """This thread, and whatever it starts meanwhile, runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree(pid: int) -> list[int]:
    """The process and all that it has started."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                for child in (task / "children").read_text().split():
                    found += tree(int(child))
    return found


def pin(pid: int, cores: Collection[int]) -> None:
    """Every thread of a process and of all that it has started; threads that they start later go along."""
    for process in tree(pid):
        with suppress(OSError):
            for task in Path(f"/proc/{process}/task").iterdir():
                with suppress(OSError):
                    os.sched_setaffinity(int(task.name), cores)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of all that it has started and not yet buried."""
    ticks = 0
    for process in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def resident_mb(pid: int) -> float:
    """Resident memory of one process, in millions of bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6


def has_bf16() -> bool:
    """Whether the processor computes in bfloat16 (AVX512-BF16)."""
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text()


def described() -> dict[str, Any]:
    """The machine, as reports name it."""
    info = Path("/proc/cpuinfo").read_text()
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * _PAGE
    return {
        "processor": names[0] if names else platform.processor(),
        "cpus": os.cpu_count(),
        "bf16": has_bf16(),
        "memory_gb": round(memory / 1e9, 1),
        "system": platform.platform(),
        "load_before": [round(one, 2) for one in os.getloadavg()],
    }


def installed() -> dict[str, str]:
    """Versions of all that is measured."""
    servers = {"kafka": versions.KAFKA, "weaviate": versions.WEAVIATE, "triton": versions.TRITON}
    return {"python": platform.python_version(), **servers, **{name: version(name) for name in PACKAGES}}
