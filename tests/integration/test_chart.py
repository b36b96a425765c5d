"""The Helm chart: `helm lint --strict` passes, and what it renders is what the workers need."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.config import REPOSITORY, Settings, load_settings
from workers.stack import versions
from workers.stack.programs import cached, run_logged

CHART = REPOSITORY / "helm"
ADDRESSES = {
    "servers.kafkaBootstrap": "kafka:9092",
    "servers.schemaRegistryUrl": "http://registry:8080/apis/ccompat/v7",
    "servers.weaviateUrl": "http://weaviate:8080",
    "servers.weaviateGrpc": "weaviate:50051",
    "servers.tritonUrl": "http://triton:8000",
    "api.keysSecret": "keys",
}
WORKERS = {"embedder", "creators", "indexer", "outcomes", "match"}

# A Helm built by Go takes itself for one of Kubernetes 1.20: the release is said.
TEMPLATE = ("template", "prod", str(CHART), "--kube-version", "1.30.0")

Helm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The pinned Helm, built once into the user's cache by Go (about 3 minutes the first time)."""
    cache = load_settings().cache_dir.expanduser()

    def build(part: Path, log: Path) -> None:
        module = f"helm.sh/helm/v3/cmd/helm@v{versions.HELM}"
        run_logged(["env", f"GOBIN={part}", "go", "install", module], cwd=part, log=log)

    program = cached(cache, f"helm-{versions.HELM}", build, print) / "helm"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, timeout=60)

    return run


def given(**more: str) -> list[str]:
    """The addresses as ``--set`` arguments, and ``more`` values with ``__`` for a dot."""
    values = ADDRESSES | {name.replace("__", "."): value for name, value in more.items()}
    return [argument for name, value in values.items() for argument in ("--set-string", f"{name}={value}")]


def rendered(helm: Helm, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The chart's objects by kind and name."""
    done = helm(*TEMPLATE, *given(), *arguments)
    assert done.returncode == 0, done.stderr
    objects = [document for document in yaml.safe_load_all(done.stdout) if document]
    return {(found["kind"], found["metadata"]["name"]): found for found in objects}


def test_lint_passes_strictly(helm: Helm) -> None:
    """`helm lint --strict` finds nothing."""
    done = helm("lint", "--strict", str(CHART), *given())
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_deployment_a_worker_with_probes_and_settings(helm: Helm) -> None:
    """Each worker runs `streamscout run NAME`, is probed, reads the addresses, and runs without privileges."""
    objects = rendered(helm)
    found = {
        name.removeprefix("prod-streamscout-"): spec for (kind, name), spec in objects.items() if kind == "Deployment"
    }
    assert set(found) == WORKERS
    for worker, deployment in found.items():
        pod = deployment["spec"]["template"]
        container = pod["spec"]["containers"][0]
        assert container["args"] == ["run", worker]
        assert container["envFrom"][0]["configMapRef"]["name"] == "prod-streamscout-settings"
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["metadata"]["annotations"]["prometheus.io/path"] == "/metrics"
        assert deployment["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_the_api_alone_is_given_the_keys_and_never_runs_without(helm: Helm) -> None:
    """Without keys and with nothing open nobody could use it: the chart says so."""
    for (kind, name), found in rendered(helm).items():
        if kind == "Deployment":
            pod = found["spec"]["template"]["spec"]
            mounted = {row["name"]: row["mountPath"] for row in pod["containers"][0]["volumeMounts"]}
            assert mounted.get("keys") == ("/keys" if name.endswith("-match") else None)
    done = helm(*TEMPLATE, *given(api__keysSecret=""))
    assert done.returncode != 0
    assert "api.keysSecret" in done.stderr
    assert helm(*TEMPLATE, *given(api__keysSecret="", api__anonymous="search")).returncode == 0


def test_what_lets_the_workers_in_is_mounted_from_a_secret(helm: Helm) -> None:
    """Every worker reads the files that settings name; no secret is in the environment or in the chart."""
    files = {"KAFKA_CA_FILE": "ca.crt", "KAFKA_SASL_PASSWORD_FILE": "password", "WEAVIATE_API_KEY_FILE": "key"}
    chosen = [
        f"--set-string=connection.files.{name}={file.replace('.', chr(92) + '.')}" for name, file in files.items()
    ]
    for (kind, _), found in rendered(helm, "--set", "connection.secret=kafka-user", *chosen).items():
        if kind == "Deployment":
            pod = found["spec"]["template"]["spec"]
            environment = {row["name"]: row["value"] for row in pod["containers"][0]["env"]}
            assert {f"STREAMSCOUT_{name}": f"/connection/{file}" for name, file in files.items()}.items() <= (
                environment.items()
            )
            assert {name.lower() for name in files} <= set(Settings.model_fields)
            assert {"name": "connection", "mountPath": "/connection", "readOnly": True} in (
                pod["containers"][0]["volumeMounts"]
            )
            (volume,) = [each for each in pod["volumes"] if each["name"] == "connection"]
            assert volume["secret"]["secretName"] == "kafka-user"


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [
        ("connection.files.KAFKA_CA_FILE=ca", "connection.secret"),
        ("connection.files.KAFKA_SASL_PASSWORD=hunter2", "KAFKA_SASL_PASSWORD"),
    ],
)
def test_a_secret_that_is_not_named_or_stands_in_the_values_is_refused(helm: Helm, chosen: str, complaint: str) -> None:
    """Only files can be named, and only of a Secret."""
    done = helm(*TEMPLATE, *given(), "--set-string", chosen)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_every_setting_of_the_chart_is_one_that_the_workers_read(helm: Helm) -> None:
    """A misspelt setting would stop every worker's start: none is rendered."""
    names: set[str] = set()
    for (kind, _), found in rendered(helm).items():
        if kind == "ConfigMap":
            names |= set(found["data"])
        if kind == "Deployment":
            names |= {row["name"] for row in found["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert {name.removeprefix("STREAMSCOUT_").lower() for name in names} <= set(Settings.model_fields)
    assert {"STREAMSCOUT_KAFKA_BOOTSTRAP", "STREAMSCOUT_TRITON_URL", "STREAMSCOUT_WEAVIATE_GRPC"} <= names


def test_only_the_api_has_a_service(helm: Helm) -> None:
    """The API's service selects its pods; the workers have none."""
    services = {name: found for (kind, name), found in rendered(helm).items() if kind == "Service"}
    assert set(services) == {"prod-streamscout-match"}
    assert services["prod-streamscout-match"]["spec"]["selector"]["app.kubernetes.io/component"] == "match"


def test_a_worker_can_be_scaled_and_set_by_values(helm: Helm) -> None:
    """Replicas and settings of one worker are values."""
    objects = rendered(
        helm, "--set", "workers.embedder.replicas=5", "--set-string", "workers.embedder.settings.BATCH_SIZE=64"
    )
    embedder = objects["Deployment", "prod-streamscout-embedder"]["spec"]
    assert embedder["replicas"] == 5
    assert {"name": "STREAMSCOUT_BATCH_SIZE", "value": "64"} in embedder["template"]["spec"]["containers"][0]["env"]


def test_an_address_that_is_missing_is_asked_for_by_name(helm: Helm) -> None:
    """Without Kafka's address nothing is rendered, and the message says which value to give."""
    done = helm(*TEMPLATE, *given(servers__kafkaBootstrap=""))
    assert done.returncode != 0
    assert "servers.kafkaBootstrap" in done.stderr


def test_a_worker_that_does_not_exist_is_refused(helm: Helm) -> None:
    """The values' schema knows the workers."""
    done = helm(*TEMPLATE, *given(), "--set", "workers.embeder.replicas=1")
    assert done.returncode != 0
    assert "embeder" in done.stderr
