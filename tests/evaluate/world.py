"""A world whose truth is known: creators post about latent topics, and briefs ask for them. Pure, of a seed.

The vectors are what an encoder of two modalities gives: picture and text of one thing point the same way only within
their own cone (the modality gap, Liang et al., NeurIPS 2022), so that a mean must be taken off first. The labels are
never read by what is judged, and the vectors never by what judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.evaluate.encoder import Encoder
from workers.domain.vectors import Array

DAY_MS = 86_400_000
FIRST_MS = 1_735_689_600_000
"""2025-01-01, the first day of every world."""
NOTHING = -1
"""The label of a post that is about nothing."""


@dataclass(frozen=True)
class Shape:
    """How large a world is, and how hard.

    ``off_topic``, ``nothing``: mean shares of posts about anything at all, and about nothing; ``reposters``: share of
    creators who show their own pictures again; ``late``: share of facets that start or stop within the time;
    ``noise``, ``style``: of the encoder.
    """

    creators: int = 600
    topics: int = 192
    categories: int = 16
    dimensions: int = 128
    posts: int = 75
    days: int = 540
    off_topic: float = 0.15
    nothing: float = 0.05
    reposters: float = 0.2
    late: float = 0.5
    noise: float = 1.15
    style: float = 0.3


@dataclass(frozen=True, eq=False)
class Posts:
    """All posts, by creator and then by time. ``picture`` and ``caption`` are raw vectors (n, d), where ``shows`` and
    ``says``; ``look`` is equal for two posts that show the same picture; ``again`` marks the later of them.
    """

    creator: Array
    published_ms: Array
    label: Array
    picture: Array
    caption: Array
    shows: Array
    says: Array
    look: Array
    again: Array


@dataclass(frozen=True, eq=False)
class Creators:
    """``share_now`` (C, T): what each will post about from the last day on, by the latent mixture.

    ``women`` is the true share of the audience, ``audience_known`` whether a profile says it; ``bio`` raw (C, d).
    ``bio_lies``: the bio names topics that the creator does not post about.
    """

    category: Array
    caption_rate: Array
    language: Array
    share_now: Array
    women: Array
    audience_known: Array
    bio: Array
    has_bio: Array
    bio_lies: Array


@dataclass(frozen=True, eq=False)
class Briefs:
    """A brief for each topic: raw query vectors (B, d), the language wanted (-1: any), the share of women wanted."""

    topic: Array
    query: Array
    language: Array
    women: Array


@dataclass(frozen=True, eq=False)
class World:
    """All of it, and the means that centre each kind, estimated from other posts than those judged."""

    shape: Shape
    topic_category: Array
    creators: Creators
    posts: Posts
    briefs: Briefs
    means: dict[str, Array]


@dataclass(frozen=True)
class _Facet:
    topic: int
    weight: float
    start: float
    stop: float
    take: Array


def draw_world(seed: int, shape: Shape) -> World:
    """The world of a seed: the same whoever draws it."""
    rng = np.random.default_rng([seed, 6])
    category = np.arange(shape.topics) % shape.categories
    encoder = Encoder.drawn(rng, category, shape.dimensions, shape.noise, shape.style)
    popular = 1.0 / (1.0 + rng.permutation(shape.topics)) ** 0.5
    creators = _Drawn(rng, shape, encoder, category, popular / popular.sum())
    mixtures = [creators.mixture() for _ in range(shape.creators)]
    posts = creators.posts(mixtures)
    return World(
        shape,
        category,
        creators.creators(mixtures, posts),
        posts,
        creators.briefs(),
        encoder.means(np.random.default_rng([seed, 7]), popular / popular.sum()),
    )


@dataclass(frozen=True)
class _Mixture:
    """A creator before there is a post."""

    category: int
    facets: tuple[_Facet, ...]
    off_topic: float
    caption_rate: float
    reposts: float
    style: Array

    def active(self, day: Array) -> Array:
        """The latent mixture (days, facets) of each day; the first facet where none is active."""
        inside = np.array([(each.start <= day) & (day < each.stop) for each in self.facets]).T
        weights = inside * np.array([each.weight for each in self.facets])
        weights[~inside.any(axis=1), 0] = 1.0
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


class _Drawn:
    """Draws everything from one generator of chance, in one order."""

    def __init__(self, rng: np.random.Generator, shape: Shape, encoder: Encoder, category: Array, popular: Array):
        self._rng, self._shape, self._encoder = rng, shape, encoder
        self._category, self._popular = category, popular

    def mixture(self) -> _Mixture:
        """2 to 6 facets, most of them of the creator's own category; half of them come or go."""
        rng, shape = self._rng, self._shape
        home = int(rng.integers(shape.categories))
        own = np.flatnonzero(self._category == home)
        topics: dict[int, None] = {}
        wanted = int(rng.integers(2, 7))
        while len(topics) < wanted:
            near = rng.random() < 0.6
            topics[int(rng.choice(own)) if near else int(rng.choice(shape.topics, p=self._popular))] = None
        weights = np.sort(rng.dirichlet(np.full(wanted, 1.0)))[::-1]
        facets = tuple(
            self._facet(topic, float(weight), first=index == 0)
            for index, (topic, weight) in enumerate(zip(topics, weights, strict=True))
        )
        return _Mixture(
            home,
            facets,
            off_topic=float(rng.beta(2, 2 / shape.off_topic - 2)),
            caption_rate=float(rng.beta(0.8, 0.8)),
            reposts=float(rng.beta(2, 4)) if rng.random() < shape.reposters else 0.0,
            style=self._encoder.direction(rng),
        )

    def _facet(self, topic: int, weight: float, *, first: bool) -> _Facet:
        rng, days = self._rng, self._shape.days
        start, stop = 0.0, float("inf")
        if not first and rng.random() < self._shape.late:
            if rng.random() < 0.5:
                start = float(rng.uniform(0.2, 0.95)) * days
            else:
                stop = float(rng.uniform(0.2, 0.95)) * days
        return _Facet(topic, weight, start, stop, self._encoder.direction(rng))

    def posts(self, mixtures: Sequence[_Mixture]) -> Posts:
        """Posts of all creators; how many each has is skewed: half of all posts are of a sixth of the creators."""
        parts = [self._posts_of(index, mixture) for index, mixture in enumerate(mixtures)]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        creator, day, label, picture, caption, shows, says, look, again = columns
        published = FIRST_MS + (day * DAY_MS).astype(np.int64)
        return Posts(creator, published, label, picture, caption, shows, says, look, again)

    def _posts_of(self, creator: int, mixture: _Mixture) -> tuple[Array, ...]:
        rng, shape = self._rng, self._shape
        skew = rng.lognormal(-0.5, 1.0)
        n = int(np.clip(round(shape.posts * skew), 8, 20 * shape.posts))
        day = np.sort(rng.uniform(0, shape.days, n))
        chances = mixture.active(day).cumsum(axis=1)
        facet = np.minimum((rng.random((n, 1)) > chances).sum(axis=1), len(mixture.facets) - 1)
        label = np.array([each.topic for each in mixture.facets])[facet]
        take = np.array([each.take for each in mixture.facets])[facet]
        off = rng.random(n) < mixture.off_topic
        label = np.where(off, rng.choice(shape.topics, n, p=self._popular), label)
        label = np.where(rng.random(n) < shape.nothing, NOTHING, label)
        take = np.where(off[:, None], 0.0, take)
        again = (rng.random(n) < mixture.reposts) & (np.arange(n) > 0)
        original = np.arange(n)
        for index in np.flatnonzero(again):
            original[index] = original[rng.integers(index)]
        label = label[original]
        picture = self._encoder.pictures(rng, label, take, mixture.style)[original]
        says = rng.random(n) < mixture.caption_rate
        shows = ~says | (rng.random(n) < 0.97)
        caption = self._encoder.captions(rng, label, take[original])
        look = creator * 1_000_000 + original
        return np.full(n, creator), day, label, picture, caption, shows, says, look, again

    def creators(self, mixtures: Sequence[_Mixture], posts: Posts) -> Creators:
        """What is known of creators besides posts: bios, most of them honest, and audiences, half of them told."""
        rng, shape = self._rng, self._shape
        count = len(mixtures)
        share_now = np.zeros((count, shape.topics))
        for index, mixture in enumerate(mixtures):
            today = mixture.active(np.array([float(shape.days)]))[0] * (1 - mixture.off_topic)
            for facet, share in zip(mixture.facets, today, strict=True):
                share_now[index, facet.topic] += share
            share_now[index] += mixture.off_topic * self._popular
        lies = rng.random(count) < 0.25
        told = np.array(
            [
                self._encoder.bio(rng, self._named(mixture, bool(lie)))
                for mixture, lie in zip(mixtures, lies, strict=True)
            ]
        )
        home = np.array([mixture.category for mixture in mixtures])
        women = np.clip(rng.beta(3, 3, shape.categories)[home] + rng.normal(0, 0.12, count), 0.02, 0.98)
        return Creators(
            category=home,
            caption_rate=np.array([mixture.caption_rate for mixture in mixtures]),
            language=rng.choice(3, count, p=[0.5, 0.3, 0.2]),
            share_now=share_now * (1 - shape.nothing),
            women=women,
            audience_known=rng.random(count) < 0.6,
            bio=told,
            has_bio=rng.random(count) < 0.85,
            bio_lies=lies,
        )

    def _named(self, mixture: _Mixture, lie: bool) -> list[int]:
        """The topics that a bio names: the creator's greatest two or three, or such as they never post about."""
        real = [facet.topic for facet in mixture.facets]
        if not lie:
            return real[: int(self._rng.integers(2, 4))]
        others = np.setdiff1d(np.arange(self._shape.topics), real)
        return [int(topic) for topic in self._rng.choice(others, 2, replace=False)]

    def briefs(self) -> Briefs:
        """One for each topic; half of them want a language."""
        rng, shape = self._rng, self._shape
        topics = np.arange(shape.topics)
        language = np.where(rng.random(shape.topics) < 0.5, rng.choice(2, shape.topics), -1)
        return Briefs(topics, self._encoder.queries(rng, topics), language, rng.choice([0.3, 0.5, 0.7], shape.topics))
