"""The worlds of the evaluation: of a seed, with a modality gap, and judged by labels alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluate import arms
from tests.evaluate.judging import Judge
from tests.evaluate.posts import (
    default_settings,
    folds_of,
    items_of,
    published,
    queries_of,
    rows_of,
    searchable,
    uncentred,
)
from tests.evaluate.truth import MEANINGS, allowed, share_of_output
from tests.evaluate.world import NOTHING, Shape, World, draw_world
from workers.domain.vectors import centre, from_bytes

SMALL = Shape(creators=60, topics=24, categories=6, dimensions=64, posts=40)


@pytest.fixture(scope="module")
def world() -> World:
    """One small world for all tests of this module."""
    return draw_world(5, SMALL)


def test_a_seed_is_a_world(world: World) -> None:
    """The same vectors and labels each time; another seed, another world."""
    again, other = draw_world(5, SMALL), draw_world(6, SMALL)
    assert np.array_equal(world.posts.picture, again.posts.picture)
    assert np.array_equal(world.posts.label, again.posts.label)
    assert not np.array_equal(world.briefs.query, other.briefs.query)


def test_posts_stand_by_creator_and_then_by_time(world: World) -> None:
    """What reads them in that order is right to."""
    posts = world.posts
    assert (np.diff(posts.creator) >= 0).all()
    assert (np.diff(posts.published_ms)[np.diff(posts.creator) == 0] >= 0).all()


def test_pictures_and_texts_lie_in_two_cones_until_their_means_are_taken_off(world: World) -> None:
    """Any two pictures are alike in raw vectors, and not in centred ones."""
    raw = world.posts.picture
    centred = centre(raw, world.means["picture"])
    half = len(raw) // 2
    assert (raw[:half] @ raw[-half:].T).mean() > 0.5
    assert abs((centred[:half] @ centred[-half:].T).mean()) < 0.1
    assert abs((raw[:half] @ world.posts.caption[-half:].T).mean()) < 0.2


def test_posts_about_one_thing_are_alike_and_a_brief_is_like_the_posts_it_asks_for(world: World) -> None:
    """Far above chance, far below identity: as in a real model."""
    posts = world.posts
    centred, queries = centre(posts.picture, world.means["picture"]), queries_of(world)
    topic = int(np.bincount(posts.label[posts.label >= 0]).argmax())
    own, other = centred[posts.label == topic], centred[posts.label == NOTHING]
    assert 0.3 < (own @ own.T).mean() < 0.7
    assert (own @ queries[topic]).mean() > 0.35
    assert abs((other @ queries[topic]).mean()) < 0.15


@pytest.mark.parametrize("meaning", MEANINGS)
def test_shares_of_output_are_shares(world: World, meaning: str) -> None:
    """Of every creator, over all topics: at most one, and less where posts are about nothing."""
    whole = share_of_output(world, meaning).sum(axis=0)
    assert (whole <= 1 + 1e-9).all()
    assert 0.8 < whole.mean() < 1.0


def test_scores_by_the_truth_are_judged_perfect_and_scores_by_chance_are_not(world: World) -> None:
    """A creator who is not scored is not served."""
    share = share_of_output(world, "output")
    perfect = Judge(world).judge(share)
    assert (perfect.ndcg10, perfect.recall50, perfect.auc_in_category) == pytest.approx((1.0, 1.0, 1.0))
    chance = np.random.default_rng(1).random(share.shape)
    assert Judge(world).judge(chance).ndcg10 < 0.6
    unscored = np.where(share > 0, -np.inf, 0.0)
    assert Judge(world).judge(unscored).ndcg10 == 0.0


def test_a_filter_hides_creators_from_a_brief_whatever_their_score(world: World) -> None:
    """Those it refuses are neither served nor missed."""
    share, may = share_of_output(world, "output"), allowed(world)
    assert not may.all()
    bribed = np.where(may, share, 10.0)
    assert Judge(world).judge(bribed).ndcg10 == pytest.approx(1.0)


def test_the_posts_pass_through_the_workers_code_and_facets_beat_the_mean(world: World) -> None:
    """A world this small already shows what the large ones measure; without centring it is lost."""
    settings = default_settings(SMALL.dimensions)
    rows = rows_of(world, settings.caption_weight)
    assert sum(len(each.posts) for each in rows) == len(world.posts.label)
    folds = folds_of(rows, settings)
    held, items, queries = searchable(folds, settings, 0.02), items_of(rows, settings), queries_of(world)
    judge = Judge(world)
    facets = judge.judge(arms.score_shares(held, queries, 0.1))
    plain = judge.judge(arms.score_max(arms.represent(items, arms.mean), queries))
    assert facets.ndcg10 > plain.ndcg10 + 0.05
    raw = uncentred(world)
    raw_folds = folds_of(rows_of(raw, settings.caption_weight), settings)
    uncentred_facets = arms.score_shares(searchable(raw_folds, settings, 0.02), queries_of(raw), 0.1)
    assert judge.judge(uncentred_facets).ndcg10 < facets.ndcg10 - 0.05


def test_every_arm_has_unit_vectors_and_shares_that_are_shares(world: World) -> None:
    """However few posts a creator has; as many vectors as another representation where that is asked."""
    settings = replace(default_settings(SMALL.dimensions), duplicate_weight=1.0)
    rows = rows_of(world, settings.caption_weight)
    folds = folds_of(rows, settings)
    held, items = searchable(folds, settings, 0.02), items_of(rows, settings)
    plain = [arms.mean, arms.recency_mean, arms.medoid, arms.every_post, arms.LastPosts(8)]
    for choose in [*plain, arms.KMeansCentres(4), arms.WardMedoids(8)]:
        found = arms.represent(items, choose)
        assert len(found.starts) == SMALL.creators + 1
        assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1.0, abs=1e-3)
        assert np.add.reduceat(found.shares, found.starts[:-1]) == pytest.approx(1.0)
    alike = arms.represent_like(items, held, arms.WardMedoids)
    assert (np.diff(alike.starts) <= np.diff(held.starts)).all()
    assert alike.per_creator() > 0.9 * held.per_creator()


def test_the_mean_of_weights_is_the_facets_own_recency_mean(world: World) -> None:
    """One arm stands for what the creators worker publishes as ``recency_mean``."""
    settings = replace(default_settings(SMALL.dimensions), duplicate_weight=1.0)
    rows = rows_of(world, settings.caption_weight)
    folds = folds_of(rows, settings)
    found = arms.represent(items_of(rows, settings), arms.recency_mean)
    for update, vector in zip(published(folds, settings), found.vectors, strict=True):
        assert update.recency_mean is not None
        assert vector @ from_bytes(update.recency_mean) == pytest.approx(1.0, abs=1e-3)
