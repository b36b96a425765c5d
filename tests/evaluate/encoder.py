"""An encoder of two modalities as a simulation: what it makes of a topic seen in a picture or said in words. Pure.

A raw vector is the cone of its kind plus what it is about. What it is about is the topic, the creator's own take on it,
a style that all of a creator's pictures share, and noise; the figures are such that cosines are those of real CLIP
models: .5 to .6 between any two pictures, .4 to .5 between centred posts about one thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from workers.domain.vectors import Array, unit

CATEGORY, TAKE = 0.6, 0.35
"""Lengths beside a topic's own 0.8: what all topics of a category share, a creator's take on one."""
QUERY_NOISE, BIO_NOISE = 0.7, 0.7
PICTURE_GAP, CAPTION_GAP, QUERY_GAP = 1.2, 1.0, 1.0
SAMPLED = 4000
"""Items of each kind from which its mean is estimated."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """``topics`` (T, d) and a cone for each kind (d,), all of unit length. Bios lie in the cone of captions.

    ``noise``: its length in a post, beside a topic's 1; ``style``: that of what all of a creator's pictures share.
    """

    topics: Array
    picture_cone: Array
    caption_cone: Array
    query_cone: Array
    noise: float
    style: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, category: Array, dimensions: int, noise: float, style: float) -> Self:
        """Topics of one category have a cosine of .36; queries lie beside captions, pictures far from both."""
        shared = unit(rng.normal(size=(int(category.max()) + 1, dimensions)))
        own = unit(rng.normal(size=(len(category), dimensions)))
        topics = unit(CATEGORY * shared[category] + 0.8 * own)
        picture, caption, apart = unit(rng.normal(size=(3, dimensions)))
        return cls(topics, picture, caption, unit(caption + 0.5 * apart), noise, style)

    def direction(self, rng: np.random.Generator) -> Array:
        """Any direction, unit length (d,)."""
        return unit(rng.normal(size=self.topics.shape[1]))

    def pictures(self, rng: np.random.Generator, label: Array, take: Array, style: Array) -> Array:
        """Raw vectors (n, d) of pictures about each label, by one creator."""
        signal = unit(self._about(label) + TAKE * take + self.style * style + self._noise(rng, len(label), self.noise))
        return _raw(PICTURE_GAP * self.picture_cone + signal)

    def captions(self, rng: np.random.Generator, label: Array, take: Array) -> Array:
        """Raw vectors (n, d) of captions about each label."""
        signal = unit(self._about(label) + TAKE * take + self._noise(rng, len(label), self.noise))
        return _raw(CAPTION_GAP * self.caption_cone + signal)

    def queries(self, rng: np.random.Generator, label: Array) -> Array:
        """Raw vectors (n, d) of briefs that ask for each label."""
        signal = unit(self._about(label) + self._noise(rng, len(label), QUERY_NOISE))
        return _raw(QUERY_GAP * self.query_cone + signal)

    def bio(self, rng: np.random.Generator, topics: list[int]) -> Array:
        """The raw vector (d,) of a bio that names these topics."""
        signal = unit(unit(self.topics[topics].sum(axis=0)) + self._noise(rng, 1, BIO_NOISE)[0])
        return _raw(CAPTION_GAP * self.caption_cone + signal)

    def means(self, rng: np.random.Generator, popular: Array) -> dict[str, Array]:
        """The mean of each kind from a sample of its own: other pictures, captions and queries than those judged."""
        label = rng.choice(len(self.topics), SAMPLED, p=popular)
        nobody = np.zeros_like(self.topics[0])
        return {
            "picture": self.pictures(rng, label, nobody, nobody).mean(axis=0),
            "caption": self.captions(rng, label, nobody).mean(axis=0),
            "query": self.queries(rng, label).mean(axis=0),
        }

    def _about(self, label: Array) -> Array:
        """The topics of labels; no direction for a post about nothing (-1)."""
        return np.where((label >= 0)[:, None], self.topics[label], 0.0)

    def _noise(self, rng: np.random.Generator, count: int, length: float) -> Array:
        dimensions = self.topics.shape[1]
        return rng.normal(size=(count, dimensions)) * (length / np.sqrt(dimensions))


def _raw(vectors: Array) -> Array:
    return unit(vectors).astype(np.float32)
