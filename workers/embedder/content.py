"""What a post says, as hashes: equal content is never embedded twice, and of equal revisions one always wins."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from workers.domain.events import Event
from workers.domain.parse import canonical_data

_TAG = re.compile(r"#(\w+)")


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def text_of(caption: str, hashtags: Sequence[str]) -> str:
    """The text that is embedded: the caption, then those hashtags, without ``#``, that it does not hold already.

    Empty where there is nothing to say: such a post has no caption vector.
    """
    held = {tag.casefold() for tag in _TAG.findall(caption)}
    words = dict.fromkeys(tag.lstrip("#").strip() for tag in hashtags)
    added = [word for word in words if word and word.casefold() not in held]
    return " ".join([caption.strip(), *added]).strip()


def content_hash(caption_hash: str, media_hashes: Sequence[str]) -> str:
    """Caption and media bytes, in order. Not the URLs: those are signed anew at every scrape."""
    return digest("\n".join([caption_hash, *media_hashes]).encode())


def event_hash(event: Event) -> str:
    """The hash of an event's type and canonical data: breaks the tie of equal revisions."""
    return digest(event.type_name().encode() + b"\n" + canonical_data(event))
