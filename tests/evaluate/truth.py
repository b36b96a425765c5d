"""What is true of creators, by latent labels alone: shares of output, under several meanings of "output"."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.evaluate.world import DAY_MS, FIRST_MS, World
from workers.domain.vectors import Array

RELEVANT, TAIL = 0.08, 0.20
"""A creator is relevant from this share of output on; up to the other, the brief is about a tail of it."""
MEANINGS: Mapping[str, str] = {
    "output": "share of posts, a post of 60 days ago counting half",
    "output, 20 days": "the same with 20 days, which is not the method's half-life",
    "output, 180 days": "the same with 180 days",
    "originals": "as the first, posts that show an earlier picture again not counted",
    "what comes next": "share of posts from the last day on, by the latent mixture: no post of it was seen",
}
_HALF_LIVES = {"output": 60.0, "output, 20 days": 20.0, "output, 180 days": 180.0, "originals": 60.0}


def share_of_output(world: World, meaning: str) -> Array:
    """The share (B, C) of each creator's output that is about each brief's topic."""
    if meaning == "what comes next":
        return np.asarray(world.creators.share_now.T[world.briefs.topic])
    posts = world.posts
    age_days = (FIRST_MS + world.shape.days * DAY_MS - posts.published_ms) / DAY_MS
    weight = 2.0 ** (-age_days / _HALF_LIVES[meaning])
    if meaning == "originals":
        weight = weight * ~posts.again
    whole = np.bincount(posts.creator, weight, world.shape.creators)
    by_topic = np.zeros((world.shape.topics, world.shape.creators))
    about = posts.label >= 0
    np.add.at(by_topic, (posts.label[about], posts.creator[about]), weight[about])
    return np.asarray((by_topic / whole)[world.briefs.topic])


def allowed(world: World) -> Array:
    """Whom each brief's filter lets through, bool (B, C)."""
    wanted = world.briefs.language[:, None]
    return np.asarray((wanted < 0) | (world.creators.language[None, :] == wanted))


def of_the_category(world: World) -> Array:
    """Creators who make a tenth of their output in the category of each brief, bool (B, C)."""
    shape, posts = world.shape, world.posts
    about = posts.label >= 0
    by_category = np.zeros((shape.categories, shape.creators))
    np.add.at(by_category, (world.topic_category[posts.label[about]], posts.creator[about]), 1.0)
    share = by_category / np.bincount(posts.creator, minlength=shape.creators)
    return np.asarray(share[world.topic_category[world.briefs.topic]] >= 0.1)
