"""The arithmetic of the evaluation on real servers: which creators a cell allows, recall, what the page shows."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluate.stack_cells import CELLS, COUNTRIES, KINDS, SHARES, Cell, followers_at
from tests.evaluate.stack_latency import Times
from tests.evaluate.stack_pool import Pool, along_an_axis
from tests.evaluate.stack_tables import sections
from tests.evaluate.stack_world import Exact, made_creators, recall
from workers.creators.facets import FoldSettings
from workers.demo.world import Artwork
from workers.domain.filters import filter_fields
from workers.domain.queries import all_hold
from workers.domain.vectors import unit
from workers.match.filters import creator_filters
from workers.match.requests import Filters

FOLD = FoldSettings("tiny_v1", 8, 8, 0.2, 60.0, 256, 0.5, datetime(2024, 1, 1, tzinfo=UTC), 0.25)
PLACES = (np.arange(1000) + 0.5) / 1000
DEALT = np.random.default_rng(0).permutation(
    np.repeat([*COUNTRIES.values(), "ES"], [*(round(1000 * share) for share in COUNTRIES), 149])
)


def small_pool() -> Pool:
    """Ten topics, four pictures and captions each."""
    rng = np.random.default_rng(3)
    topics = tuple(Artwork(f"{number}.png", f"topic {number}", ("word",)) for number in range(10))
    centres = unit(rng.standard_normal((10, 1, 8)))
    pictures, captions = (unit(centres + 0.2 * rng.standard_normal((10, 4, 8))) for _ in range(2))
    return Pool(topics, pictures, captions, tuple((topic.name,) for topic in topics))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
@pytest.mark.parametrize("place", [0.03, 0.47, 0.53, 0.97])
def test_a_cell_allows_its_share_of_the_creators(cell: Cell, place: float) -> None:
    """Wherever on the axis the brief lies."""
    assert cell.allowed(place, PLACES, DEALT).sum() == pytest.approx(1000 * cell.share, abs=1)


@given(place=st.floats(0.0, 1.0), share=st.sampled_from(SHARES))
def test_the_correlated_lie_around_the_brief_and_the_others_far_away(place: float, share: float) -> None:
    """No creator of the anti-correlated cell is nearer than the farthest end of the correlated one's window."""
    near, far = (Cell(share, kind).allowed(place, PLACES, DEALT) for kind in ("correlated", "anti-correlated"))
    distances = np.abs(PLACES - place)
    assert distances[near].max() <= share + 0.01
    assert distances[far].mean() >= distances[near].mean()
    assert np.sort(distances)[: int(near.sum())].mean() <= distances[near].mean() + 1e-9
    assert share > 0.4 or distances[far].min() >= 0.5 - share - 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_the_request_s_filters_mean_what_the_truth_allows(kind: str) -> None:
    """By the API's own conditions on the fields that the indexer writes."""
    made = list(made_creators(small_pool(), FOLD, 1000, 5))
    exact = Exact(made, 0.02, 0.12)
    cell = next(each for each in CELLS if (each.kind, each.share) == (kind, 0.1))
    conditions = creator_filters(Filters.model_validate(cell.filters(0.3)), None, datetime.now(UTC)).all_conditions()
    passed = [all_hold(conditions, filter_fields(one.event.profile)) for one in made]
    assert passed == exact.allowed(cell, 0.3).tolist()
    assert sum(passed) == 100


def test_creators_are_our_fold_s_and_the_same_for_a_seed() -> None:
    """Shares sum to one, the update after one more post is newer, and facets are numbered with their creators."""
    made, again = (list(made_creators(small_pool(), FOLD, 30, 9)) for _ in range(2))
    assert [one.event for one in made] == [one.event for one in again]
    for one in made:
        assert sum(facet.share for facet in one.event.facets) == pytest.approx(1.0)
        assert one.later.revision == one.event.revision + 1
        assert one.later.posts == one.event.posts + 1
    exact = Exact(made, 0.02, 0.12)
    first = exact.of_facets(np.arange(30) == 0)
    kept = [facet.facet_id for facet in made[0].event.facets if facet.share >= 0.02]
    assert [name for name, own in zip(exact.facet_ids, first, strict=True) if own] == kept
    assert exact.cosines(np.eye(8)[0]).shape == (len(exact.facet_ids),)
    assert exact.scores(np.zeros((len(exact.facet_ids), 2))).shape == (30,)


def test_recall_counts_equal_ones_for_each_other_and_wants_no_more_than_there_is() -> None:
    """Of three that are equally tenth any may be found; of five allowed, five are all."""
    truth = np.array([0.9, 0.8, 0.5, 0.5, 0.5, 0.1])
    assert recall(np.array([0.9, 0.8, 0.5]), truth, 3, 1e-6) == 1.0
    assert recall(np.array([0.9, 0.5, 0.5]), truth, 3, 1e-6) == 1.0
    assert recall(np.array([0.9, 0.8, 0.1]), truth, 3, 1e-6) == pytest.approx(2 / 3)
    assert recall(np.array([0.9]), truth, 10, 1e-6) == pytest.approx(1 / 6)
    assert recall(truth, truth, 10, 1e-6) == 1.0
    assert recall(np.array([]), np.array([]), 10, 1e-6) == 1.0


def test_groups_stay_together_on_the_axis_and_like_ones_beside_each_other() -> None:
    """A chain from the group that is least like the others."""
    angles = {"a": 0.0, "c": 0.9, "b": 0.4}
    groups = ["a", "c", "b", "a", "c", "b"]
    vectors = np.array([[np.cos(angles[group]), np.sin(angles[group])] for group in groups])
    order = along_an_axis(vectors, groups)
    assert sorted(order) == list(range(6))
    assert [groups[index] for index in order] in (["a", "a", "b", "b", "c", "c"], ["c", "c", "b", "b", "a", "a"])


def test_followers_grow_along_the_axis() -> None:
    """So that a range of followers is a part of it."""
    assert [followers_at(place) for place in (0.0, 0.5, 1.0)] == sorted(
        followers_at(place) for place in (0.0, 0.5, 1.0)
    )


def test_the_ratio_is_of_the_slowest_hundredth_of_all_calls() -> None:
    """And the page has a line for each cell and each round."""
    times = Times(near=[0.01] * 99 + [0.1], near_ids=[0.01], match=[0.02] * 98 + [0.05, 0.3], with_encoder=[0.1])
    assert times.ratio() == pytest.approx(5.0)
    own = times.percentiles()
    assert (own["near_p50_ms"], own["match_p99_ms"], own["match_with_encoder_p99_ms"]) == (10.0, 50.0, 100.0)
    recalls = {cell.name: 0.987 for cell in CELLS}
    details = {
        "world": {
            "creators": 1,
            "cutoff": 200_000,
            "facets": 2,
            "dimensions": 3,
            "model": "m",
            "searches_a_cell": 4,
            "matches_a_cell": 5,
            "allowed_facets": dict.fromkeys(recalls, 7),
        },
        "recall": {
            **dict.fromkeys(("default", "served", "graph", "graph_150"), recalls),
            "whole": dict.fromkeys(("one aspect", "two aspects"), recalls),
        },
        "cells": dict.fromkeys(recalls, own),
        "rounds": [own | {"ratio": 5.0}] * 3,
        "beside": {
            "two_aspects": own,
            "filter_never_asked": own,
            "creators_sent_per_s": 10.0,
            "creators_written_per_s": 9.5,
        },
    }
    found = sections(details)
    assert [len(each["rows"]) for each in found] == [len(CELLS), len(CELLS), 5]
    assert all(len(row) == len(each["columns"]) for each in found for row in each["rows"])
    assert all(isinstance(value, str) for each in found for row in each["rows"] for value in row)
