"""Apicurio Registry, spoken to through Confluent's API; its schemas lie in an H2 file."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from workers.adapters import security
from workers.config import Settings, server_environment
from workers.stack import processes, versions
from workers.stack.ports import LOOPBACK
from workers.stack.processes import Process
from workers.stack.programs import cached, cannot_be_had, java, run_logged
from workers.stack.recipe import Place, Report

CONFLUENT_API: Final = "/apis/ccompat/v7"


@dataclass(frozen=True)
class SchemaRegistry:
    """The registry's recipe."""

    name: str = "schema-registry"
    version: str = versions.SCHEMA_REGISTRY
    ports: tuple[str, ...] = ("http", "management")

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {"schema_registry_url": f"http://{LOOPBACK}:{ports['http']}{CONFLUENT_API}"}

    def given(self, settings: Settings) -> dict[str, str]:
        return {"schema_registry_url": settings.schema_registry_url} if settings.schema_registry_url else {}

    def fingerprint(self, settings: Settings) -> str:  # noqa: ARG002 - the same for all settings
        return self.version

    def install(self, cache: Path, report: Report) -> Path:
        def build(part: Path, log: Path) -> None:
            maven = shutil.which("mvn")
            if not maven:
                needed = "Maven and a JDK, 17 or later"
                raise cannot_be_had("Apicurio Registry", self.version, cache, needed, "schema_registry_url")
            report("fetching 155 MB with Maven")
            artifact = f"io.apicurio:apicurio-registry-app:{self.version}:tar.gz:all"
            goal = f"org.apache.maven.plugins:maven-dependency-plugin:{versions.MAVEN_DEPENDENCY_PLUGIN}:copy"
            options = [f"-Dartifact={artifact}", "-DoutputDirectory=."]
            run_logged([maven, "-B", "-C", goal, *options], cwd=part, log=log)
            report("unpacking")
            (archive,) = part.glob("*.tar.gz")
            with tarfile.open(archive) as packed:
                packed.extractall(part, filter="data")
            archive.unlink()

        return cached(cache, f"schema-registry-{self.version}", build, report)

    def start(self, place: Place) -> Process:
        options = {
            "quarkus.http.host": LOOPBACK,
            "quarkus.http.port": place.ports["http"],
            "quarkus.management.host": LOOPBACK,
            "quarkus.management.port": place.ports["management"],
            "quarkus.http.access-log.enabled": "false",
            "quarkus.otel.sdk.disabled": "true",
            # Its default is a database in memory: schema ids in topics must outlive the process.
            "apicurio.datasource.url": f"jdbc:h2:file:{place.data / 'schemas'};WRITE_DELAY=0",
        }
        # The first compiler alone: it starts with 5 s of processor time instead of 9 and is never busy after that.
        command = [java(versions.JAVA_FOR_SCHEMA_REGISTRY), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return processes.spawn(
            [*command, *(f"-D{k}={v}" for k, v in options.items()), "-jar", str(place.home / "quarkus-run.jar")],
            env=server_environment(),
            cwd=place.data,
            log=place.log,
            pid_file=place.pid_file,
        )

    def ready(self, addresses: Mapping[str, str], settings: Settings) -> bool:
        try:
            url = f"{addresses['schema_registry_url'].rstrip('/')}/subjects"
            trust = security.trusting(settings, "schema_registry_ca_file")
            return httpx.get(url, timeout=10, auth=security.registry_login(settings), verify=trust).is_success
        except httpx.HTTPError:
            return False

    def stop(self, process: Process) -> None:
        processes.stop(process, grace=10)
