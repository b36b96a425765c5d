"""NVIDIA Triton, the real server with its Python backend, from nvidia-pytriton's wheel in an environment of its own."""

from __future__ import annotations

import ctypes.util
import hashlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from workers.adapters import security
from workers.config import Settings, server_environment
from workers.domain.model_card import (
    CARD_FILE,
    FAILED_FILE,
    ModelCardError,
    changed_files,
    load_model_card,
    refusal,
)
from workers.stack import processes, versions
from workers.stack.errors import ServerUnavailableError
from workers.stack.ports import LOOPBACK
from workers.stack.processes import Process
from workers.stack.programs import cached, cannot_be_had, run_logged
from workers.stack.recipe import Place, Report

MODELS: Final = ("clip_image", "clip_text")
REQUIREMENTS: Final = Path(__file__).parent / "triton-requirements.txt"
_TUNED: Final = ("config.pbtxt", "model.py")
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - Triton's choice, not a temporary file of ours
_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


def folder(requirements: str) -> str:
    """The cache's folder: another Python or other packages beside the server are another environment."""
    digest = hashlib.sha256(requirements.encode()).hexdigest()[:8]
    return f"triton-{versions.PYTRITON}-py{_PYTHON}-{digest}"


def shared_memory_prefix(data: Path) -> str:
    """The prefix of the server's regions in /dev/shm, by its data folder: two stacks must not meet in one."""
    return f"streamscout_{hashlib.sha256(str(data).encode()).hexdigest()[:12]}_"


def _site(home: Path) -> Path:
    return home / "lib" / f"python{_PYTHON}" / "site-packages"


def _server(home: Path) -> Path:
    return _site(home) / "pytriton" / "tritonserver"


def environment(home: Path) -> dict[str, str]:
    """The server's: the Python of its backend is the first ``python3`` on PATH, and takes that one's packages.

    So that is the one of its own environment: in an activated one of the person's, or among packages of the user, may
    be a numpy that the backend cannot speak to.
    """
    extra = {"STREAMSCOUT_TRITON_SITE": str(_site(home)), "PATH": f"{home / 'bin'}{os.pathsep}{os.defpath}"}
    if library := sysconfig.get_config_var("LIBDIR"):
        extra["LD_LIBRARY_PATH"] = str(library)
    return server_environment(**extra)


def _install_packages(home: Path, log: Path) -> None:
    """A virtual environment with the server's wheel and what the models import.

    pip takes the person's index and proxy, but neither another place to install to nor packages of another Python.
    """
    run_logged([sys.executable, "-I", "-m", "venv", str(home)], cwd=home, log=log)
    here = ["env", "-u", "PIP_TARGET", "-u", "PIP_PREFIX", "-u", "PIP_ROOT", "PIP_USER=0"]
    options = ["--disable-pip-version-check", "--no-input"]
    pip = [*here, str(home / "bin" / "python"), "-I", "-m", "pip", "install", *options]
    # The wheel's own requirements serve its Python client, which nothing here uses.
    run_logged([*pip, "--no-deps", f"nvidia-pytriton=={versions.PYTRITON}"], cwd=home, log=log)
    run_logged([*pip, "-r", str(REQUIREMENTS)], cwd=home, log=log)


def refuse_what_cannot_be_served(repository: Path) -> None:
    """A model for a GPU cannot be served by this Triton, which has no TensorRT and no torch.

    One that `streamscout model check` found wanting is not to be, nor other weights than those of the card: what they
    store would be wrong for good. Configurations and the backend may be tuned.

    Raises ServerUnavailableError.
    """
    if not (repository / CARD_FILE).is_file():
        return
    try:
        card = load_model_card(repository)
        version, how = card.model_version, card.served_as
        failed = refusal(repository, version)
    except ModelCardError as error:
        raise ServerUnavailableError(str(error)) from error
    if how and how.target == "gpu":
        raise ServerUnavailableError(
            f"{repository} was built for a GPU: serve it in Triton's own container, and set STREAMSCOUT_TRITON_URL"
        )
    if failed:
        raise ServerUnavailableError(failed)
    if changed := [file for file in changed_files(card, repository) if not file.endswith(_TUNED)]:
        raise ServerUnavailableError(
            f"{' and '.join(changed)} in {repository}: missing, or not what the card of {version} says: it is not "
            "served. Build it anew, or bring the files again"
        )


@dataclass(frozen=True)
class Triton:
    """Triton's recipe."""

    name: str = "triton"
    version: str = versions.TRITON
    ports: tuple[str, ...] = ("http", "grpc", "metrics")

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {"triton_url": f"http://{LOOPBACK}:{ports['http']}"}

    def given(self, settings: Settings) -> dict[str, str]:
        return {"triton_url": settings.triton_url} if settings.triton_url else {}

    def fingerprint(self, settings: Settings) -> str:
        """The model too: Triton does not watch its repository; the card has the checksums of what is in it."""
        repository = settings.model_repository.expanduser().resolve()
        card = repository / CARD_FILE
        model = hashlib.sha256(card.read_bytes()).hexdigest()[:12] if card.is_file() else "no card"
        # A server that runs on a model which has failed its check since is stopped, and not started again.
        failed = " failed its check" if (repository / FAILED_FILE).is_file() else ""
        return f"{self.version} {model} {repository} {folder(REQUIREMENTS.read_text())}{failed}"

    def install(self, cache: Path, report: Report) -> Path:
        def build(part: Path, log: Path) -> None:
            library = f"libpython{_PYTHON}.so.1.0"
            shared = Path(sysconfig.get_config_var("LIBDIR") or "/") / library
            if not shared.exists() and not ctypes.util.find_library(f"python{_PYTHON}"):
                raise cannot_be_had("Triton", self.version, cache, f"Python's shared library ({library})", "triton_url")
            report("installing with pip")
            try:
                _install_packages(part, log)
            except ServerUnavailableError as error:
                needed = "Python's venv and pip on Linux (the end of their log is below)"
                cannot = cannot_be_had("Triton", self.version, cache, needed, "triton_url")
                raise ServerUnavailableError(f"{cannot}\n{error}") from error
            stub = _server(part) / "python_backend_stubs" / _PYTHON / "triton_python_backend_stub"
            shutil.copy(stub, _server(part) / "backends" / "python" / stub.name)

        return cached(cache, folder(REQUIREMENTS.read_text()), build, report)

    def start(self, place: Place) -> Process:
        repository = place.settings.model_repository.expanduser().resolve()
        missing = [model for model in MODELS if not (repository / model / "config.pbtxt").is_file()]
        if missing:
            raise ServerUnavailableError(f"the model repository {repository} lacks {' and '.join(missing)}")
        refuse_what_cannot_be_served(repository)
        prefix = shared_memory_prefix(place.data)
        for left in _SHARED_MEMORY.glob(f"{prefix}*"):
            left.unlink(missing_ok=True)
        options = {
            "model-repository": repository,
            # The repository holds folders that are no models, too.
            "model-control-mode": "explicit",
            # The tables it writes when it starts and ends would hide why it ended.
            "log-info": "false",
            "backend-directory": _server(place.home) / "backends",
            "backend-config": f"python,shm-region-prefix-name={prefix}",
            "exit-on-error": "true",
            "exit-timeout-secs": 5,
            **{f"{name}-address": LOOPBACK for name in self.ports},
            **{f"{name}-port": port for name, port in place.ports.items()},
        }
        return processes.spawn(
            [
                str(_server(place.home) / "bin" / "tritonserver"),
                *(f"--{k}={v}" for k, v in options.items()),
                *(f"--load-model={m}" for m in MODELS),
            ],
            env=environment(place.home),
            cwd=place.data,
            log=place.log,
            pid_file=place.pid_file,
        )

    def ready(self, addresses: Mapping[str, str], settings: Settings) -> bool:
        address = addresses["triton_url"].rstrip("/")
        url = address if "://" in address else f"http://{address}"
        paths = ["/v2/health/ready", *(f"/v2/models/{model}/ready" for model in MODELS)]
        try:
            trust = security.trusting(settings, "triton_ca_file")
            return all(httpx.get(url + path, timeout=10, verify=trust).is_success for path in paths)
        except httpx.HTTPError:
            return False

    def stop(self, process: Process) -> None:
        processes.stop(process, grace=15)
