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
from workers.match.parts import NEUTRAL, audience_part, bio_parts
from workers.match.ranking import DEFAULT_WEIGHTS

FEW = 4
"""Posts known of a creator who has just been found."""
PAIRS = 200
_WEIGHTS = (0.05, 0.15, 0.3)


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
    """With no bios, with honest ones alone, with lies alone, and as they come; with and without the gate."""
    creators = seed.world.creators
    whose = {
        "honest": creators.has_bio & ~creators.bio_lies,
        "lying": creators.has_bio & creators.bio_lies,
        "as they come": creators.has_bio,
    }
    few = seed.folded(seed.fold_settings, [_newest(own) for own in seed.rows])
    found: dict[str, float] = {}
    for known, held in (("all posts known", seed.held), (f"{FEW} posts known", few)):
        scores = seed.method(held)
        judges = {name: Judge(seed.world, name) for name in ("output", "what comes next")}
        for name, judge in judges.items():
            found[f"{known} | {name} | none"] = judge.ndcg10(scores)
        for population, who in whose.items():
            parts = {"gated": _bio(seed, held, who, gated=True), "not gated": _bio(seed, held, who, gated=False)}
            for how, part in parts.items():
                for weight in sorted({*_WEIGHTS, DEFAULT_WEIGHTS["bio"]}):
                    for name, judge in judges.items():
                        key = f"{known} | {name} | {population}, {how}, {weight:g}"
                        found[key] = judge.ndcg10(scores + weight * part)
    return found


def _newest(own: Rows) -> Rows:
    newest = sorted(own.posts, key=lambda post_id: (own.posts[post_id].published_ms, post_id))[-FEW:]
    return Rows({post_id: own.posts[post_id] for post_id in newest})


def _bio(seed: Judged, held: Searchable, who: Array, *, gated: bool) -> Array:
    """The bio part (B, C), neutral for whoever has no bio."""
    bios = centre(seed.world.creators.bio, seed.world.means["caption"])
    if not gated:
        part = NEUTRAL + 0.5 * np.clip(seed.queries @ bios.T, -1.0, 1.0)
        return np.where(who, part, NEUTRAL)
    owner = np.repeat(np.arange(len(who)), np.diff(held.starts))
    cosines = np.einsum("fd,fd->f", held.vectors, bios[owner])[:, None]
    one = np.ones(1)
    rows = [bio_parts(bios, query[None], one, cosines, held.shares, held.starts[:-1]) for query in seed.queries]
    return np.where(who, np.array(rows), NEUTRAL)


def _audience(seed: Judged) -> dict[str, float]:
    """Truth: the share of output, times how much of the audience wanted the creator's own covers."""
    world = seed.world
    wanted = [{"gender": {"women": women, "men": 1 - women}} for women in world.briefs.women]
    actual = [{"gender": {"women": women, "men": 1 - women}} for women in world.creators.women]
    told: list[Mapping[str, Mapping[str, float]]] = [
        each if known else {} for each, known in zip(actual, world.creators.audience_known, strict=True)
    ]
    true = np.array([[audience_part(want, each) for each in actual] for want in wanted])
    seen = np.array([[audience_part(want, each) for each in told] for want in wanted])
    judge = Judge(world, share=share_of_output(world, "output") * true)
    scores = seed.method(seed.held)
    weights = sorted({0.0, 0.05, 0.3, DEFAULT_WEIGHTS["audience"]})
    return {f"weight {weight:g}": judge.ndcg10(scores + weight * seen) for weight in weights}


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
