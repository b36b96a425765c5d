"""Apache Kafka: one KRaft process, broker and controller in one, from Maven's jars."""

from __future__ import annotations

import base64
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from workers.adapters import security
from workers.config import Settings, SettingsError, server_environment
from workers.stack import processes, versions
from workers.stack.ports import LOOPBACK, connects
from workers.stack.processes import Process
from workers.stack.programs import cached, cannot_be_had, java, run_logged
from workers.stack.recipe import Place, Report

_POM: Final = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>streamscout</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
_ARTIFACTS: Final = (
    ("org.apache.kafka", f"kafka_{versions.KAFKA_SCALA}", versions.KAFKA),
    ("org.apache.kafka", "kafka-tools", versions.KAFKA),
    # Without a binding for SLF4J 1.7, Kafka's log stays empty.
    ("org.apache.logging.log4j", "log4j-slf4j-impl", versions.KAFKA_LOG4J),
)
_LOGGING: Final = """\
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
logger.kafka.name=kafka.server
logger.kafka.level=INFO
"""


def pom() -> str:
    """The Maven project whose runtime dependencies are the broker."""
    return _POM.format(
        dependencies="\n".join(
            f"    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
            f"<version>{version}</version></dependency>"
            for group, artifact, version in _ARTIFACTS
        )
    )


def properties(data: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """The broker's configuration: loopback, one replica of everything, sessions short enough for tests."""
    listeners = f"PLAINTEXT://{LOOPBACK}:{ports['broker']},CONTROLLER://{LOOPBACK}:{ports['controller']}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{ports['controller']}",
        "controller.listener.names": "CONTROLLER",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "log.dirs": str(data / "log"),
        "auto.create.topics.enable": "false",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # Under KIP-848 the session timeout is the broker's: its defaults are 45 s, and that is their minimum too.
        "group.consumer.min.session.timeout.ms": "6000",
        "group.consumer.session.timeout.ms": "10000",
        "group.consumer.min.heartbeat.interval.ms": "1000",
        "group.consumer.heartbeat.interval.ms": "2000",
        # The default buffer, 128 MiB, is a quarter of this heap.
        "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
        "log.cleaner.threads": "1",
    }


@dataclass(frozen=True)
class Kafka:
    """Kafka's recipe. ``extra``: properties of the broker beside ours, or instead of them."""

    name: str = "kafka"
    version: str = versions.KAFKA
    ports: tuple[str, ...] = ("broker", "controller")
    extra: Mapping[str, str] = field(default_factory=dict)

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {"kafka_bootstrap": f"{LOOPBACK}:{ports['broker']}"}

    def given(self, settings: Settings) -> dict[str, str]:
        return {"kafka_bootstrap": settings.kafka_bootstrap} if settings.kafka_bootstrap else {}

    def fingerprint(self, settings: Settings) -> str:
        if settings.kafka_security != "PLAINTEXT":
            raise SettingsError(
                f"STREAMSCOUT_KAFKA_SECURITY: {settings.kafka_security} is for a Kafka of yours, and no address of one "
                "is given: set STREAMSCOUT_KAFKA_BOOTSTRAP, or unset this for the local one, spoken to in clear"
            )
        return self.version

    def install(self, cache: Path, report: Report) -> Path:
        def build(part: Path, log: Path) -> None:
            maven = shutil.which("mvn")
            if not maven:
                raise cannot_be_had("Kafka", self.version, cache, "Maven and a JDK, 17 or later", "kafka_bootstrap")
            report("fetching 92 jars with Maven")
            (part / "pom.xml").write_text(pom())
            goal = f"org.apache.maven.plugins:maven-dependency-plugin:{versions.MAVEN_DEPENDENCY_PLUGIN}"
            options = ["-DincludeScope=runtime", "-DoutputDirectory=libs"]
            run_logged([maven, "-B", "-C", f"{goal}:copy-dependencies", *options], cwd=part, log=log)

        return cached(cache, f"kafka-{self.version}", build, report)

    def start(self, place: Place) -> Process:
        place.data.mkdir(parents=True, exist_ok=True)
        config, logging = place.data / "server.properties", place.data / "log4j2.properties"
        config.write_text(
            "".join(f"{k}={v}\n" for k, v in {**properties(place.data, place.ports), **self.extra}.items())
        )
        logging.write_text(_LOGGING)
        command = [
            java(versions.JAVA_FOR_KAFKA),
            f"-Dlog4j2.configurationFile={logging}",
            "-cp",
            f"{place.home}/libs/*",
        ]
        if not (place.data / "log" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
            options = ["--standalone", "--ignore-formatted", "-t", cluster, "-c", str(config)]
            tool = [*command, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", *options]
            place.log.parent.mkdir(parents=True, exist_ok=True)
            run_logged(tool, cwd=place.data, log=place.log, env=server_environment())
        return processes.spawn(
            [*command, "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "kafka.Kafka", str(config)],
            env=server_environment(),
            cwd=place.data,
            log=place.log,
            pid_file=place.pid_file,
        )

    def ready(self, addresses: Mapping[str, str], settings: Settings) -> bool:
        bootstrap = addresses["kafka_bootstrap"]
        # Asked only once something listens: librdkafka writes every refused connection to stderr.
        if not any(connects(one) for one in bootstrap.split(",")):
            return False
        known = settings.model_copy(update={"kafka_bootstrap": bootstrap})
        try:
            return bool(AdminClient({**security.kafka(known), "log_level": 0}).list_topics(timeout=10).brokers)
        except KafkaException:
            return False

    def stop(self, process: Process) -> None:
        processes.stop(process, grace=20)
