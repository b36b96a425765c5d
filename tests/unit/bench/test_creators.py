"""The bench of creators: the events that it makes, and the arithmetic of its rows."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tests.bench.creator_events import Stream
from tests.bench.creators import Known, Moment, Passed, ratio
from workers.creators.rows import post_row
from workers.domain.events import PostEmbedded, PostRetracted, ProfileEmbedded


def stream(creators: int = 20, most: int = 6) -> Stream:
    """Of few creators."""
    return Stream("tiny_v1", 16, creators, most=most)


def test_a_stream_is_the_same_every_time_and_holds_every_kind_of_event() -> None:
    """Mostly new posts, some of them late; edits, removals, profiles; vectors of the size that was asked for."""
    events = stream().take(1500)
    assert events == stream().take(1500)
    kinds = Counter(type(event) for event in events)
    assert kinds[PostEmbedded] > 1200
    assert min(kinds[PostRetracted], kinds[ProfileEmbedded]) > 5
    posts = [event for event in events if isinstance(event, PostEmbedded)]
    assert any(post.revision > 1 for post in posts)
    assert any(one.published_at > other.published_at for one, other in pairwise(posts))
    assert {len(post.visual_hashes) for post in posts} == {1, 2, 3}
    assert all(post_row(post, 0.5, 16).x is not None for post in posts)


def test_each_creators_first_event_comes_once_and_later_ones_are_spread_over_all() -> None:
    """As many different creators as there are, before one comes again."""
    few = stream(creators=30, most=1)
    assert sorted(event.creator_id for event in few.of_each()) == sorted(f"creator-{n}" for n in range(30))
    later = few.spread(70)
    assert len({event.creator_id for event in later[:30]}) == 30
    assert set(Counter(event.creator_id for event in later).values()) == {2, 3}
    assert len({event.post_id for event in later if isinstance(event, PostEmbedded)}) == 70


def test_the_cost_is_compared_within_a_round_and_the_best_round_counts() -> None:
    """What else the machine does befalls all that are measured in it."""
    few, some, many = (Known(count, 1.0, [], 1.0, 1.0) for count in (1000, 10_000, 100_000))
    few.rounds, some.rounds, many.rounds = [1.0, 2.0, 1.0], [9.0, 9.0, 9.0], [1.5, 2.2, 1.3]
    assert ratio([few, some, many]) == pytest.approx(1.1)


def test_events_between_two_moments_have_a_rate_and_a_cost() -> None:
    """Events a second by the clock, milliseconds of processor time for each."""
    passed = Passed.between(Moment(100, 5.0, 1.0), Moment(2100, 6.0, 1.8))
    assert (passed.rate, passed.cost) == pytest.approx((2000.0, 0.4))
