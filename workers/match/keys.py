"""API keys: what a caller may do, and the file that holds only the hashes. Pure but for reading and writing it.

A key is 256 random bits, so one SHA-256 is as good at rest as a slow password hash, and costs no request 100 ms
(OWASP, Cryptographic Storage; the same holds for tokens of source-code hosts).
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

PREFIX: Final = "streamscout_"
"""So that a scanner of source code knows a leaked key."""


class Scope(StrEnum):
    """What a key opens. None of them includes another."""

    SEARCH = "search"
    """Search, match, look at creators, posts and brands, and say what was decided on a shortlist."""
    INGEST = "ingest"
    """Publish posts, profiles, brands, decisions and outcomes."""
    ADMIN = "admin"
    """Erase and reinstate creators."""


class ApiKey(BaseModel):
    """A key as it is kept: never the key itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None


class _KeyFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[ApiKey, ...] = ()


class KeyFileError(Exception):
    """The file of keys cannot be read, or is not what this program writes."""


def new_key(name: str, scopes: Iterable[Scope], now: datetime, expires_at: datetime | None) -> tuple[str, ApiKey]:
    """A fresh key, shown once, and what is kept of it. Raises ValueError for a name or scopes that are none."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, ApiKey(name=name, scopes=frozenset(scopes), sha256=_digest(key), created_at=now, expires_at=expires_at)


def find_key(keys: Iterable[ApiKey], presented: str, now: datetime) -> ApiKey | None:
    """The kept key that was presented and has not expired. All are compared, each in constant time."""
    digest = _digest(presented)
    found = [kept for kept in keys if hmac.compare_digest(kept.sha256, digest)]
    good = [kept for kept in found if kept.expires_at is None or now < kept.expires_at]
    return good[0] if good else None


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys of a file. Raises KeyFileError, which names the file and the field and repeats no content."""
    try:
        keys = _KeyFile.model_validate_json(path.read_bytes()).keys
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, each["loc"])) or each["msg"] for each in error.errors()[:3])
        raise KeyFileError(f"{path}: not a file of keys: {wrong}") from error
    names = [key.name for key in keys]
    if len(set(names)) != len(names):
        raise KeyFileError(f"{path}: a name stands twice")
    return keys


def write_keys(path: Path, keys: Iterable[ApiKey]) -> None:
    """Replace the file at once, readable by its owner alone."""
    body = _KeyFile(keys=tuple(keys)).model_dump(mode="json")
    for row in body["keys"]:
        row["scopes"].sort()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(body, indent=2) + "\n")
    part.replace(path)


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
