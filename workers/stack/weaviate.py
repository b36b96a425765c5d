"""Weaviate, built by Go from its source with one change: what it binds to every interface it binds to the loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from workers.adapters import security
from workers.config import Settings, server_environment
from workers.stack import processes, versions
from workers.stack.errors import ServerUnavailableError
from workers.stack.ports import LOOPBACK, connects
from workers.stack.processes import Process
from workers.stack.programs import cached, cannot_be_had, go_version, run_logged
from workers.stack.recipe import Place, Report

_BINDS_EVERYWHERE: Final = (
    "adapters/handlers/grpc/server.go",
    "adapters/handlers/rest/clusterapi/serve.go",
    "adapters/handlers/rest/clusterapi/grpc/server.go",
)


def environment(data: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """The server's settings: one node, anonymous, no modules, nothing created by accident, nothing sent home."""
    return {
        "PERSISTENCE_DATA_PATH": str(data),
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
        "AUTOSCHEMA_ENABLED": "false",
        "DEFAULT_VECTORIZER_MODULE": "none",
        "CLUSTER_HOSTNAME": "streamscout",
        "CLUSTER_ADVERTISE_ADDR": LOOPBACK,
        "CLUSTER_BIND_ADDR": LOOPBACK,
        "CLUSTER_GOSSIP_BIND_PORT": str(ports["gossip"]),
        "CLUSTER_DATA_BIND_PORT": str(ports["data"]),
        "RAFT_PORT": str(ports["raft"]),
        "RAFT_INTERNAL_RPC_PORT": str(ports["raft_rpc"]),
        "RAFT_BOOTSTRAP_EXPECT": "1",
        "GRPC_PORT": str(ports["grpc"]),
        "DISABLE_TELEMETRY": "true",
        # Nothing of ours asks it; every change of a collection rebuilds it for all: seconds, once there are hundreds.
        "DISABLE_GRAPHQL": "true",
        # Its profiler listens on port 6060 of every interface.
        "GO_PROFILING_DISABLE": "true",
        # A laptop's disk is often over 90 % full, where Weaviate would refuse to write by default.
        "DISK_USE_WARNING_PERCENTAGE": "95",
        "DISK_USE_READONLY_PERCENTAGE": "98",
    }


def bound_to_loopback(file: str, text: str) -> str:
    """A source file of Weaviate with its one listening address on the loopback.

    1.35 has no setting for the address of its gRPC and cluster ports, and its anonymous access would be everybody's.
    Raises ServerUnavailableError where the file is not as in the pinned version.
    """
    everywhere, loopback = '":%d"', f'"{LOOPBACK}:%d"'
    if text.count(everywhere) != 1:
        raise ServerUnavailableError(f"{file} of Weaviate {versions.WEAVIATE} does not listen where it should")
    return text.replace(everywhere, loopback)


def _source(go: str, version: str, part: Path) -> Path:
    """Weaviate's source from Go's module cache, in a writable copy."""
    module = [go, "mod", "download", "-json", f"github.com/weaviate/weaviate@v{version}"]
    found = subprocess.run(module, cwd=part, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise ServerUnavailableError(f"Go cannot fetch Weaviate {version}: {found.stdout}{found.stderr}")
    copy = part / "source"
    shutil.copytree(json.loads(found.stdout)["Dir"], copy, copy_function=shutil.copyfile)
    for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    return copy


@dataclass(frozen=True)
class Weaviate:
    """Weaviate's recipe."""

    name: str = "weaviate"
    version: str = versions.WEAVIATE
    ports: tuple[str, ...] = ("http", "grpc", "gossip", "data", "raft", "raft_rpc")

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {"weaviate_url": f"http://{LOOPBACK}:{ports['http']}", "weaviate_grpc": f"{LOOPBACK}:{ports['grpc']}"}

    def given(self, settings: Settings) -> dict[str, str]:
        if not settings.weaviate_url:
            return {}
        grpc = settings.weaviate_grpc or f"{urlsplit(settings.weaviate_url).hostname}:50051"
        return {"weaviate_url": settings.weaviate_url, "weaviate_grpc": grpc}

    def fingerprint(self, settings: Settings) -> str:  # noqa: ARG002 - the same for all settings
        return self.version

    def install(self, cache: Path, report: Report) -> Path:
        def build(part: Path, log: Path) -> None:
            go, found = shutil.which("go"), go_version()
            if not go or not found or found < versions.GO_FOR_WEAVIATE:
                needed = "Go {}.{} or later".format(*versions.GO_FOR_WEAVIATE)
                raise cannot_be_had("Weaviate", self.version, cache, needed, "weaviate_url")
            report("fetching its source with Go")
            source = _source(go, self.version, part)
            for file in _BINDS_EVERYWHERE:
                (source / file).write_text(bound_to_loopback(file, (source / file).read_text()))
            report("compiling with Go (once: 4 minutes on 2 cores)")
            options = ["-trimpath", "-buildvcs=false", "-o", str(part / "weaviate-server")]
            # For this machine, whatever else the person builds for: what is cached is wrong for good.
            here = ["env", "-u", "GOOS", "-u", "GOARCH", "GOFLAGS=", "GOWORK=off"]
            run_logged([*here, go, "build", *options, "./cmd/weaviate-server"], cwd=source, log=log)
            shutil.rmtree(source)

        return cached(cache, f"weaviate-{self.version}", build, report)

    def start(self, place: Place) -> Process:
        command = [str(place.home / "weaviate-server"), "--host", LOOPBACK, "--port", str(place.ports["http"])]
        return processes.spawn(
            [*command, "--scheme", "http"],
            env=server_environment(**environment(place.data, place.ports)),
            cwd=place.data,
            log=place.log,
            pid_file=place.pid_file,
        )

    def ready(self, addresses: Mapping[str, str], settings: Settings) -> bool:
        try:
            url = f"{addresses['weaviate_url'].rstrip('/')}/v1/.well-known/ready"
            answer = httpx.get(url, timeout=10, verify=security.trusting(settings, "weaviate_ca_file"))
        except httpx.HTTPError:
            return False
        return answer.is_success and connects(addresses["weaviate_grpc"])

    def stop(self, process: Process) -> None:
        processes.stop(process, grace=30)
