"""What was measured on: the machine and the versions, as reports name them (Linux)."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workers.stack import versions

_PAGE = os.sysconf("SC_PAGE_SIZE")


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


def installed(packages: Sequence[str]) -> dict[str, str]:
    """Versions of all that is measured: Python, the servers, and these packages."""
    servers = {"kafka": versions.KAFKA, "weaviate": versions.WEAVIATE, "triton": versions.TRITON}
    return {"python": platform.python_version(), **servers, **{name: version(name) for name in packages}}
