"""Anchors: the fixed vector that the pictures of a concept are drawn to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triton_models.training.concept import Concept
from triton_models.training.words import Floats, Words, unit

OTHER_NAMES, KEYWORDS, SUBGROUP = 0.3, 1.0, 0.4
KEYWORD_POWER = -0.4
RARE = 12


@dataclass(frozen=True)
class Anchors:
    """`vectors` [concepts, dimensions], unit length; `texts` the captions of each concept; `text_vectors` theirs."""

    vectors: Floats
    texts: tuple[tuple[str, ...], ...]
    text_vectors: tuple[Floats, ...]


def build_anchors(concepts: Sequence[Concept], words: Words, held_out: frozenset[str]) -> Anchors:
    """A name, a little of its other names, its keywords (the rarer the heavier) and its subgroup; unit length.

    Texts for the batch losses are the name and those keywords that at most `RARE` concepts share.
    """
    allowed = [tuple(k for k in c.keywords if not held_out & set(k.split())) for c in concepts]
    counts = Counter(keyword for keywords in allowed for keyword in set(keywords))
    rows, texts, vectors = [], [], []
    for concept, keywords in zip(concepts, allowed, strict=True):
        total = np.zeros(words.dimensions, dtype=np.float32)
        if (name := words.phrase(concept.name)) is not None:
            total += name
        total += OTHER_NAMES * _mean(words.phrases(concept.other_names), words.dimensions)
        total += KEYWORDS * _weighted(keywords, counts, words)
        if (subgroup := words.phrase(concept.subgroup)) is not None:
            total += SUBGROUP * subgroup
        rows.append(total)
        usable = [concept.name, *(k for k in keywords if counts[k] <= RARE)]
        kept = [(text, vector) for text in usable if (vector := words.phrase(text)) is not None]
        kept = kept or [(concept.subgroup, unit(total))]
        texts.append(tuple(text for text, _ in kept))
        vectors.append(np.stack([vector for _, vector in kept]))
    return Anchors(unit(np.stack(rows)), tuple(texts), tuple(vectors))


def _mean(vectors: Sequence[Floats], dimensions: int) -> Floats:
    return np.mean(vectors, axis=0) if vectors else np.zeros(dimensions, dtype=np.float32)


def _weighted(keywords: Sequence[str], counts: Counter[str], words: Words) -> Floats:
    total = np.zeros(words.dimensions, dtype=np.float32)
    for keyword in keywords:
        if (vector := words.phrase(keyword)) is not None:
            total += counts[keyword] ** KEYWORD_POWER * vector
    return unit(total)
