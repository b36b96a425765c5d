"""What stands beside the semantic score: bios that are true and bios that lie, audiences, briefs of two aspects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from tests.evaluate import arms
from tests.evaluate.judging import TOP, Judge
from tests.evaluate.posts import Searchable
from tests.evaluate.truth import share_of_output
from tests.evaluate.world import World
from workers.creators.facets import FoldSettings
from workers.creators.fold import Rows
from workers.domain.vectors import Array, centre, unit
from workers.evaluate.metrics import ndcg_at
from workers.match.parts import BIO_POSTS, NEUTRAL, audience_part, audience_parts, bio_parts
from workers.match.ranking import DEFAULT_WEIGHTS

FEW = 4
"""Posts known of a creator who has just been found."""
PAIRS = 200
_WEIGHTS = (0.15, 0.3, 1.0)
_WHATEVER = ", as much whatever the posts"


class Judged(Protocol):
    """A world with its posts folded (``tests.evaluate.simulation.Seed``)."""

    world: World
    queries: Array
    rows: list[Rows]
    held: Searchable

    @property
    def fold_settings(self) -> FoldSettings: ...

    def method(self, held: Searchable, queries: Array | None = None) -> Array: ...

    def folded(self, settings: FoldSettings, rows: list[Rows] | None = None) -> Searchable: ...


def judged(seed: Judged) -> dict[str, dict[str, float]]:
    """nDCG@10 by what was tried, for each of the three."""
    return {"bio": _bios(seed), "audience": _audience(seed), "aspects": _aspects(seed)}


def _bios(seed: Judged) -> dict[str, float]:
    """With no bios, with honest ones alone, with lies alone, and as they come; without the gate, and without trust."""
    creators = seed.world.creators
    whose = {
        "honest": creators.has_bio & ~creators.bio_lies,
        "lying": creators.has_bio & creators.bio_lies,
        "as they come": creators.has_bio,
    }
    fewer = [_newest(own) for own in seed.rows]
    judges = {name: Judge(seed.world, name) for name in ("output", "what comes next")}
    found: dict[str, float] = {}
    for known, held, rows in (
        ("all posts known", seed.held, seed.rows),
        (f"{FEW} posts known", seed.folded(seed.fold_settings, fewer), fewer),
    ):
        scores = seed.method(held)
        tried = {"no bios": scores}
        posts = np.array([len(own.posts) for own in rows])
        for population, who in whose.items():
            for how, part in _bio(seed, held, posts).items():
                for weight in (DEFAULT_WEIGHTS["bio"],) if how == _WHATEVER else _WEIGHTS:
                    tried[f"{population}{how}, {weight:g}"] = scores + weight * np.where(who, part, NEUTRAL)
        for name, judge in judges.items():
            found |= {f"{known} | {name} | {what}": judge.ndcg10(given) for what, given in tried.items()}
    return found


def _newest(own: Rows) -> Rows:
    newest = sorted(own.posts, key=lambda post_id: (own.posts[post_id].published_ms, post_id))[-FEW:]
    return Rows({post_id: own.posts[post_id] for post_id in newest})


def _bio(seed: Judged, held: Searchable, posts: Array) -> dict[str, Array]:
    """The bio part (B, C) as it ships, and otherwise."""
    bios = centre(seed.world.creators.bio, seed.world.means["caption"])
    owner = np.repeat(np.arange(len(bios)), np.diff(held.starts))
    cosines = np.einsum("fd,fd->f", held.vectors, bios[owner])[:, None]
    own = (cosines, held.shares, held.starts[:-1])

    def served(posts: Array) -> Array:
        one = np.ones(1)
        return np.array([bio_parts(bios, query[None], one, *own, posts) for query in seed.queries])

    trust = BIO_POSTS / (BIO_POSTS + posts)
    return {
        "": served(posts),
        ", no gate": NEUTRAL + 0.5 * trust * np.clip(seed.queries @ bios.T, -1.0, 1.0),
        _WHATEVER: served(np.zeros(len(bios), dtype=int)),
    }


def _audience(seed: Judged) -> dict[str, float]:
    """Truth: the share of output, times how much of the audience wanted the creator's own covers."""
    world = seed.world
    wanted = [{"gender": {"women": women, "men": 1 - women}} for women in world.briefs.women]
    actual = [{"gender": {"women": women, "men": 1 - women}} for women in world.creators.women]
    told: list[Mapping[str, Mapping[str, float]]] = [
        each if known else {} for each, known in zip(actual, world.creators.audience_known, strict=True)
    ]
    true = np.array([[audience_part(want, each) for each in actual] for want in wanted])
    seen = np.array([audience_parts(want, told) for want in wanted])
    fixed = np.array([[audience_part(want, each) for each in told] for want in wanted])
    judge = Judge(world, share=share_of_output(world, "output") * true)
    scores = seed.method(seed.held)
    ships = DEFAULT_WEIGHTS["audience"]
    found = {f"weight {weight:g}": judge.ndcg10(scores + weight * seen) for weight in sorted({0.0, 0.05, 0.3, ships})}
    return {**found, f"weight {ships:g}, the unknown at one half": judge.ndcg10(scores + ships * fixed)}


def _aspects(seed: Judged) -> dict[str, float]:
    """Briefs that ask for two of a creator's topics at once; truth: the geometric mean of both shares."""
    share = share_of_output(seed.world, "output")
    chance = np.random.default_rng(8)
    pairs = [np.argsort(-share[:, creator])[:2] for creator in chance.permutation(share.shape[1])[:PAIRS]]
    single = seed.method(seed.held)
    blended = seed.method(seed.held, np.array([unit(seed.queries[pair].sum(axis=0)) for pair in pairs]))
    nearest = arms.score_max(seed.held, seed.queries)
    tried = {
        "an aspect each, their scores weighted": [single[pair].mean(axis=0) for pair in pairs],
        "one vector for both": list(blended),
        "an aspect each, the nearest facets alone": [nearest[pair].mean(axis=0) for pair in pairs],
    }
    truth = [np.sqrt(share[pair[0]] * share[pair[1]]) for pair in pairs]
    return {
        name: float(np.mean([_ndcg(s, t) for s, t in zip(scores, truth, strict=True)]))
        for name, scores in tried.items()
    }


def _ndcg(scores: Array, gains: Array) -> float:
    return ndcg_at(TOP, list(gains[np.argsort(-scores, kind="stable")[:TOP]]), list(gains))
