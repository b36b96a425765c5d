"""What a post says, as hashes: equal content is never embedded twice, and of equal revisions one always wins."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from workers.domain.events import Event, PostPublished
from workers.domain.parse import canonical_data

_TAG = re.compile(r"(?<![\w&/])[#\uff03]([^\s!-/:-@\[-^`{-~\uff03\u2026\u3001\u3002\uff0c\uff01\uff1f]+)")
"""As platforms read it: up to a blank or a punctuation mark; not inside a word, an address or ``&#39;``."""
_ALT_WEIGHT = 0.5
"""Of a post's alt texts together against its caption: they say again what the visuals say (decision 0014)."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a post says: the caption with its hashtags, and what the pictures' alt texts say. Either may be empty."""

    caption: str
    alt: str = ""

    def weighted(self) -> dict[str, float]:
        """The texts that are there, with their weights in the mean of their vectors."""
        weights = {self.alt: _ALT_WEIGHT, self.caption: 1.0}
        return {text: weight for text, weight in weights.items() if text}

    def hash(self) -> str:
        """SHA-256 of both; of a post without alt texts that of the caption."""
        return digest("\0".join([self.caption, *([self.alt] if self.alt else [])]).encode())


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def words_of(event: PostPublished) -> Words:
    """Caption and hashtags; alt texts one per line, each once, without those that the caption says already."""
    caption = text_of(event.caption, event.hashtags)
    alts = dict.fromkeys((media.alt_text or "").strip() for media in event.media)
    return Words(caption, "\n".join(alt for alt in alts if alt and alt not in caption))


def text_of(caption: str, hashtags: Sequence[str]) -> str:
    """The text that is embedded: the caption, then those hashtags that it does not hold already, each as words.

    Nothing else of the caption is touched, whatever language it is in. Empty where there is nothing to say.
    """
    held = {tag.casefold() for tag in _TAG.findall(caption)}
    names = dict.fromkeys(tag.lstrip("#\uff03").strip() for tag in hashtags)
    added = [name for name in names if name and name.casefold() not in held]
    said = _TAG.sub(lambda found: found[0] if found[1].isdigit() else tag_words(found[1]), caption.strip())
    return " ".join([said, *map(tag_words, added)]).strip()


def tag_words(tag: str) -> str:
    """``BeachHoliday2024`` as ``Beach Holiday 2024``; a tag in one case, or in a script without cases, stays whole."""
    spaced = "".join(f" {letter}" if _begins_word(tag, place) else letter for place, letter in enumerate(tag))
    return " ".join(spaced.replace("_", " ").split())


def _begins_word(tag: str, place: int) -> bool:
    """A capital behind two small letters, or between a capital and a small one; a number behind two letters."""
    if place < 2:
        return False
    before, two, letter, after = tag[place - 1], tag[place - 2 : place], tag[place], tag[place + 1 : place + 2]
    if letter.isupper():
        return (two.islower() and two.isalpha()) or (before.isupper() and after.islower()) or before.isdigit()
    return letter.isdigit() and two.isalpha()


def content_hash(caption_hash: str, media_hashes: Sequence[str]) -> str:
    """Caption and media bytes, in order. Not the URLs: those are signed anew at every scrape."""
    return digest("\n".join([caption_hash, *media_hashes]).encode())


def event_hash(event: Event) -> str:
    """The hash of an event's type and canonical data: breaks the tie of equal revisions."""
    return digest(event.type_name().encode() + b"\n" + canonical_data(event))
