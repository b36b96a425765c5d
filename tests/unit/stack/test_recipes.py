"""Each server's own settings."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from workers.config import REPOSITORY, SERVERS_INHERIT, Settings, SettingsError, server_environment
from workers.domain.model_card import CARD_FILE, load_model_card, note_check
from workers.stack import versions
from workers.stack.errors import ServerUnavailableError
from workers.stack.kafka import Kafka, pom, properties
from workers.stack.launcher import RECIPES
from workers.stack.triton import REQUIREMENTS, Triton, folder, refuse_what_cannot_be_served, shared_memory_prefix
from workers.stack.triton import environment as triton_environment
from workers.stack.weaviate import Weaviate, bound_to_loopback, environment

GIVEN = Settings(
    kafka_bootstrap="a:1", schema_registry_url="http://b", weaviate_url="http://c:8080", triton_url="http://d:8000"
)


def test_the_pom_pins_kafka() -> None:
    """Well-formed, and every dependency has a version."""
    spaces = {"m": "http://maven.apache.org/POM/4.0.0"}
    found = ElementTree.fromstring(pom()).findall(".//m:dependency", spaces)
    pinned = {d.findtext("m:artifactId", "", spaces): d.findtext("m:version", "", spaces) for d in found}
    assert pinned["kafka_2.13"] == pinned["kafka-tools"] == versions.KAFKA
    assert all(pinned.values())


def test_kafka_listens_on_the_loopback_and_makes_no_topic_by_itself() -> None:
    """A typing error in a topic's name must not become a topic."""
    config = properties(Path("/data"), {"broker": 1, "controller": 2})
    assert config["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
    assert config["auto.create.topics.enable"] == "false"


def test_sessions_under_kip_848_are_short_enough_for_tests() -> None:
    """The broker's defaults are 45 s."""
    config = properties(Path("/data"), {"broker": 1, "controller": 2})
    assert config["group.consumer.session.timeout.ms"] == "10000"
    assert config["group.consumer.min.session.timeout.ms"] == "6000"
    assert int(config["group.consumer.heartbeat.interval.ms"]) < 6000 / 2


def test_weaviate_sends_nothing_home_and_profiles_for_nobody() -> None:
    """Telemetry off, and the profiler, which would listen on every interface."""
    found = environment(Path("/data"), dict.fromkeys(Weaviate().ports, 1))
    assert found["DISABLE_TELEMETRY"] == found["GO_PROFILING_DISABLE"] == "true"
    assert found["AUTOSCHEMA_ENABLED"] == "false"


def test_weaviates_ports_are_bound_to_the_loopback_in_its_source() -> None:
    """The one address of a file is replaced."""
    assert bound_to_loopback("x.go", 'Listen("tcp", fmt.Sprintf(":%d", port))').count("127.0.0.1:%d") == 1


@pytest.mark.parametrize("text", ["", 'a(":%d") b(":%d")'])
def test_a_source_that_changed_is_not_built(text: str) -> None:
    """A new version is looked at by a person before it may listen."""
    with pytest.raises(ServerUnavailableError, match=r"serve\.go"):
        bound_to_loopback("serve.go", text)


def test_two_stacks_share_no_memory() -> None:
    """Triton's regions in /dev/shm are named by the data folder."""
    assert shared_memory_prefix(Path("/a")) != shared_memory_prefix(Path("/b"))


def test_tritons_python_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first on its PATH, where no other environment's is; nothing of ours, no option of a shell's."""
    monkeypatch.setenv("PATH", "/home/ann/.venv/bin:/usr/bin")
    monkeypatch.setenv("STREAMSCOUT_API_KEY", "planted")
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD"):
        monkeypatch.setenv(name, "planted")
    found = triton_environment(Path("/cache/triton"))
    assert found["PATH"].split(":")[0] == "/cache/triton/bin"
    assert ".venv" not in found["PATH"]
    assert found["STREAMSCOUT_TRITON_SITE"].startswith("/cache/triton/lib/python3")
    assert "planted" not in found.values()


def test_a_server_gets_what_no_server_takes_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell's JAVA_TOOL_OPTIONS are for other programs; who one is, and where programs are, is for all."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    monkeypatch.setenv("STREAMSCOUT_WEAVIATE_API_KEY", "planted")
    monkeypatch.setenv("HOME", "/home/ann")
    found = server_environment(GRPC_PORT="1")
    assert (found["HOME"], found["PATH"], found["GRPC_PORT"]) == ("/home/ann", os.environ["PATH"], "1")
    assert set(found) <= {*SERVERS_INHERIT, "GRPC_PORT"}


def test_other_packages_beside_triton_are_another_environment() -> None:
    """A pin that changes does not reuse the old one."""
    assert folder("numpy==1") != folder("numpy==2")
    assert versions.PYTRITON in folder("")


def test_every_package_beside_triton_is_pinned() -> None:
    """The same environment on every machine."""
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert all("==" in line for line in lines)


def test_a_weaviate_given_without_grpc_is_asked_at_its_standard_port() -> None:
    """The same host, 50051."""
    assert Weaviate().given(GIVEN)["weaviate_grpc"] == "c:50051"


def test_another_model_is_another_triton(tmp_path: Path) -> None:
    """A running one would go on with the old model: `up` replaces it."""
    settings = Settings(model_repository=tmp_path)
    found = [Triton().fingerprint(settings)]
    for card in ("one", "two"):
        (tmp_path / CARD_FILE).write_text(card)
        found.append(Triton().fingerprint(settings))
    assert len(set(found)) == 3


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_address_has_the_name_of_a_setting(recipe: Weaviate) -> None:
    """What `up` writes is what the settings read, and what they may give."""
    addresses = recipe.addresses(dict.fromkeys(recipe.ports, 1))
    assert set(addresses) <= set(Settings.model_fields)
    assert set(recipe.given(GIVEN)) == set(addresses)
    assert recipe.given(GIVEN.model_copy(update=dict.fromkeys(addresses))) == {}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_server_that_is_not_there_is_not_ready(recipe: Weaviate) -> None:
    """An answer, not an error."""
    assert recipe.ready(recipe.addresses(dict.fromkeys(recipe.ports, 1)), Settings()) is False


def test_the_local_kafka_is_not_started_for_settings_of_another() -> None:
    """SASL without an address: it would be started in clear, and never be reached."""
    assert Kafka().fingerprint(Settings())
    with pytest.raises(SettingsError, match=r"STREAMSCOUT_KAFKA_SECURITY: SASL_SSL .*STREAMSCOUT_KAFKA_BOOTSTRAP"):
        Kafka().fingerprint(Settings(kafka_security="SASL_SSL", kafka_sasl_username="u"))


def lay_bundled(folder: Path) -> None:
    """The bundled model: its card, and links to its files."""
    bundled = REPOSITORY / "triton_models"
    (folder / CARD_FILE).write_bytes((bundled / CARD_FILE).read_bytes())
    for file in load_model_card(bundled).checksums:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).symlink_to(bundled / file)


def test_a_model_that_failed_its_check_is_not_started(tmp_path: Path) -> None:
    """What it stores would be wrong for good; a repository without a card is the workers' to refuse."""
    refuse_what_cannot_be_served(tmp_path)
    lay_bundled(tmp_path)
    refuse_what_cannot_be_served(tmp_path)
    note_check(tmp_path, load_model_card(tmp_path).model_version, ["texts: at the model: 0.9 where 0.9999 is wanted"])
    with pytest.raises(ServerUnavailableError, match=r"failed `streamscout model check` \(texts: at the model: 0\.9"):
        refuse_what_cannot_be_served(tmp_path)


def test_other_weights_than_the_cards_are_not_started(tmp_path: Path) -> None:
    """Half copied, or swapped: their vectors would be stored under the card's version. A configuration may be tuned."""
    lay_bundled(tmp_path)
    for file, content in (("clip_image/config.pbtxt", "tuned"), ("clip_text/1/model.py", "tuned")):
        (tmp_path / file).unlink()
        (tmp_path / file).write_text(content)
    refuse_what_cannot_be_served(tmp_path)
    weights = tmp_path / "clip_image" / "1" / "model.onnx"
    weights.unlink()
    weights.write_bytes(b"half")
    with pytest.raises(ServerUnavailableError, match=r"^clip_image/1/model\.onnx in .*: missing, or not what the card"):
        refuse_what_cannot_be_served(tmp_path)


def test_a_model_built_for_a_gpu_is_not_started_here(tmp_path: Path) -> None:
    """The Triton of `up` has no TensorRT and no torch."""
    card = load_model_card(REPOSITORY / "triton_models")
    assert card.served_as is not None
    for_a_gpu = card.model_copy(update={"served_as": card.served_as.model_copy(update={"target": "gpu"})})
    (tmp_path / CARD_FILE).write_text(for_a_gpu.model_dump_json())
    with pytest.raises(ServerUnavailableError, match="built for a GPU: serve it in Triton's own container"):
        refuse_what_cannot_be_served(tmp_path)


def test_a_server_that_runs_on_a_model_which_failed_since_is_not_kept(tmp_path: Path) -> None:
    """Its fingerprint is another: `up` stops it, and refuses to start it again."""
    settings = Settings(model_repository=tmp_path)
    before = Triton().fingerprint(settings)
    note_check(tmp_path, "m_1", ["texts: 0.9"])
    assert Triton().fingerprint(settings) != before
    note_check(tmp_path, "m_1", [])
    assert Triton().fingerprint(settings) == before
