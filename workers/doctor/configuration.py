"""The settings: what is wrong by name, and what is right alone and wrong together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from workers.config import Settings, SettingsError
from workers.doctor.findings import USAGE, Finding, doubtful, fine, wrong
from workers.domain.erasure import ErasureKey
from workers.match.keys import KeyFileError, read_keys

CHECK = "settings"


def judge_refusal(message: str) -> Sequence[Finding]:
    """A finding for each setting that ``load_settings`` refused, with a likely name for one that does not exist."""
    if message.startswith("unknown settings: "):
        return [_unknown(name) for name in message.removeprefix("unknown settings: ").split(", ")]
    lines = re.split(r"; (?=STREAMSCOUT_)", message)
    do = "correct it: docs/operations.md lists every setting with its default and meaning"
    return [wrong(CHECK, line, do, USAGE) for line in lines]


def judge(settings: Settings) -> Sequence[Finding]:
    """What the settings say together."""
    found = [*_groups(settings), *_security(settings), *_erasure(settings), *_keys(settings)]
    return found or [fine(CHECK, "each is right, and none contradicts another")]


def _unknown(name: str) -> Finding:
    known = [f"STREAMSCOUT_{each.upper()}" for each in Settings.model_fields]
    near = difflib.get_close_matches(name, known, 1)
    do = f"rename it to {near[0]} or remove it" if near else "remove it"
    return wrong(CHECK, f"{name} is no setting", do, USAGE)


def _groups(settings: Settings) -> Sequence[Finding]:
    found = []
    if settings.group_protocol == "classic" and settings.group_assignor != "range":
        what = f"STREAMSCOUT_GROUP_ASSIGNOR={settings.group_assignor}: no worker starts with it"
        do = "set range, or STREAMSCOUT_GROUP_PROTOCOL=consumer to move only what must move"
        found.append(wrong(CHECK, what, do, USAGE))
    if settings.session_timeout_ms < 6000:
        what = (
            f"STREAMSCOUT_SESSION_TIMEOUT_MS={settings.session_timeout_ms}: a short pause of the machine ends a session"
        )
        found.append(doubtful(CHECK, what, "set 6000 or more, Kafka's own least"))
    if settings.shutdown_seconds * 1000 < settings.session_timeout_ms / 2:
        what = "STREAMSCOUT_SHUTDOWN_SECONDS is shorter than a lease: work in flight is dropped and done again"
        found.append(doubtful(CHECK, what, "set it to half of the session timeout or more"))
    return found


def _security(settings: Settings) -> Sequence[Finding]:
    found = []
    if settings.kafka_security == "SASL_PLAINTEXT" and not _all_loopback(settings.kafka_bootstrap or ""):
        what = "STREAMSCOUT_KAFKA_SECURITY=SASL_PLAINTEXT: the network can read what is sent"
        found.append(doubtful(CHECK, what, "set SASL_SSL, and the broker's listener with it"))
    for url, secret in (
        ("schema_registry_url", "schema_registry_password"),
        ("weaviate_url", "weaviate_api_key"),
    ):
        address = urlsplit(getattr(settings, url) or "")
        if getattr(settings, secret) is not None and address.scheme == "http" and not _loopback(address.hostname or ""):
            what = f"STREAMSCOUT_{secret.upper()} goes over http, where the network can read it"
            found.append(doubtful(CHECK, what, f"give STREAMSCOUT_{url.upper()} an https address"))
    if settings.api_anonymous == "everything" and not _loopback(settings.api_host):
        what = f"STREAMSCOUT_API_ANONYMOUS=everything on {settings.api_host}: whoever reaches it can erase creators"
        found.append(doubtful(CHECK, what, "set nothing or search, and give keys by `streamscout keys`"))
    return found


def _erasure(settings: Settings) -> Sequence[Finding]:
    """The key without which no worker and no API starts."""
    try:
        ErasureKey(settings.erasure_secret())
    except SettingsError as error:
        if settings.erasure_key_file is not None:
            return [wrong(CHECK, str(error), "name the file that holds the key of this installation", USAGE)]
        do = "run `streamscout up`, which makes one, or set STREAMSCOUT_ERASURE_KEY_FILE to this installation's"
        return [doubtful(CHECK, "no erasure key: no worker starts without it", do)]
    except ValueError as error:
        do = "give 16 random bytes or more: whoever guesses it can tell who was erased"
        return [wrong(CHECK, f"STREAMSCOUT_ERASURE_KEY: {error}", do, USAGE)]
    return []


def _keys(settings: Settings) -> Sequence[Finding]:
    """The file without which the match API does not start, where one is named."""
    try:
        if settings.api_keys_file is not None:
            read_keys(settings.api_keys_file)
    except KeyFileError as error:
        do = "make one with `streamscout keys create NAME --scope search`, or name the one there is"
        return [wrong(CHECK, f"STREAMSCOUT_API_KEYS_FILE: {error}", do, USAGE)]
    return []


def _all_loopback(servers: str) -> bool:
    return all(_loopback(server.rpartition(":")[0].strip("[]")) for server in servers.split(",") if server)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
