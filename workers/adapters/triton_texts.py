"""Texts longer than a model's context, in pieces that the model does not cut, and the mean of their vectors. Pure.

The tokenizer lies inside Triton's ``clip_text``, so where to cut is guessed here from the letters, and the token ids
that come back say whether a piece fitted: one that fills the context may have been cut, and goes again in halves.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import ceil

import numpy as np

from workers.domain.vectors import Array

MOST_PIECES = 64
"""Of one text. At 77 tokens each they hold 20,000 English letters, or 2,000 Chinese ones; what is beyond is dropped."""

_WHOLE_AT_FIRST = 2.0
_SLACK, _LAST_PART = 1.05, 0.7
# Tokens of a letter, a little more than CLIP's byte pairs take in English and German, Chinese, Russian, Arabic, Hindi.
_ASCII_LETTER, _IDEOGRAPH, _OTHER_LETTER, _EMOJI, _SIGN = 0.3, 2.4, 1.2, 2.0, 1.0
_FIRST_IDEOGRAPH, _FIRST_ASTRAL, _FIRST_BEYOND_ASCII = "\u2e80", "\U00010000", "\x80"
_JOINER = "\u200d"
_ENDS_SENTENCE = frozenset(".!?\u2026\u3002\uff01\uff1f\u061f\u0964\n")
_MARKS = frozenset(("Mn", "Mc", "Me", "Sk", "Cf"))


@dataclass(slots=True, eq=False)
class Piece:
    """``vector`` (d,) and ``tokens``, its own without the frame's, are there once the model has answered."""

    text: str
    vector: Array | None = None
    tokens: int = 0


@dataclass(slots=True)
class LongText:
    """A text and its pieces, in their order; ``cut`` when it was longer than ``MOST_PIECES`` hold."""

    pieces: list[Piece] = field(default_factory=list)
    cut: bool = False

    @classmethod
    def of(cls, text: str, room: int) -> LongText:
        """In pieces of about ``room`` tokens, or whole where it may fit."""
        likely = _cost(text)
        parts = [text] if likely <= _WHOLE_AT_FIRST * room else split(text, room)
        return cls([Piece(part) for part in parts[:MOST_PIECES]], len(parts) > MOST_PIECES)

    def waiting(self) -> list[Piece]:
        """Pieces that the model has not answered."""
        return [piece for piece in self.pieces if piece.vector is None]

    def halve(self, piece: Piece) -> bool:
        """Put two pieces in the place of one that was too long; False where nothing can be done about it."""
        if len(piece.text) < 2 or piece not in self.pieces:
            return False
        halves = split(piece.text, max(1.0, _cost(piece.text) / 2))
        if len(halves) < 2:  # a letter with marks without end
            middle = len(piece.text) // 2
            halves = [piece.text[:middle], piece.text[middle:]]
        place = self.pieces.index(piece)
        pieces = [*self.pieces[:place], *map(Piece, halves), *self.pieces[place + 1 :]]
        self.cut = self.cut or len(pieces) > MOST_PIECES
        self.pieces = pieces[:MOST_PIECES]
        return True

    def mean(self) -> Array:
        """The mean of the pieces' vectors (d,), by their tokens, float32; of length 1 where there is one piece alone.

        Not at unit length else: what is centred afterwards must be the mean, or it leans towards the centre.
        """
        vectors = [piece.vector for piece in self.pieces if piece.vector is not None]
        if len(vectors) == 1:
            return vectors[0]
        tokens = np.array([piece.tokens for piece in self.pieces], dtype=np.float64)
        weights = tokens if tokens.any() else None
        return np.asarray(np.average(np.stack(vectors), axis=0, weights=weights), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Frame:
    """What an empty text's token ids, int64 (context,), say of those of any: its padding and its start and end."""

    padding: int
    own: int
    spare: int

    @classmethod
    def of(cls, empty: Array) -> Frame:
        padding = int(empty[-1])
        own = _length(empty, padding)
        # Where a text ends in what it is padded with, its last place is always that.
        return cls(padding, own, 0 if own else 1)

    def tokens(self, row: Array) -> int:
        """A text's own tokens."""
        return max(0, _length(row, self.padding) - self.own)

    def full(self, row: Array) -> bool:
        """Whether a text has filled the context, and may have been cut there."""
        return _length(row, self.padding) >= len(row) - self.spare


def split(text: str, room: float) -> list[str]:
    """``text`` in pieces of about equal cost, about ``room`` at most each. Joined, they are the text.

    Cut behind a sentence, else behind a word, else between two letters, never inside what is shown as one.
    """
    costs = [0.0, *accumulate(map(_letter, text))]
    wanted = costs[-1] / max(1, ceil(costs[-1] / max(room, 1.0)))
    cuts = [0]
    best, best_kind, last = 0, 0, 0
    for place in (*_boundaries(text), len(text)):
        if costs[place] - costs[cuts[-1]] > wanted * _SLACK and last > cuts[-1]:
            cuts.append(best or last)
            best, best_kind = 0, 0
        last = place
        kind = _kind(text, place) if costs[place] - costs[cuts[-1]] >= wanted * _LAST_PART else 0
        if kind and kind >= best_kind:
            best, best_kind = place, kind
    return [text[start:end] for start, end in pairwise((*cuts, len(text)))]


def _boundaries(text: str) -> Iterator[int]:
    """Places between two letters."""
    return (place for place in range(1, len(text)) if not _joined(text[place - 1], text[place]))


def _kind(text: str, place: int) -> int:
    """3 behind a sentence, 2 behind a word, 1 between letters. A blank goes with what it follows."""
    before, after = text[max(0, place - 1) : place], text[place : place + 1]
    if after.isspace():
        return 1
    if before.isspace():
        return 3 if before == "\n" or text[max(0, place - 2)] in _ENDS_SENTENCE else 2
    return 3 if before in _ENDS_SENTENCE and before > _FIRST_BEYOND_ASCII else 1


def _joined(before: str, after: str) -> bool:
    """Whether two letters are shown as one, as far as needs no table: marks, joiners, tones of skin, flags' halves."""
    return unicodedata.category(after) in _MARKS or before == _JOINER or (_is_flag(before) and _is_flag(after))


def _is_flag(letter: str) -> bool:
    return "\U0001f1e6" <= letter <= "\U0001f1ff"


def _cost(text: str) -> float:
    return sum(map(_letter, text))


def _letter(letter: str) -> float:
    """About how many tokens a letter is."""
    if letter < _FIRST_BEYOND_ASCII:
        return _ASCII_LETTER if letter.isalpha() or letter.isspace() else _SIGN
    if letter < _FIRST_IDEOGRAPH:
        return _OTHER_LETTER
    return _IDEOGRAPH if letter < _FIRST_ASTRAL else _EMOJI


def _length(row: Array, padding: int) -> int:
    """Places before the padding."""
    used = np.flatnonzero(row != padding)
    return int(used[-1]) + 1 if used.size else 0
