"""What the doctor thinks of what it finds: level, exit code, and one sentence that says what to do."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from workers.adapters.weaviate.schema import load_collections
from workers.config import REPOSITORY, Settings
from workers.doctor import configuration, fleet, kafka, machine, servers
from workers.doctor.checks import run_checks
from workers.doctor.findings import Finding, doubtful, exit_code, fine, wrong
from workers.domain.model_card import load_model_card, note_check
from workers.domain.topics import load_topics

GOOD = machine.Machine(
    python=(3, 11),
    cores=4,
    memory=8 * machine.GIB,
    disks={"/data": 50 * machine.GIB},
    files=65_536,
    go=(1, 25),
    java="/usr/bin/java",
    maven="/usr/bin/mvn",
    package="0.1.0",
)
ERASURE_KEY = "planted, and long enough"
TOPICS = load_topics(REPOSITORY / "schemas" / "topics.yaml")
PARTITIONS = {f"n.{topic.name}": topic.partitions for topic in TOPICS}
CONFIGS = {f"n.{topic.name}": dict(topic.config) for topic in TOPICS}


def bad(findings: object) -> list[Finding]:
    """What is not ok; each of it says what to do."""
    found = [each for each in findings if each.level != "ok"]  # type: ignore[attr-defined]
    assert all(each.do for each in found)
    return found


def test_the_exit_code_is_of_the_gravest_error() -> None:
    """Settings before servers before the rest; warnings count for nothing."""
    settings, server, other = (wrong("x", "y", "z", code) for code in (2, 3, 1))
    warning = doubtful("x", "y", "z")
    assert exit_code([fine("x", "y"), warning]) == 0
    assert exit_code([warning, other]) == 1
    assert exit_code([other, server]) == 3
    assert exit_code([server, other, settings]) == 2


def test_a_check_that_hangs_or_fails_is_a_finding_and_holds_up_nobody() -> None:
    """The others' findings come, in the order of the checks."""
    never = threading.Event()

    def hangs() -> list[Finding]:
        never.wait()
        return []

    def fails() -> list[Finding]:
        raise RuntimeError("unforeseen")

    ended: list[str] = []
    checks = {"one": hangs, "two": fails, "three": lambda: [fine("three", "there")]}
    found = run_checks(checks, 0.5, ended.append)
    never.set()
    assert [(each.check, each.level) for each in found] == [("one", "error"), ("two", "error"), ("three", "ok")]
    assert "no answer within" in found[0].what
    assert "unforeseen" in found[1].what
    assert sorted(ended) == ["three", "two"]


def test_a_good_machine_has_nothing_to_mend() -> None:
    """With what `up` builds the servers with."""
    assert bad(machine.judge(GOOD, Settings())) == []


@pytest.mark.parametrize(
    ("change", "level", "what"),
    [
        ({"python": (3, 12)}, "error", "Python 3.12"),
        ({"cores": 1}, "warning", "one core"),
        ({"memory": 2 * machine.GIB}, "warning", "memory: 2.0 GiB"),
        ({"memory": machine.GIB // 2}, "error", "memory: 0.5 GiB"),
        ({"memory": None}, "warning", "memory: unknown"),
        ({"disks": {"/data": 100}}, "error", "disk at /data"),
        ({"files": 256}, "warning", "256 open files"),
        ({"go": None}, "warning", "no Go"),
        ({"go": (1, 20)}, "warning", "Go 1.20"),
        ({"java": None}, "warning", "no Java"),
        ({"maven": None}, "warning", "no Maven"),
    ],
)
def test_what_a_machine_lacks_is_told(change: dict[str, object], level: str, what: str) -> None:
    """One finding for each."""
    (found,) = bad(machine.judge(replace(GOOD, **change), Settings()))  # type: ignore[arg-type]
    assert found.level == level
    assert what in found.what


def test_what_builds_servers_is_not_asked_for_where_servers_are_given() -> None:
    """Somebody else's Kafka needs no Maven here."""
    given = Settings(kafka_bootstrap="a:1", schema_registry_url="http://b", weaviate_url="http://c")
    assert bad(machine.judge(replace(GOOD, go=None, java=None, maven=None), given)) == []


def test_each_refused_setting_is_a_finding_and_a_misspelt_one_gets_its_name() -> None:
    """With the exit code of settings."""
    found = configuration.judge_refusal("STREAMSCOUT_BATCH_SIZE: too large; STREAMSCOUT_LOG_LEVEL: a; b")
    assert [each.what for each in found] == ["STREAMSCOUT_BATCH_SIZE: too large", "STREAMSCOUT_LOG_LEVEL: a; b"]
    (unknown,) = configuration.judge_refusal("unknown settings: STREAMSCOUT_GRUOP_PROTOCOL")
    assert "STREAMSCOUT_GROUP_PROTOCOL" in unknown.do
    assert exit_code([*found, unknown]) == 2


@pytest.mark.parametrize(
    ("given", "level", "what"),
    [
        ({"group_assignor": "cooperative-sticky"}, "error", "STREAMSCOUT_GROUP_ASSIGNOR"),
        ({"session_timeout_ms": 2000}, "warning", "STREAMSCOUT_SESSION_TIMEOUT_MS=2000"),
        ({"shutdown_seconds": 1.0}, "warning", "STREAMSCOUT_SHUTDOWN_SECONDS"),
        ({"kafka_security": "SASL_PLAINTEXT", "kafka_bootstrap": "kafka:9092"}, "warning", "SASL_PLAINTEXT"),
        ({"weaviate_url": "http://weaviate:8080", "weaviate_api_key": "planted"}, "warning", "WEAVIATE_API_KEY"),
        ({"api_anonymous": "everything", "api_host": "0.0.0.0"}, "warning", "STREAMSCOUT_API_ANONYMOUS"),
        ({"api_keys_file": "/nowhere/keys"}, "error", "STREAMSCOUT_API_KEYS_FILE"),
        ({"erasure_key": None}, "warning", "no erasure key"),
        ({"erasure_key": None, "erasure_key_file": "/nowhere/key"}, "error", "STREAMSCOUT_ERASURE_KEY_FILE"),
        ({"erasure_key": "planted"}, "error", "STREAMSCOUT_ERASURE_KEY: a key of 7 bytes"),
    ],
)
def test_settings_that_are_doubtful_together_are_told(
    given: dict[str, object], level: str, what: str, tmp_path: Path
) -> None:
    """And no secret with them."""
    all_given = {"erasure_key": ERASURE_KEY, "data_dir": tmp_path, **given}
    (found,) = bad(configuration.judge(Settings(**all_given)))  # type: ignore[arg-type]
    assert found.level == level
    assert what in found.what
    assert "planted" not in str(found)


def test_secrets_on_the_loopback_and_over_tls_are_fine() -> None:
    """The network is this machine, or cannot read."""
    local = Settings(
        kafka_security="SASL_PLAINTEXT",
        kafka_bootstrap="127.0.0.1:9092,localhost:9093",
        weaviate_url="https://weaviate",
        weaviate_api_key="planted",  # type: ignore[arg-type]
        api_anonymous="everything",
        erasure_key=ERASURE_KEY,  # type: ignore[arg-type]
    )
    assert bad(configuration.judge(local)) == []


def test_topics_as_listed_are_one_good_finding() -> None:
    """By their full names."""
    (found,) = kafka.judge_topics("n", TOPICS, PARTITIONS, CONFIGS)
    assert found.level == "ok"


def test_each_topic_that_is_missing_or_different_is_told() -> None:
    """A wrong number of partitions cannot be altered in place; a configuration can."""
    partitions = {name: count for name, count in PARTITIONS.items() if name != "n.posts"} | {"n.creators": 7}
    configs = {**CONFIGS, "n.signals": {**CONFIGS["n.signals"], "cleanup.policy": "delete"}}
    found = {each.what.split(":")[0]: each for each in kafka.judge_topics("n", TOPICS, partitions, configs)}
    assert found.keys() == {"n.posts", "n.creators", "n.signals"}
    missing, fewer, policy = (found[name] for name in ("n.posts", "n.creators", "n.signals"))
    assert (missing.what, missing.do.split(",")[0]) == ("n.posts: missing", "run `streamscout up`")
    assert "7 partitions" in fewer.what
    assert "delete the topic" in fewer.do
    assert "cleanup.policy=delete" in policy.what
    assert "alter" in policy.do


def test_versions_models_and_clocks_are_compared() -> None:
    """With the tested version, the card's model, and a server's time."""
    assert servers.judge_version("weaviate", "1.35.2", "1.35.2").level == "ok"
    assert servers.judge_version("weaviate", None, "1.35.2").level == "warning"
    assert servers.judge_model("clip_image", "a", "a").level == "ok"
    assert servers.judge_model("clip_image", "", "a").level == "error"
    date = "Tue, 24 Nov 2026 09:00:00 GMT"
    assert servers.judge_clock(1_795_510_802.0, date).level == "ok"
    assert "60 s ahead" in servers.judge_clock(1_795_510_860.0, date).what
    assert servers.judge_clock(0.0, None).level == "warning"


def test_a_model_that_failed_its_last_check_is_told(tmp_path: Path) -> None:
    """It may be served still, by what started before."""
    assert servers.judge_last_check(tmp_path, "m_1") == []
    note_check(tmp_path, "m_1", ["pictures: 0.9"])
    (found,) = servers.judge_last_check(tmp_path, "m_1")
    assert (found.level, "pictures: 0.9" in found.what) == ("error", True)
    assert servers.judge_last_check(tmp_path, "m_2") == []


def test_an_index_without_collections_says_each() -> None:
    """And each alias; one of another model is told with both models."""
    card = load_model_card(REPOSITORY / "triton_models")
    settings = Settings(namespace="n")
    found = servers.judge_index(settings, card, {}, {"N_Facet": "N_Facet_old"})
    assert len(bad(found)) == 2 * len(load_collections(settings.schemas_dir).collections)
    assert [each.what for each in found if "points at N_Facet_old" in each.what]


@pytest.mark.parametrize(
    ("live", "ready", "lag", "level"),
    [(True, True, 5, "ok"), (True, True, 50_000, "warning"), (True, False, 0, "warning"), (False, False, 0, "error")],
)
def test_a_worker_is_judged_by_its_probes_and_its_lag(live: bool, ready: bool, lag: float, level: str) -> None:
    """With its name and process."""
    found = fleet.judge("embedder", 7, live, ready, lag)
    assert found.level == level
    assert "embedder (pid 7)" in found.what
    assert bool(found.do) is (level != "ok")
