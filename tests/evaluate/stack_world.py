"""Creators by our own fold over posts drawn from the pool, and the exact answers about them by numpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.evaluate.stack_cells import COUNTRIES, Cell, followers_at
from tests.evaluate.stack_pool import Pool
from workers.creators.facets import FoldSettings
from workers.creators.fold import Fold, Rows, fold_rows, with_new_post
from workers.creators.rows import PostRow, ProfileRow
from workers.creators.updates import creator_updated
from workers.domain.events import Audience, CreatorUpdated, Price, Profile
from workers.domain.score import share_weighted
from workers.domain.vectors import Array, from_bytes, to_bytes, unit

POSTS = (14, 30)
TOPICS = 9
SPREAD = 0.08
"""How far from a creator's place on the axis the topics lie, as a share of the axis; one topic lies anywhere."""
_NOW = datetime(2026, 11, 1, tzinfo=UTC)
_DAYS = 120
_PLATFORMS = ("instagram", "tiktok", "youtube")
_LANGUAGES = {"US": "en", "GB": "en", "DE": "de", "FR": "fr", "IT": "it", "SE": "sv", "ES": "es"}


@dataclass(frozen=True, slots=True)
class Made:
    """A creator: where on the axis, the event, and the event after one more post."""

    place: float
    country: str
    event: CreatorUpdated
    later: CreatorUpdated


def made_creators(pool: Pool, settings: FoldSettings, count: int, seed: int) -> Iterator[Made]:
    """``count`` creators. Their places on the axis are even, so that a range of followers is a share of them."""
    rng = np.random.default_rng(seed)
    places = (rng.permutation(count) + 0.5) / count
    countries = rng.permutation(np.repeat([*COUNTRIES.values(), "ES"], _heads(count)))
    for number in range(count):
        place, country = float(places[number]), str(countries[number])
        fold, later = _folds(f"creator-{number:06d}", _profile(rng, pool, place, country), pool, place, rng, settings)
        yield Made(place, country, creator_updated(fold, settings), creator_updated(later, settings))


def _heads(count: int) -> list[int]:
    shares = [round(share * count) for share in COUNTRIES]
    return [*shares, count - sum(shares)]


def _folds(
    creator_id: str, profile: ProfileRow, pool: Pool, place: float, rng: np.random.Generator, settings: FoldSettings
) -> tuple[Fold, Fold]:
    number = int(rng.integers(*POSTS))
    topics = np.clip(np.round((place + SPREAD * rng.standard_normal(TOPICS)) * len(pool.topics)), 0, None).astype(int)
    topics[-1] = rng.integers(len(pool.topics))
    chosen = np.minimum(
        rng.choice(topics, size=number + 1, p=rng.dirichlet(np.full(TOPICS, 2.0))), len(pool.topics) - 1
    )
    visual, caption = rng.integers(pool.visual.shape[1], size=(2, number + 1))
    a = settings.caption_weight
    xs = unit((1 - a) * pool.visual[chosen, visual] + a * pool.caption[chosen, caption]).astype(np.float16)
    at = np.sort(rng.integers(_DAYS * 86_400_000, size=number))
    start = round((_NOW - timedelta(days=_DAYS)).timestamp() * 1000)
    rows = {
        f"{creator_id}-{post}": PostRow(1, published_ms=start + int(at[post]), x=xs[post]) for post in range(number)
    }
    fold = fold_rows(creator_id, Rows(rows, profile), settings)
    new = PostRow(1, published_ms=round(_NOW.timestamp() * 1000), x=xs[number])
    later = with_new_post(fold, f"{creator_id}-{number}", new, settings)
    assert later is not None
    return fold, later


def _profile(rng: np.random.Generator, pool: Pool, place: float, country: str) -> ProfileRow:
    topic = min(int(place * len(pool.topics)), len(pool.topics) - 1)
    women = round(float(rng.uniform(0.1, 0.9)), 3)
    young = round(float(rng.uniform(0.1, 0.5)), 3)
    followers = followers_at(place)
    profile = Profile(
        name=f"{pool.topics[topic].name.title()} and more",
        bio=f"I post about {pool.topics[topic].name}",
        platforms=tuple(sorted(rng.choice(_PLATFORMS, size=2, replace=False).tolist())),
        language=_LANGUAGES[country],
        country=country,
        category=pool.topics[topic].name,
        followers=followers,
        engagement=round(float(rng.beta(2, 40)), 4),
        price=Price(amount=float(round(50 + followers * 0.008)), currency="EUR"),
        audience=Audience(
            gender={"women": women, "men": round(1 - women, 3)},
            age={"18-24": young, "25-34": round(0.5 * (1 - young), 3)},
            country={country: 0.5},
        ),
    )
    bio = pool.caption[topic, int(rng.integers(pool.caption.shape[1]))]
    return ProfileRow(1, bytes(8), profile, to_bytes(bio))


class Exact:
    """What is true of all creators together: vectors as they are stored, and exact answers over them."""

    def __init__(self, made: list[Made], min_share: float, temperature: float) -> None:
        facets = [[facet for facet in one.event.facets if facet.share >= min_share] for one in made]
        self.creators = [one.event.creator_id for one in made]
        self.places = np.array([one.place for one in made])
        self.countries = np.array([one.country for one in made])
        self.facet_ids = [facet.facet_id for own in facets for facet in own]
        self._vectors = unit(np.stack([from_bytes(facet.vector) for own in facets for facet in own]))
        self._shares = np.array([facet.share for own in facets for facet in own])
        counts = np.array([len(own) for own in facets])
        self._starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
        self._owners = np.repeat(np.arange(len(made)), counts)
        self._temperature = temperature

    def cosines(self, query: Array) -> Array:
        """Of every facet with a query (d,): (F,)."""
        return np.asarray(self._vectors @ query)

    def of_facets(self, allowed: Array) -> Array:
        """A choice of creators (C,) as one of their facets (F,)."""
        return np.asarray(allowed[self._owners])

    def allowed(self, cell: Cell, place: float) -> Array:
        """Which creators a cell's filter allows for a brief at a place on the axis: bool (C,)."""
        return cell.allowed(place, self.places, self.countries)

    def scores(self, cosines: Array) -> Array:
        """The share-weighted score of every creator, from the cosines of their facets (F, A), aspects alike: (C,)."""
        weights = np.full(cosines.shape[1], 1 / cosines.shape[1])
        return share_weighted(cosines, self._shares, self._starts, weights, self._temperature).total


def recall(found: Array, truth: Array, k: int, tolerance: float) -> float:
    """The share of the best ``k`` that was found. ``found``: true values of what was answered, ``truth``: of all.

    Whoever is as good as the k-th, within ``tolerance``, is one of the best: equal ones may stand for each other.
    """
    wanted = min(k, len(truth))
    if not wanted:
        return 1.0
    least = np.partition(truth, -wanted)[-wanted] - tolerance
    return min(1.0, float((found[:wanted] >= least).sum()) / wanted)
