"""The clients' own options from our settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.adapters import security
from workers.config import Settings, SettingsError


def test_kafka_in_clear_needs_an_address_alone() -> None:
    """And without one it is asked for by name."""
    assert security.kafka(Settings(kafka_bootstrap="a:1")) == {"bootstrap.servers": "a:1"}
    with pytest.raises(SettingsError, match="STREAMSCOUT_KAFKA_BOOTSTRAP"):
        security.kafka(Settings())


def test_kafka_by_sasl_and_tls(tmp_path: Path) -> None:
    """librdkafka's names for all of it."""
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    settings = Settings(
        kafka_bootstrap="a:1",
        kafka_security="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-256",
        kafka_sasl_username="embedder",
        kafka_sasl_password="planted",
        kafka_ca_file=ca,
    )
    assert security.kafka(settings) == {
        "bootstrap.servers": "a:1",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "embedder",
        "sasl.password": "planted",
        "ssl.ca.location": str(ca),
    }


@pytest.mark.parametrize("make", [security.kafka, security.kafka_tls])
def test_a_file_that_cannot_be_read_is_named(make: object, tmp_path: Path) -> None:
    """Before a client is made: its own error would be of a connection."""
    settings = Settings(kafka_bootstrap="a:1", kafka_security="SSL", kafka_ca_file=tmp_path / "gone.pem")
    with pytest.raises(SettingsError, match=r"STREAMSCOUT_KAFKA_CA_FILE: .*gone.pem: No such file"):
        make(settings)  # type: ignore[operator]


def test_a_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    """TLS that trusts nobody would fail at each connection instead."""
    path = tmp_path / "ca.pem"
    path.write_text("not a certificate")
    with pytest.raises(SettingsError, match=r"STREAMSCOUT_TRITON_CA_FILE: .*ca.pem holds no certificate"):
        security.trusting(Settings(triton_ca_file=path), "triton_ca_file")


def test_the_registry_gets_its_login() -> None:
    """Both for Confluent's client and for plain HTTP."""
    settings = Settings(schema_registry_username="me", schema_registry_password="planted")
    assert security.registry(settings) == {"basic.auth.user.info": "me:planted"}
    assert security.registry_login(settings) == ("me", "planted")
    assert security.registry(Settings()) == {}
