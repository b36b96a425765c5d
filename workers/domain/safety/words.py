"""Words of the categories, found in what a post says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

_WORD = re.compile(r"\w+")
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
        self._whole: dict[str, set[str]] = {}
        self._parts: list[tuple[str, re.Pattern[str], str]] = []
        for name, own in words.items():
            for word in map(folded, own):
                if _WORD.fullmatch(word):
                    self._whole.setdefault(word, set()).add(name)
                else:
                    self._parts.append((word, _pattern(word), name))

    def found(self, text: str) -> frozenset[str]:
        """The categories of which a word is there."""
        said = folded(text)
        # A pattern of all words takes fifty times as long as looking each word up.
        names = [self._whole[word] for word in self._whole.keys() & set(_WORD.findall(said))]
        parts = {name for part, pattern, name in self._parts if part in said and pattern.search(said)}
        return frozenset(parts.union(*names))


def _pattern(word: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if _WORD.match(word) else ""
    after = r"(?!\w)" if _WORD.match(word[-1:]) else ""
    return re.compile(f"{before}{re.escape(word)}{after}")
