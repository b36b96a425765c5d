"""Settings that let in: read from files, checked against each other, never shown."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path

import pytest
from pydantic import SecretStr

from workers.config import (
    LOOPBACK_HOSTS,
    SECRETS,
    Settings,
    SettingsError,
    child_environment,
    contradictions,
    load_settings,
    spare_the_loopback,
)

SASL = {"kafka_security": "SASL_SSL", "kafka_sasl_username": "embedder", "kafka_sasl_password": "planted-1"}


def test_a_secret_lies_in_a_file(tmp_path: Path) -> None:
    """What a mount of Kubernetes holds, without the line's end."""
    (tmp_path / "password").write_text("planted-2\n")
    found = load_settings(
        **{**SASL, "kafka_sasl_password": None},
        kafka_sasl_password_file=tmp_path / "password",
        data_dir=tmp_path,
    )
    assert found.kafka_sasl_password == SecretStr("planted-2")


@pytest.mark.parametrize("name", [*SECRETS, "erasure_key"])
def test_a_secret_in_a_setting_and_in_a_file_is_refused(name: str, tmp_path: Path) -> None:
    """Which of them counts would be a guess."""
    both = Settings(**{name: "planted", f"{name}_file": tmp_path / "secret"})  # type: ignore[arg-type]
    assert any(line.startswith(f"STREAMSCOUT_{name.upper()}: set, and its _FILE too") for line in contradictions(both))


@pytest.mark.parametrize(("content", "complaint"), [(None, "No such file"), ("\n", "is empty")])
def test_a_secrets_file_that_is_gone_or_empty_stops_the_start(
    content: str | None, complaint: str, tmp_path: Path
) -> None:
    """With the setting's name and the file's."""
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=f"STREAMSCOUT_WEAVIATE_API_KEY_FILE: .*key.*{complaint}"):
        load_settings(weaviate_api_key_file=path, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"kafka_security": "SASL_SSL"}, "STREAMSCOUT_KAFKA_SASL_USERNAME: needed with"),
        ({"kafka_sasl_password": "planted"}, "STREAMSCOUT_KAFKA_SASL_PASSWORD: of no use with"),
        ({"kafka_ca_file": "/ca.pem"}, "STREAMSCOUT_KAFKA_CA_FILE: of no use with"),
        (
            {"kafka_security": "SSL", "kafka_key_file": "/key"},
            "_CERTIFICATE_FILE and .*KEY_FILE: both",
        ),
        ({"schema_registry_username": "me"}, "STREAMSCOUT_SCHEMA_REGISTRY_USERNAME and .*_PASSWORD: both or neither"),
        ({"schema_registry_url": "http://me:planted@host"}, "STREAMSCOUT_SCHEMA_REGISTRY_URL: .*no user or password"),
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(
    given: dict[str, str], complaint: str, tmp_path: Path
) -> None:
    """Nobody shall believe in protection that is not there; the message shows no value."""
    with pytest.raises(SettingsError, match=complaint) as refused:
        load_settings(data_dir=tmp_path, **given)
    assert "planted" not in str(refused.value)


def test_secrets_are_stars_wherever_settings_are_printed() -> None:
    """``masked``, ``repr`` and JSON: of every field that is a secret."""
    names = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    assert set(SECRETS) <= set(names)
    settings = Settings(**{name: f"planted-{name}" for name in names})  # type: ignore[arg-type]
    for text in (json.dumps(settings.masked()), repr(settings), str(settings), settings.model_dump_json()):
        assert "planted" not in text


def test_a_child_reads_a_secrets_file_itself(tmp_path: Path) -> None:
    """Its environment names the file and does not hold the secret."""
    (tmp_path / "key").write_text("planted")
    settings = load_settings(weaviate_api_key_file=tmp_path / "key", data_dir=tmp_path)
    environment = child_environment(settings)
    assert environment["STREAMSCOUT_WEAVIATE_API_KEY_FILE"] == str(tmp_path / "key")
    assert "planted" not in environment.values()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, LOOPBACK_HOSTS),
        ({"NO_PROXY": "corp.example"}, f"corp.example,{LOOPBACK_HOSTS}"),
        ({"no_proxy": "a.example", "NO_PROXY": "b.example"}, f"a.example,{LOOPBACK_HOSTS}"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_no_proxy_is_asked_for_this_machine(
    given: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP and gRPC clients would ask it for the local servers; what a person excludes stays excluded."""
    for name in ("no_proxy", "NO_PROXY"):
        # Set first, so that what is written here is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    spare_the_loopback()
    assert wanted in {os.environ.get("no_proxy"), os.environ.get("NO_PROXY")}
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert urllib.request.proxy_bypass("127.0.0.1")
