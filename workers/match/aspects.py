"""A brief as 1 to 4 weighted aspects: as the caller says, or by one rule.

The rule: a brief is a list at line ends and semicolons, and each entry falls into its sentences, after ``.``, ``!`` or
``?``. A sentence of one word says too little alone and joins the one before. A sentence that is nothing but a list
with commas ("coffee, cake, and cosy mornings": three entries or more, of four words at most) falls into its entries;
any other comma separates nothing. Each part is an aspect; of more than four, the fourth takes the rest. All weigh the
same, reference pictures together as much as one part.

A list is split because the score asks for all aspects at once: one vector of three things is near to whoever shows
their mixture, three aspects to whoever shows each, in any post. Words alone do not tell a list of things from one of
adjectives ("a warm, cosy and sunny kitchen"): who means one thing says it without commas, or gives the aspects.
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
_COMMA = re.compile(r",\s+|[、，]\s*")
_JOINED = re.compile(r"(?:^|\s+)(?:and|or|&|und|oder|et|ou|y|o|e)\s+", re.IGNORECASE)
_ENDING = re.compile(r"[.!?…\s]+$")
_LEAST_LISTED, _MOST_LISTED_WORDS = 3, 4


class AspectError(ValueError):
    """Aspects that are none, or too many; ``field``: where in the request, empty for the whole of it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def split_brief(brief: str, most: int = MAX_ASPECTS) -> tuple[str, ...]:
    """The texts of the aspects, 1 to ``most``, or none for a brief without a word."""
    sentences = [each for entry in _ENTRIES.split(brief) for each in _sentences(_BULLET.sub("", entry.strip()))]
    parts = [part for sentence in sentences for part in _listed(sentence)]
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


def _listed(sentence: str) -> list[str]:
    """The entries of a list with commas, or the sentence as it is."""
    *firsts, last = _COMMA.split(_ENDING.sub("", sentence))
    if not firsts:
        return [sentence]
    entries = [each.strip() for each in (*firsts, *_JOINED.split(last)) if each.strip()]
    short = all(len(each.split()) <= _MOST_LISTED_WORDS and _says_something(each) for each in entries)
    return entries if short and len(entries) >= _LEAST_LISTED else [sentence]


def _says_something(sentence: str) -> bool:
    """Whether there is a letter, a digit or an emoji (category So) in it: punctuation says nothing."""
    kinds = map(unicodedata.category, sentence)
    return any(kind[0] in "LN" or kind == "So" for kind in kinds)


def plan_aspects(
    brief: str,
    given: Sequence[Aspect],
    pictures: bool,
    *,
    more: str = "",
    pictures_weight: float | None = None,
) -> tuple[Aspect, ...]:
    """The aspects of a match, weights summing to 1; those given come before the rule. Pictures are the last one.

    ``more`` is a second brief that takes the places left. Pictures weigh ``pictures_weight`` beside the others'
    weights, by default as much as one part. Raises AspectError where there is neither text nor picture, for a given
    aspect without a word, or too many aspects.
    """
    for index, aspect in enumerate(given):
        if not _says_something(aspect.text):
            raise AspectError(f"aspects.{index}.text", "an aspect needs words")
    most = MAX_ASPECTS - pictures
    if len(given) > most:
        told = f"{len(given)} aspects{' and pictures' if pictures else ''}; {MAX_ASPECTS} are the most"
        raise AspectError("aspects", told)
    texts = [(aspect.text, aspect.weight) for aspect in given] or [(text, 1.0) for text in split_brief(brief, most)]
    average = sum(weight for _, weight in texts) / len(texts) if texts else 1.0
    if len(texts) < most:
        texts += [(text, average) for text in split_brief(more, most - len(texts))]
    if pictures:
        texts.append((PICTURES, average if pictures_weight is None else pictures_weight))
    if not texts:
        raise AspectError("", "a brief needs words, aspects or pictures")
    total = sum(weight for _, weight in texts)
    return tuple(Aspect(text=text, weight=weight / total) for text, weight in texts)
