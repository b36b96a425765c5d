"""What a picture host's answer means: there, gone, forbidden, expired, or later and when. Pure: ``now`` is given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from workers.domain.media import InvalidMedia, MediaUnavailable, shown_address
from workers.domain.reasons import Reason

_THERE: Final = {200, 203}
_GONE: Final = {404, 410}
_FORBIDDEN: Final = {401, 403, 407, 451}
_LATER: Final = {202, 408, 425, 429}
# Google says 400 of a signature whose time is over; the others 401, 403 or 410.
_OF_A_SIGNATURE: Final = {400, 401, 403, 410}

_LENGTHS: Final = {"x-amz-expires": "x-amz-date", "x-goog-expires": "x-goog-date"}
"""A number of seconds, and the parameter that says from when."""
_SECONDS: Final = ("expires", "expire", "exp", "x-expires")
"""Seconds since 1970: CloudFront, S3's older signatures, video and photo hosts."""
_HEXADECIMAL: Final = ("oe", "ex")
"""The same in hexadecimal: Meta's and Discord's."""
_ISO: Final = ("se",)
"""Azure's."""
_TOKENS: Final = ("hdnts", "hdnea", "__token__")
"""Akamai's: fields with ``~`` between them, ``exp`` among them."""
_PLAUSIBLE: Final = range(946_684_800, 32_503_680_000)  # from 2000 to 3000: anything else is no time


def judge(status: int, headers: Mapping[str, str], url: str, now: datetime, longest: float) -> None:
    """Return where the body is the picture. ``headers`` by lower-case name; ``url`` is the one that was asked.

    Raises InvalidMedia (``media_gone``, ``media_expired``, ``media_forbidden``, ``media_unsupported``), or
    MediaUnavailable with what ``Retry-After`` says, ``longest`` seconds at most. Quotes no query.
    """
    if status in _THERE:
        return
    if status in _LATER or status >= 500:
        after = retry_after(headers.get("retry-after", ""), now, longest)
        raise MediaUnavailable(f"{shown_address(url)}: HTTP {status}", after)
    over = expiry(url) if status in _OF_A_SIGNATURE else None
    if over is not None and over <= now:
        raise InvalidMedia(Reason.MEDIA_EXPIRED, f"HTTP {status}: the signed address was good until {over:%FT%TZ}")
    if status in _GONE:
        raise InvalidMedia(Reason.MEDIA_GONE, f"HTTP {status}")
    if status in _FORBIDDEN:
        raise InvalidMedia(Reason.MEDIA_FORBIDDEN, f"HTTP {status}")
    raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"HTTP {status}")


def retry_after(value: str, now: datetime, longest: float) -> float | None:
    """The seconds that a ``Retry-After`` asks for, from 0 to ``longest``; None where it says nothing that is valid."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return longest if len(text) > 9 else min(float(text), longest)
    try:
        when = parsedate_to_datetime(text)
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), longest)


def expiry(url: str) -> datetime | None:
    """When a signed URL's time is over, by the earliest of the parameters that say so; None where none does."""
    try:
        query = parse_qsl(urlsplit(url).query, max_num_fields=200)
    except ValueError:
        return None
    found = {name.lower(): value for name, value in reversed(query)}
    for name in _TOKENS:
        fields = (field.partition("=") for field in found.get(name, "").split("~"))
        found.update({f"{name}.exp": value for key, _, value in fields if key == "exp"})
    times = [_length(found, name, start) for name, start in _LENGTHS.items()]
    times += [_epoch(found.get(name, ""), 10) for name in (*_SECONDS, *(f"{token}.exp" for token in _TOKENS))]
    times += [_epoch(found.get(name, ""), 16) for name in _HEXADECIMAL]
    times += [_iso(found.get(name, "")) for name in _ISO]
    return min((time for time in times if time is not None), default=None)


def _epoch(text: str, base: int) -> datetime | None:
    # int() takes signs, spaces and underscores too, and a stranger's number may be long.
    if not text.isalnum() or not text.isascii() or len(text) > 11:
        return None
    try:
        seconds = int(text, base)
    except ValueError:
        return None
    return datetime.fromtimestamp(seconds, UTC) if seconds in _PLAUSIBLE else None


def _iso(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _length(found: Mapping[str, str], name: str, start: str) -> datetime | None:
    """``X-Amz-Date=20260102T030405Z`` and ``X-Amz-Expires=3600``."""
    length = found.get(name, "")
    if not (length.isascii() and length.isdigit() and len(length) <= 9):
        return None
    try:
        begun = datetime.strptime(found.get(start, ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return begun + timedelta(seconds=int(length))
    except (ValueError, OverflowError):
        return None
