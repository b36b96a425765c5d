"""Facets: joining, opening, merging, weights and the exemplar."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.creators.world import DIMENSIONS, LANDMARK, SETTINGS, fold_of, posts_of, published, removed
from workers.creators.fold import Fold, Rows, fold_rows
from workers.creators.rows import PostRow
from workers.creators.updates import creator_updated
from workers.domain.ids import facet_id
from workers.domain.vectors import Array, from_bytes

DAY_MS = 86_400_000
LANDMARK_MS = round(LANDMARK.timestamp() * 1000)


def axis(index: int, lean: float = 0.0, towards: int = 0) -> Array:
    """A float16 unit vector along one axis, leaning towards another."""
    raw = np.eye(DIMENSIONS)[index] + lean * np.eye(DIMENSIONS)[towards]
    return np.asarray(raw / np.linalg.norm(raw), dtype=np.float16)


def grown(*posts: tuple[str, Array], facets: int = 8) -> Fold:
    """The fold of posts of one vector each, an hour apart."""
    rows = {post_id: PostRow(1, False, LANDMARK_MS + hour * 3_600_000, x=x) for hour, (post_id, x) in enumerate(posts)}
    return fold_rows("mira", Rows(rows), replace(SETTINGS, facets=facets, window=64))


def test_a_post_joins_the_nearest_facet_from_the_threshold_on() -> None:
    """cos 0.2: what is as near joins, what is farther opens a facet named after itself."""
    near, far = axis(1, lean=0.21, towards=0), axis(1, lean=0.2, towards=0)
    assert posts_of(grown(("a", axis(0)), ("b", near))) == [("a", "b")]
    apart = grown(("a", axis(0)), ("b", far))
    assert posts_of(apart) == [("a",), ("b",)]
    assert [facet.opened_by for facet in apart.facets] == ["a", "b"]


def test_of_two_facets_as_near_a_post_joins_the_first() -> None:
    """Whatever came since: their order is that in which they were opened."""
    between = axis(0, lean=1.0, towards=1)
    assert posts_of(grown(("a", axis(0)), ("b", axis(1)), ("c", between))) == [("a", "c"), ("b",)]


def test_a_facet_is_as_new_as_its_newest_post() -> None:
    """Joined one by one, or in a merge."""
    joined = grown(("a", axis(0)), ("b", axis(0)), ("c", axis(1)))
    assert [facet.last_ms - LANDMARK_MS for facet in joined.facets] == [3_600_000, 2 * 3_600_000]
    merged = grown(("a", axis(0)), ("a2", axis(0)), ("b", axis(1)), facets=1)
    assert [(facet.opened_by, facet.last_ms - LANDMARK_MS) for facet in merged.facets] == [("a", 2 * 3_600_000)]


def test_a_weight_doubles_with_every_half_life() -> None:
    """Forward decay on a fixed landmark: nothing is weighed again as time passes."""
    assert SETTINGS.weight(LANDMARK_MS) == 1.0
    assert SETTINGS.weight(LANDMARK_MS + 60 * DAY_MS) == 2.0
    assert SETTINGS.weight(LANDMARK_MS - 120 * DAY_MS) == 0.25


def test_over_k_the_pair_of_least_ward_cost_is_merged() -> None:
    """Two facets that lean to each other become one; the third stays as it is."""
    leaning = axis(2, lean=0.19, towards=1)
    fold = grown(("a", axis(0)), ("b", axis(1)), ("c", leaning), facets=2)
    assert sorted(posts_of(fold)) == [("a",), ("c", "b")]


def test_a_merge_keeps_the_id_of_the_heavier() -> None:
    """Weight decides, not age."""
    newer = grown(("light", axis(0)), ("heavy", axis(1)), facets=1)
    assert ([facet.opened_by for facet in newer.facets], posts_of(newer)) == (["heavy"], [("heavy", "light")])
    older = grown(("heavy", axis(0)), ("heavy2", axis(0)), ("light", axis(1)), facets=1)
    assert ([facet.opened_by for facet in older.facets], posts_of(older)) == (["heavy"], [("heavy", "heavy2", "light")])


def test_the_exemplar_is_the_real_post_nearest_the_centre() -> None:
    """Three posts around one direction: the middle one is shown."""
    facets = grown(("left", axis(0, 0.5, 1)), ("middle", axis(0)), ("right", axis(0, 0.5, 2))).facets
    assert [(facet.opened_by, facet.exemplar) for facet in facets] == [("left", "middle")]


def test_of_equally_near_posts_the_first_is_the_exemplar() -> None:
    """The same picture posted twice has one exemplar, whatever the arithmetic."""
    facets = grown(*((f"copy-{index}", axis(3, 0.4, 4)) for index in range(17))).facets
    assert facets[0].exemplar == "copy-0"


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=40, unique_by=lambda p: p[0]))
def test_shares_sum_to_one_and_stand_greatest_first(posts: list[tuple[int, int]]) -> None:
    """A share is the facet's weight over all weight."""
    update = creator_updated(fold_of([published(post, hour=hour) for post, hour in posts]), SETTINGS)
    shares = [facet.share for facet in update.facets]
    assert abs(sum(shares) - 1.0) < 1e-9
    assert shares == sorted(shares, reverse=True)


def test_the_event_carries_exact_unit_vectors_and_names_real_posts() -> None:
    """Centres and the recency mean have unit length; ids follow the opening post."""
    events = [published(post, hour=24 * post) for post in range(7)]
    update = creator_updated(fold_of(events), SETTINGS)
    assert update.recency_mean is not None
    for data in (update.recency_mean, *(facet.vector for facet in update.facets)):
        assert abs(float(np.linalg.norm(from_bytes(data, DIMENSIONS))) - 1.0) < 1e-6
    ids = {str(facet_id("mira", event.post_id, SETTINGS.model_version)) for event in events}
    assert {facet.facet_id for facet in update.facets} <= ids
    assert {facet.exemplar_post_id for facet in update.facets} <= {event.post_id for event in events}
    assert update.last_published_at == LANDMARK + timedelta(hours=24 * 6)


def test_the_recency_mean_leans_to_what_is_new() -> None:
    """A post of today outweighs one of a year ago."""
    old, new = published(0, hour=0), published(1, hour=24 * 365)
    mean = creator_updated(fold_of([old, new]), SETTINGS).recency_mean
    assert mean is not None
    assert old.visual is not None
    assert new.visual is not None
    wide = from_bytes(mean).astype(float)
    assert wide @ from_bytes(new.visual) > 0.99 > wide @ from_bytes(old.visual)


def test_a_creator_without_posts_has_no_vectors() -> None:
    """A removal alone: known by revision, and nothing to find."""
    update = creator_updated(fold_of([removed(1, revision=4)]), SETTINGS)
    assert (update.revision, update.posts, update.facets, update.recency_mean) == (4, 0, (), None)
    assert update.last_published_at is None
