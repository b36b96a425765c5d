"""Words of the categories, found in what a post says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

_SELECTORS = dict.fromkeys((0xFE0E, 0xFE0F))
"""They say how an emoji is drawn, not which one it is."""


def folded(text: str) -> str:
    """Compatibility forms as one (NFKC), case folded, blanks as one: what two spellings of a word have in common."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_SELECTORS).split())


class WordFinder:
    """Finds the words (some of several words, or emoji) of categories. A letter or digit beside a word makes another
    word of it; beside a sign or an emoji it does not: people write ``cheers🍺``.
    """

    def __init__(self, words: Mapping[str, Iterable[str]]) -> None:
        self._patterns = {
            name: re.compile("|".join(map(_pattern, each))) for name, own in words.items() if (each := list(own))
        }

    def found(self, text: str) -> frozenset[str]:
        """The categories of which a word is there."""
        said = folded(text)
        return frozenset(name for name, pattern in self._patterns.items() if pattern.search(said))


def _pattern(word: str) -> str:
    plain = folded(word)
    before = r"(?<!\w)" if plain[:1].isalnum() else ""
    after = r"(?!\w)" if plain[-1:].isalnum() else ""
    return f"{before}{re.escape(plain)}{after}"
