"""What connections show and what they trust: one place that turns settings into the clients' own options.

Secrets leave the settings only here and in the adapters that call this.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from workers.config import Settings, SettingsError


def kafka(settings: Settings) -> dict[str, Any]:
    """librdkafka's properties of every client: where Kafka is, and how one is let in. Raises SettingsError."""
    settings.required("kafka_bootstrap")
    properties: dict[str, Any] = {"bootstrap.servers": settings.kafka_bootstrap}
    if settings.kafka_security == "PLAINTEXT":
        return properties
    properties["security.protocol"] = settings.kafka_security
    if settings.kafka_security.startswith("SASL"):
        properties["sasl.mechanism"] = settings.kafka_sasl_mechanism
        properties["sasl.username"] = settings.kafka_sasl_username
        properties["sasl.password"] = secret(settings, "kafka_sasl_password")
    if settings.kafka_security.endswith("SSL"):
        for name, option in (
            ("kafka_ca_file", "ssl.ca.location"),
            ("kafka_certificate_file", "ssl.certificate.location"),
            ("kafka_key_file", "ssl.key.location"),
        ):
            if path := readable(settings, name):
                properties[option] = str(path)
        if password := secret(settings, "kafka_key_password"):
            properties["ssl.key.password"] = password
    return properties


def kafka_tls(settings: Settings) -> ssl.SSLContext | None:
    """The same for a client that takes Python's contexts; None where Kafka is spoken to in clear. SettingsError."""
    if not settings.kafka_security.endswith("SSL"):
        return None
    context = trusting(settings, "kafka_ca_file")
    if certificate := readable(settings, "kafka_certificate_file"):
        password = secret(settings, "kafka_key_password")
        try:
            # An empty password, and never None: OpenSSL would ask for it at the terminal.
            context.load_cert_chain(certificate, readable(settings, "kafka_key_file"), password or "")
        except (ssl.SSLError, OSError) as error:
            raise SettingsError(f"STREAMSCOUT_KAFKA_KEY_FILE: {settings.kafka_key_file}: {error}") from error
    return context


def trusting(settings: Settings, name: str) -> ssl.SSLContext:
    """A context that verifies servers by the authorities of the file in setting ``name``, else by the system's."""
    path = readable(settings, name)
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise SettingsError(f"STREAMSCOUT_{name.upper()}: {path} holds no certificate: {error.reason}") from error


def registry(settings: Settings) -> dict[str, Any]:
    """The registry client's options beside its address."""
    options: dict[str, Any] = {}
    if (user := registry_login(settings)) is not None:
        options["basic.auth.user.info"] = ":".join(user)
    if path := readable(settings, "schema_registry_ca_file"):
        options["ssl.ca.location"] = str(path)
    return options


def registry_login(settings: Settings) -> tuple[str, str] | None:
    """User and password at the schema registry, where there are any."""
    if settings.schema_registry_username is None:
        return None
    return settings.schema_registry_username, secret(settings, "schema_registry_password") or ""


def secret(settings: Settings, name: str) -> str | None:
    """A secret in clear."""
    found = getattr(settings, name)
    return None if found is None else str(found.get_secret_value())


def readable(settings: Settings, name: str) -> Path | None:
    """The file of a setting, which can be read. Raises SettingsError."""
    path: Path | None = getattr(settings, name)
    if path is not None:
        try:
            path.open("rb").close()
        except OSError as error:
            raise SettingsError(f"STREAMSCOUT_{name.upper()}: {path}: {error.strerror}") from error
    return path
