"""A brief as 1 to 4 weighted aspects: as the caller says, or by one rule.

The rule: a brief is a list at line ends and semicolons, and each entry falls into its sentences, after ``.``, ``!`` or
``?``. A sentence of one word says too little alone and joins the one before. Each part is an aspect; of more than
four, the fourth takes the rest. All weigh the same, reference pictures together as much as one part.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from workers.domain.events import Aspect

MAX_ASPECTS = 4
PICTURES = "reference pictures"
"""The text under which an aspect of pictures stands in ``MatchServed``."""
_ENTRIES = re.compile(r"[;\n\r]+")
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_BULLET = re.compile(r"^(?:[-*•]|\d+[.)])\s*")
_LEAST_WORDS = 2


def split_brief(brief: str, most: int = MAX_ASPECTS) -> tuple[str, ...]:
    """The texts of the aspects, 1 to ``most``, or none for a brief without a word."""
    parts = [part for entry in _ENTRIES.split(brief) for part in _sentences(_BULLET.sub("", entry.strip()))]
    if len(parts) > most:
        parts[most - 1 :] = [" ".join(parts[most - 1 :])]
    return tuple(parts)


def _sentences(entry: str) -> list[str]:
    parts: list[str] = []
    for sentence in _SENTENCES.split(entry.strip()):
        if not _says_something(sentence):
            continue
        if parts and len(sentence.split()) < _LEAST_WORDS:
            parts[-1] = f"{parts[-1]} {sentence}"
        else:
            parts.append(sentence)
    return parts


def _says_something(sentence: str) -> bool:
    """Whether there is a letter, a digit or an emoji (category So) in it: punctuation says nothing."""
    kinds = map(unicodedata.category, sentence)
    return any(kind[0] in "LN" or kind == "So" for kind in kinds)


def plan_aspects(brief: str, given: Sequence[Aspect], pictures: bool) -> tuple[Aspect, ...]:
    """The aspects of a match, weights summing to 1; those given come before the rule. Pictures are the last one.

    Raises ValueError where there is neither text nor picture, for a given aspect without a word, or too many aspects.
    """
    wordless = [str(index) for index, aspect in enumerate(given) if not _says_something(aspect.text)]
    if wordless:
        raise ValueError(f"aspects.{wordless[0]}.text: an aspect needs words")
    most = MAX_ASPECTS - pictures
    if len(given) > most:
        raise ValueError(f"{len(given)} aspects{' and pictures' if pictures else ''}; {MAX_ASPECTS} are the most")
    texts = [(aspect.text, aspect.weight) for aspect in given] or [(text, 1.0) for text in split_brief(brief, most)]
    if pictures:
        average = sum(weight for _, weight in texts) / len(texts) if texts else 1.0
        texts.append((PICTURES, average))
    if not texts:
        raise ValueError("a brief needs words, aspects or pictures")
    total = sum(weight for _, weight in texts)
    return tuple(Aspect(text=text, weight=weight / total) for text, weight in texts)
