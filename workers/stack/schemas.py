"""Registers the Avro schemas of ``schemas/`` under their record names, each backward compatible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from workers.adapters import security
from workers.config import Settings
from workers.stack.errors import ServerUnavailableError, SetupError

COMPATIBILITY = "BACKWARD"
_TYPE = {"Content-Type": "application/vnd.schemaregistry.v1+json"}


def subject_of(schema: dict[str, Any]) -> str:
    """The full name of an Avro record: its namespace and name."""
    name: str = schema["name"]
    namespace = schema.get("namespace")
    return f"{namespace}.{name}" if namespace and "." not in name else name


def read_schemas(folder: Path) -> dict[str, list[str]]:
    """Schema texts by subject, earlier versions first (``<event>.v1.avsc``, ``<event>.v2.avsc``)."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.avsc"), key=lambda path: (len(path.name), path.name)):
        try:
            found.setdefault(subject_of(json.loads(path.read_text())), []).append(path.read_text())
        except (ValueError, KeyError) as error:
            raise SetupError(f"{path} is not an Avro record: {error}") from error
    return found


def register_schemas(settings: Settings) -> str:
    """Register every schema; the count, in words. Raises SetupError naming a subject that refuses one."""
    schemas = read_schemas(settings.schemas_dir)
    address = (settings.schema_registry_url or "").rstrip("/")
    try:
        login, trust = security.registry_login(settings), security.trusting(settings, "schema_registry_ca_file")
        with httpx.Client(base_url=address, headers=_TYPE, timeout=30, auth=login, verify=trust) as client:
            for subject, texts in schemas.items():
                _register(client, subject, texts)
    except httpx.HTTPError as error:
        raise ServerUnavailableError(f"the schema registry at {address} does not answer: {error}") from error
    return f"{len(schemas)} schemas registered"


def _register(client: httpx.Client, subject: str, texts: list[str]) -> None:
    for text in texts:
        answer = client.post(f"/subjects/{subject}/versions", json={"schema": text})
        if answer.is_error:
            raise SetupError(f"the schema registry refuses {subject} ({answer.status_code}): {answer.text[:500]}")
        # After the first version: Apicurio knows no rules of a subject that does not exist yet.
        rule = client.put(f"/config/{subject}", json={"compatibility": COMPATIBILITY})
        if rule.is_error:
            raise SetupError(f"the schema registry refuses the rule of {subject}: {rule.text[:500]}")
