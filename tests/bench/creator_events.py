"""What the embedder says of creators, as the bench makes it: seeded, with the bundled model's number of dimensions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from workers.domain.events import PostEmbedded, PostRetracted, Profile, ProfileEmbedded
from workers.domain.events.profiles import Audience, Price
from workers.domain.perceptual import HASH_BYTES
from workers.domain.vectors import Array, to_bytes, unit

Embedding = PostEmbedded | PostRetracted | ProfileEmbedded
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
TOPICS, NOISE = 48, 0.12
SAFETY = ("violence", "nudity", "alcohol", "gambling", "weapons", "politics")
EDITED, REMOVED, LATE, PROFILED = 0.02, 0.01, 0.02, 0.05
"""What of all events is not a new post."""


@dataclass
class _Creator:
    """What one creator has done so far."""

    name: str
    topics: Sequence[int]
    captions: float
    posts: list[tuple[str, int]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    profiles: int = 0


class Stream:
    """Events of ``count`` creators, each with 1 to ``most`` topics, of whom some post much and most post little.

    Mostly new posts, with and without captions, of one to three pictures of which some were shown before; edits,
    removals, posts that come late, and profiles with a bio.
    """

    def __init__(self, model_version: str, dimensions: int, count: int, seed: int = 1, most: int = 6) -> None:
        self._model, self._dimensions = model_version, dimensions
        self._random, self._numbers = random.Random(seed), np.random.default_rng(seed)
        self._topics = unit(self._numbers.standard_normal((TOPICS, dimensions)))
        self._creators = [self._creator(number, most) for number in range(count)]
        self._often = [1.0 / (10 + number) for number in range(count)]
        self._at, self._made = BEGUN, 0

    def _creator(self, number: int, most: int) -> _Creator:
        topics = self._random.sample(range(TOPICS), self._random.randint(1, most))
        return _Creator(f"creator-{number}", topics, self._random.random())

    def take(self, count: int) -> list[Embedding]:
        """The next ``count`` events, of creators by how often they post."""
        return [self._event(creator) for creator in self._random.choices(self._creators, self._often, k=count)]

    def of_each(self) -> list[Embedding]:
        """One new post of each creator, in no order."""
        return [self._post(creator) for creator in self._random.sample(self._creators, len(self._creators))]

    def spread(self, count: int) -> list[Embedding]:
        """``count`` new posts, of as many different creators as there are."""
        found: list[Embedding] = []
        while len(found) < count:
            wanted = min(count - len(found), len(self._creators))
            found += [self._post(creator) for creator in self._random.sample(self._creators, wanted)]
        return found

    def _event(self, creator: _Creator) -> Embedding:
        kind = self._random.random()
        if kind < PROFILED:
            return self._profile(creator)
        if creator.posts and (kind := kind - PROFILED) < EDITED + REMOVED:
            place = self._random.randrange(len(creator.posts))
            post, revision = creator.posts[place]
            creator.posts[place] = (post, revision + 1)
            if kind < REMOVED:
                return PostRetracted(
                    post_id=post, creator_id=creator.name, revision=revision + 1, model_version=self._model
                )
            return self._made_of(creator, post, revision + 1, self._at - timedelta(hours=self._random.randrange(400)))
        return self._post(creator, late=kind < EDITED + REMOVED + LATE)

    def _post(self, creator: _Creator, late: bool = False) -> PostEmbedded:
        self._at += timedelta(seconds=40)
        self._made += 1
        post = f"{creator.name}/post-{self._made}"
        creator.posts.append((post, 1))
        at = self._at - timedelta(days=self._random.randrange(1, 30)) if late else self._at
        return self._made_of(creator, post, 1, at)

    def _made_of(self, creator: _Creator, post: str, revision: int, at: datetime) -> PostEmbedded:
        topic = self._random.choice(creator.topics)
        captioned = self._random.random() < creator.captions
        return PostEmbedded(
            post_id=post,
            creator_id=creator.name,
            revision=revision,
            published_at=at,
            model_version=self._model,
            visual=to_bytes(self._vector(topic)),
            caption=to_bytes(self._vector(topic)) if captioned else None,
            event_hash=self._random.randbytes(32).hex(),
            visual_hashes=tuple(self._look(creator) for _ in range(self._random.choice((1, 1, 2, 3)))),
            safety={name: round(self._random.random() / 20, 6) for name in SAFETY},
            safety_revision=1,
        )

    def _vector(self, topic: int) -> Array:
        return unit(self._topics[topic] + NOISE * self._numbers.standard_normal(self._dimensions))

    def _look(self, creator: _Creator) -> str:
        if creator.looks and self._random.random() < 0.05:
            return self._random.choice(creator.looks[-50:])
        creator.looks.append(self._random.randbytes(HASH_BYTES).hex())
        return creator.looks[-1]

    def _profile(self, creator: _Creator) -> ProfileEmbedded:
        creator.profiles += 1
        profile = Profile(
            name=creator.name,
            bio=f"What {creator.name} says of herself, for the {creator.profiles}th time: travel, food and old boats.",
            platforms=("instagram", "tiktok"),
            language="en",
            country="NL",
            category="travel",
            followers=1000 * creator.profiles,
            engagement=0.03,
            price=Price(amount=450.0, currency="EUR"),
            audience=Audience(
                gender={"women": 0.62, "men": 0.36},
                age={"18-24": 0.4, "25-34": 0.35, "35-44": 0.2},
                country={"NL": 0.5, "DE": 0.2, "BE": 0.1, "FR": 0.1},
            ),
            follower_sample=tuple(self._random.randbytes(8).hex() for _ in range(64)),
        )
        bio = to_bytes(self._vector(creator.topics[0]))
        return ProfileEmbedded(
            creator_id=creator.name, revision=creator.profiles, model_version=self._model, profile=profile, bio=bio
        )
