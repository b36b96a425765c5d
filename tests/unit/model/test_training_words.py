"""What a phrase and a concept mean, of which the bundled model is made (no torch needed for this part)."""

from __future__ import annotations

import numpy as np
import pytest

from triton_models.training.anchors import build_anchors
from triton_models.training.artwork import concept_key, hold_out_keywords
from triton_models.training.concept import Concept
from triton_models.training.words import Words, sif_weights, spread, unit

NAMES = ["the", "wine", "pizza", "skis", "snow", "food", "glass", "of"]


@pytest.fixture(scope="module")
def words() -> Words:
    """Eight words that share little, commonest first."""
    vectors = unit(np.eye(len(NAMES)) + 0.1 * np.random.default_rng(2).normal(size=(len(NAMES), len(NAMES))))
    return Words(vectors, sif_weights(NAMES), {name: row for row, name in enumerate(NAMES)})


def test_a_phrase_is_its_words_whatever_their_order(words: Words) -> None:
    """A bag of words, of unit length; unknown words and case change nothing."""
    one, other = words.phrase("wine and Pizza"), words.phrase("PIZZA zzzz wine")
    assert one is not None
    assert other is not None
    assert np.allclose(one, other)
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)
    assert words.phrase("zzzz 42") is None


def test_filler_words_hardly_count(words: Words) -> None:
    """`the glass of wine` means `glass wine`."""
    plain, filled = words.phrase("glass wine"), words.phrase("the glass of wine")
    assert plain is not None
    assert filled is not None
    assert float(plain @ filled) > 0.98


def test_what_all_words_share_is_taken_out() -> None:
    """After spreading, two random words have little in common though all vectors pointed one way."""
    shared = np.random.default_rng(1).normal(size=(500, 12)) + 4.0
    spread_out = spread(shared.astype(np.float32))
    assert np.allclose(np.linalg.norm(spread_out, axis=1), 1.0, atol=1e-4)
    assert abs(float((spread_out @ spread_out.T).mean())) < 0.05
    assert np.allclose(spread_out[:, :3], 0.0)


CONCEPTS = [
    Concept("1f377", "wine glass", ("wine",), ("drink", "food"), "drink"),
    Concept("1f355", "pizza", (), ("food", "slice"), "food"),
    Concept("1f3bf", "skis", (), ("snow",), "sport"),
]


def test_a_concept_points_at_its_own_name(words: Words) -> None:
    """The anchor nearest to a name is that of its concept."""
    anchors = build_anchors(CONCEPTS, words, frozenset())
    for row, concept in enumerate(CONCEPTS):
        name = words.phrase(concept.name)
        assert name is not None
        assert int(np.argmax(anchors.vectors @ name)) == row


def test_held_out_words_are_in_no_anchor_and_no_caption(words: Words) -> None:
    """Else the figures for unseen words would be of seen ones."""
    with_it, without = (build_anchors(CONCEPTS, words, frozenset(out)) for out in ([], ["snow"]))
    assert not np.allclose(with_it.vectors[2], without.vectors[2])
    assert "snow" in with_it.texts[2]
    assert "snow" not in without.texts[2]
    assert hold_out_keywords(CONCEPTS, words.rank, 5, seed=1) <= {"food"}


def test_one_emoji_has_one_key() -> None:
    """Packages differ in case and in the variation selector."""
    assert concept_key("1F3CB-FE0F-200D-2640-FE0F") == concept_key("1f3cb-200d-2640") == "1f3cb-200d-2640"
