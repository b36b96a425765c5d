"""The field types that events share, with their ranges."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from workers.domain.vectors import from_bytes

MAX_REVISION = 2**42
"""Revisions are 0 to 2^42, so that a creator's sum of them stays within a signed 64-bit integer."""

_NUMBER = re.compile(r"\s*[+-]?[\d.]+(e[+-]?\d+)?\s*", re.IGNORECASE)


def _to_milliseconds(value: datetime) -> datetime:
    """Kafka and Avro keep milliseconds; dropping the rest here makes both encodings agree."""
    try:
        utc = value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time outside the years 1 to 9999 in UTC") from error
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _no_bare_numbers(value: Any) -> Any:
    """A bare number could mean seconds or milliseconds; guessing would date a post to 1970."""
    if isinstance(value, (int, float)) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("a time must be an ISO 8601 string with an offset, not a number")
    return value


def _sums_to_one_at_most(shares: dict[str, float]) -> dict[str, float]:
    if sum(shares.values()) > 1.0 + 1e-6:
        raise ValueError(f"shares sum to {sum(shares.values()):.4f}, more than 1")
    return shares


def _whole_and_finite(vector: bytes) -> bytes:
    """One NaN in one event would spread to every sum it enters."""
    from_bytes(vector)
    return vector


Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f|]+$")]
"""An id as its owner writes it: no control characters, and no ``|``, which joins ids in keys."""
Revision = Annotated[int, Field(ge=0, le=MAX_REVISION)]
Timestamp = Annotated[AwareDatetime, BeforeValidator(_no_bare_numbers), AfterValidator(_to_milliseconds)]
"""UTC with milliseconds."""
Url = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Platform = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Text = Annotated[str, StringConstraints(max_length=20_000)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Shares = Annotated[dict[Label, Share], Field(max_length=300), AfterValidator(_sums_to_one_at_most)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Money = Annotated[float, Field(ge=0.0, le=1e12, allow_inf_nan=False)]
"""What one order is worth; sums are kept in millionths, and beyond this bound they would leave every integer type."""
Count = Annotated[int, Field(ge=0, le=2**53)]
ModelVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]
ContentHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16,128}$")]
PerceptualHash = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{36})?$")]
"""How a picture looks (``workers.domain.perceptual``); empty for one too plain to be told by it."""
Vector = Annotated[bytes, Field(min_length=4, max_length=65_536), AfterValidator(_whole_and_finite)]
"""float32, little-endian, unit length; base64 in JSON. Read and written by ``workers.domain.vectors``."""
