"""One world judged: every arm on the same posts, then what each choice brings. Figures by name, for one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tests.evaluate import arms, beside, indexing
from tests.evaluate.judging import TOP, Judge
from tests.evaluate.posts import (
    Items,
    Searchable,
    default_settings,
    folds_of,
    items_of,
    queries_of,
    rows_of,
    searchable,
    uncentred,
)
from tests.evaluate.truth import MEANINGS, allowed
from tests.evaluate.variants import (
    CAPTION_WEIGHTS,
    DEPTHS,
    MIN_SHARES,
    RAW_JOINS,
    TEMPERATURES,
    TUNED_FACETS,
    TUNED_JOINS,
    fold_variants,
    shape_of,
    with_one_mean,
    with_two_means,
)
from tests.evaluate.world import Shape, draw_world
from workers.config import Settings
from workers.creators.facets import FoldSettings
from workers.creators.fold import Rows
from workers.domain.vectors import Array
from workers.match.search import depth

METHOD, ORACLE, MEAN = "facets, share in the score", "kernel over all posts (the oracle)", "mean of posts"
Figures = dict[str, float]


@dataclass(frozen=True)
class Constants:
    """What ships: of the fold, of the index, of the score."""

    fold: FoldSettings
    min_share: float
    temperature: float


def shipped(dimensions: int) -> Constants:
    """The defaults of the settings, whatever the environment says."""
    defaults = {name: Settings.model_fields[name].default for name in ("facet_min_share", "share_temperature")}
    return Constants(default_settings(dimensions), defaults["facet_min_share"], defaults["share_temperature"])


class Seed:
    """A world, its posts folded with what ships, and who judges."""

    def __init__(self, seed: int, shape: Shape) -> None:
        self.world = draw_world(seed, shape)
        self.constants = shipped(shape.dimensions)
        self.judge, self.judges = Judge(self.world), {name: Judge(self.world, name) for name in MEANINGS}
        self.queries = queries_of(self.world)
        self.rows = rows_of(self.world, self.constants.fold.caption_weight)
        folds = folds_of(self.rows, self.constants.fold)
        self.held = searchable(folds, self.constants.fold, self.constants.min_share)
        self.items = items_of(self.rows, self.constants.fold)

    @property
    def fold_settings(self) -> FoldSettings:
        """Of the fold, as they ship."""
        return self.constants.fold

    def method(self, held: Searchable, queries: Array | None = None) -> Array:
        """The scores that the match would give."""
        return arms.score_shares(held, self.queries if queries is None else queries, self.constants.temperature)

    def folded(self, settings: FoldSettings, rows: list[Rows] | None = None) -> Searchable:
        """The index under other settings."""
        return searchable(folds_of(self.rows if rows is None else rows, settings), settings, self.constants.min_share)


def compare_arms(seed: Seed, oracle_temperature: float) -> dict[str, Figures]:
    """Every arm of the protocol: its metrics, nDCG under each meaning of output, vectors of a creator."""
    found: dict[str, Figures] = {}
    for name, held, scores in _arms(seed, oracle_temperature):
        others = {f"ndcg10, {meaning}": judge.ndcg10(scores) for meaning, judge in seed.judges.items()}
        found[name] = {"vectors": held.per_creator(), **asdict(seed.judge.judge(scores)), **others}
    return found


def _arms(seed: Seed, oracle_temperature: float) -> Iterator[tuple[str, Searchable, Array]]:
    items, queries = seed.items, seed.queries
    by_nearest: Mapping[str, Callable[[Array, Array], arms.Chosen]] = {
        MEAN: arms.mean,
        "recency mean": arms.recency_mean,
        "medoid": arms.medoid,
        "last 8 posts": arms.LastPosts(8),
        "k-means, 4": arms.KMeansCentres(4),
        "k-means, 8": arms.KMeansCentres(8),
        "k-means, 16": arms.KMeansCentres(16),
        "Ward medoids, 8 (PinnerSage)": arms.WardMedoids(8),
        "best single post": arms.every_post,
    }
    for name, choose in by_nearest.items():
        held = arms.represent(items, choose)
        yield name, held, arms.score_max(held, queries)
        if name in ("k-means, 8", "Ward medoids, 8 (PinnerSage)"):
            yield f"{name}, share in the score", held, seed.method(held)
        if choose is arms.every_post:
            yield ORACLE, held, arms.score_shares(held, queries, oracle_temperature)
    yield "facets, nearest only", seed.held, arms.score_max(seed.held, queries)
    yield METHOD, seed.held, _served(seed, seed.held)
    yield from _arms_of_equal_size(seed, items, queries)


def _arms_of_equal_size(seed: Seed, items: Items, queries: Array) -> Iterator[tuple[str, Searchable, Array]]:
    """As many vectors for each creator as the facets are."""
    for name, choose in (
        ("last posts", arms.LastPosts),
        ("k-means", arms.KMeansCentres),
        ("Ward medoids", arms.WardMedoids),
    ):
        held = arms.represent_like(items, seed.held, choose)
        yield f"as many as facets: {name}", held, arms.score_max(held, queries)
        yield f"as many as facets: {name}, share in the score", held, seed.method(held)


def _served(seed: Seed, held: Searchable, fetched: int | None = None) -> Array:
    """The method as it is served: only candidates are scored."""
    near = depth(TOP) if fetched is None else fetched
    return arms.only_candidates(seed.method(held), held, seed.queries, allowed(seed.world), near)


def ablate(seed: Seed) -> dict[str, dict[str, Figures]]:
    """By choice and then by value: what each brings, all else as it ships."""
    own = {"as it ships": _figures(seed, seed.held, seed.method(seed.held))}
    found: dict[str, dict[str, Figures]] = {"as it ships": own}

    def note(of: str, value: str, held: Searchable, scores: Array) -> None:
        found.setdefault(of, {})[value] = _figures(seed, held, scores)

    for variant in fold_variants(seed.constants.fold):
        held = seed.folded(variant.settings)
        note(variant.of, variant.value, held, seed.method(held))
    note("share in the score", "none: the nearest facet", seed.held, arms.score_max(seed.held, seed.queries))
    for temperature in TEMPERATURES:
        if temperature != seed.constants.temperature:
            note("temperature", f"{temperature:g}", seed.held, arms.score_shares(seed.held, seed.queries, temperature))
    for fetched in DEPTHS:
        note("facets fetched for a brief", f"{fetched}", seed.held, _served(seed, seed.held, fetched))
    _ablate_means(seed, note)
    _ablate_rows(seed, note)
    return found


Note = Callable[[str, str, Searchable, Array], None]


def _ablate_means(seed: Seed, note: Note) -> None:
    fold = seed.constants.fold
    raw = uncentred(seed.world)
    rows, queries = rows_of(raw, fold.caption_weight), queries_of(raw)
    for join in RAW_JOINS:
        held = seed.folded(replace(fold, join=join), rows)
        note("centring", f"none, join {join:g}", held, seed.method(held, queries))
    for name, world in (("one mean for all", with_one_mean(seed.world)), ("one for texts", with_two_means(seed.world))):
        held = seed.folded(fold, rows_of(world, fold.caption_weight))
        note("centring", name, held, seed.method(held, queries_of(world)))


def _ablate_rows(seed: Seed, note: Note) -> None:
    fold = seed.constants.fold
    for weight in CAPTION_WEIGHTS:
        held = seed.folded(fold, rows_of(seed.world, weight))
        note("weight of a caption", f"{weight:g}", held, seed.method(held))
    folds = folds_of(seed.rows, fold)
    for share in MIN_SHARES:
        held = searchable(folds, fold, share)
        note("least share that is searchable", f"{share:g}", held, seed.method(held))
    late = searchable(indexing.late_posts_appended(seed.rows, fold), fold, seed.constants.min_share)
    note("refold", "none: a late post is added as if it were the newest", late, seed.method(late))


def _figures(seed: Seed, held: Searchable, scores: Array) -> Figures:
    judged = asdict(seed.judge.judge(scores))
    others = {f"ndcg10, {name}": seed.judges[name].ndcg10(scores) for name in ("originals", "what comes next")}
    return {"vectors": held.per_creator(), **judged, **others}


def tune(seed: int, shape: Shape, encoder: str) -> dict[str, float]:
    """nDCG@10 of each join threshold, K and temperature, and of the oracle; and how many vectors a creator has."""
    one, found = Seed(seed, shape_of(shape, encoder)), dict[str, float]()
    posts = arms.represent(one.items, arms.every_post)
    for temperature in TEMPERATURES:
        found[f"oracle, {temperature:g}"] = one.judge.ndcg10(arms.score_shares(posts, one.queries, temperature))
    fold = one.constants.fold
    tried = [(join, fold.facets) for join in TUNED_JOINS]
    tried += [(fold.join, facets) for facets in TUNED_FACETS if facets != fold.facets]
    for join, facets in tried:
        held = one.folded(replace(fold, join=join, facets=facets))
        found[f"vectors, {join:g}, {facets}"] = held.per_creator()
        for temperature in TEMPERATURES:
            scores = arms.score_shares(held, one.queries, temperature)
            found[f"facets, {join:g}, {facets}, {temperature:g}"] = one.judge.ndcg10(scores)
    return found


def report(seed: int, shape: Shape, oracle_temperature: float) -> dict[str, Any]:
    """Everything that is reported of one seed."""
    one = Seed(seed, shape)
    return {
        "posts": len(one.world.posts.label),
        "arms": compare_arms(one, oracle_temperature),
        "ablations": ablate(one),
        "indexing": indexing.stream(
            one.rows,
            one.constants.fold,
            one.constants.min_share,
            one.judge,
            one.queries,
            one.constants.temperature,
        ),
        **beside.judged(one),
    }
