"""Long texts in pieces: where they are cut, and what becomes of the pieces' vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.adapters.triton_texts import MOST_PIECES, Frame, LongText, split

SENTENCE = "We walked along the coast until the sun went down. "
MANY_SCRIPTS = (
    "今天和大家分享我最喜欢的秋季徒步路线，风景非常美丽。",
    "今日は私のお気に入りの秋のハイキングコースを紹介します。",
    "اليوم أشارككم مسار المشي المفضل لدي في الخريف. ",
    "आज मैं आपके साथ अपनी पसंदीदा यात्रा साझा कर रहा हूँ। ",
    "👩‍👩‍👧‍👦🏳️‍🌈🙌🏽🇫🇷 ❤️",
)


@given(st.text(max_size=300), st.floats(1, 60))
def test_pieces_joined_are_the_text(text: str, room: float) -> None:
    """Nothing is lost, doubled or changed, in whatever language."""
    assert "".join(split(text, room)) == text


def test_a_text_is_cut_behind_sentences() -> None:
    """A piece that says something whole says it better."""
    pieces = split(SENTENCE * 20, 60)
    assert len(pieces) > 3
    assert all(piece.endswith(". ") for piece in pieces)


def test_without_sentences_a_text_is_cut_behind_words() -> None:
    """A blank goes with the word before it."""
    pieces = split("walking along the coast until sunset " * 20, 60)
    assert len(pieces) > 3
    assert all(piece.endswith(" ") for piece in pieces)


@pytest.mark.parametrize("sentence", MANY_SCRIPTS)
def test_what_is_shown_as_one_letter_is_not_cut(sentence: str) -> None:
    """Marks, tones of skin, joined emoji, flags: in pieces as small as can be they stay whole."""
    pieces = split(sentence * 3, 1)
    assert "".join(pieces) == sentence * 3
    assert not any(piece.startswith(("\u200d", "\ufe0f", "\U0001f3fd", "\u093e", "\u0902")) for piece in pieces)
    assert not any(piece.endswith("\u200d") for piece in pieces)


@pytest.mark.parametrize("sentence", [SENTENCE, *MANY_SCRIPTS[:4]])
def test_pieces_are_of_about_one_size(sentence: str) -> None:
    """A last piece of one word would count as much noise as sense."""
    sizes = [len(piece) for piece in split(sentence * 12, 60)]
    assert min(sizes) > max(sizes) / 3


def test_a_text_that_may_fit_is_tried_whole() -> None:
    """What the context holds is embedded as open_clip does it, whatever was guessed of it."""
    assert len(LongText.of(SENTENCE * 2, 22).pieces) == 1
    assert len(LongText.of(SENTENCE * 20, 22).pieces) > 5


def test_a_piece_that_does_not_fit_becomes_two_in_its_place() -> None:
    """A letter with marks without end too; a single letter stays."""
    text = LongText.of(SENTENCE, 22)
    assert text.halve(text.pieces[0])
    assert len(text.pieces) == 2
    assert "".join(piece.text for piece in text.pieces) == SENTENCE
    marks = LongText.of("a" + "\u0301" * 6, 22)
    assert marks.halve(marks.pieces[0])
    assert not LongText.of("a", 22).halve(LongText.of("a", 22).pieces[0])


def test_a_text_has_so_many_pieces_and_no_more() -> None:
    """However it came by them, and whoever cut it says so."""
    text = LongText.of(SENTENCE * 1000, 22)
    assert (len(text.pieces), text.cut) == (MOST_PIECES, True)
    assert text.halve(text.pieces[0])
    assert len(text.pieces) == MOST_PIECES
    assert not LongText.of(SENTENCE, 22).cut


def test_the_mean_weighs_pieces_by_their_tokens() -> None:
    """And is left as long as it is: it is centred later."""
    text = LongText.of(SENTENCE, 22)
    text.halve(text.pieces[0])
    for piece, vector, tokens in zip(text.pieces, ([1.0, 0.0], [0.0, 1.0]), (30, 10), strict=True):
        piece.vector, piece.tokens = np.array(vector, dtype=np.float32), tokens
    assert text.mean().tolist() == [0.75, 0.25]


def test_a_full_context_is_told_from_the_padding() -> None:
    """CLIP's tokenizer ends a text by a token of its own."""
    frame = Frame.of(np.array([8, 9, 0, 0, 0]))
    assert frame.tokens(np.array([8, 5, 9, 0, 0])) == 1
    assert not frame.full(np.array([8, 5, 5, 9, 0]))
    assert frame.full(np.array([8, 5, 5, 5, 9]))


def test_a_text_may_end_in_what_it_is_padded_with() -> None:
    """As SigLIP's do: its last place is always that."""
    frame = Frame.of(np.array([1, 1, 1, 1, 1]))
    assert frame.tokens(np.array([5, 5, 1, 1, 1])) == 2
    assert not frame.full(np.array([5, 5, 5, 1, 1]))
    assert frame.full(np.array([5, 5, 5, 5, 1]))
