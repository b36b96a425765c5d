"""Where a browser finds a medium: at its web address, or under ``/media/`` where it lies in the allowed directory.

A signature in an address is a right to read, given to us and not to our callers: such an address is shown without it.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from workers.domain.masking import masked
from workers.domain.media_answers import expiry

MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
}
"""What is served: pictures and videos a browser shows, and nothing that can run."""


def shown_url(url: str, root: Path | None) -> str | None:
    """The address for a browser: http(s), a file of ``root`` as ``/media/<path>`` if it is served, or None."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        return unsigned(url)
    if parts.scheme != "file" or root is None:
        return None
    path = Path(unquote(parts.path))
    whole = root.resolve()
    if not path.is_relative_to(whole) or path.suffix.lower() not in MEDIA_TYPES:
        return None
    return f"/media/{quote(str(path.relative_to(whole)))}"


def unsigned(url: str) -> str:
    """An address without its query where that carries a signature, a key, or until when it is good."""
    parts = urlsplit(url)
    signed = masked(f"?{parts.query}") != f"?{parts.query}" or expiry(url) is not None
    return urlunsplit(parts._replace(query="", fragment="")) if signed else url


def served_file(name: str, root: Path | None) -> tuple[Path, str] | None:
    """File and media type of ``/media/<name>``; None for what is not there, no picture, or outside ``root``."""
    if root is None or "\x00" in name:
        return None
    whole = root.resolve()
    try:
        # Resolved before it is compared, so that neither `..` nor a link leads out.
        path = (whole / name).resolve()
        there = path.is_relative_to(whole) and path.is_file()
    except (OSError, RuntimeError):  # a name longer than the file system's, a link that leads to itself
        return None
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    return (path, media_type) if there and media_type is not None else None
