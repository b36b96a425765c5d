"""The sample world: a function of its seed, with a truth that searches can be checked against."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.adapters.media_decode import Decoder
from workers.adapters.media_frames import Frames
from workers.config import REPOSITORY, Settings
from workers.demo.campaign import decisions, outcomes
from workers.demo.films import write_film
from workers.demo.observed import quantile
from workers.demo.pictures import SIDE, compose
from workers.demo.world import SCENE_MS, load_artwork, make_world
from workers.domain.model_card import load_model_card
from workers.domain.parse import parse_event

ARTWORK = REPOSITORY / "triton_models" / "sample_artwork"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_the_same_seed_makes_the_same_world() -> None:
    """Nothing in it comes from a clock or a random source of its own."""
    artwork = load_artwork(ARTWORK)
    assert make_world(artwork, 3, 20, 100, NOW) == make_world(artwork, 3, 20, 100, NOW)
    assert make_world(artwork, 3, 20, 100, NOW) != make_world(artwork, 4, 20, 100, NOW)


def test_the_demo_world_has_what_it_promises() -> None:
    """60 creators in at least a dozen niches, 1,200 posts with pictures, 6 brands; every creator posts."""
    world = make_world(load_artwork(ARTWORK), 7, 60, 1200, NOW)
    assert len(world.profiles) == 60
    assert len(world.posts) == 1200
    assert len(world.brands) == 6
    assert {post.creator_id for post in world.posts} == {profile.creator_id for profile in world.profiles}
    assert len({post.niche for post in world.posts}) >= 12
    assert all(post.pictures for post in world.posts)
    assert all(post.niche in world.niches[post.creator_id] for post in world.posts)


def test_the_same_composition_is_the_same_picture() -> None:
    """Pictures are made again byte for byte, so that a second run costs no embedding."""
    post = make_world(load_artwork(ARTWORK), 7, 5, 10, NOW).posts[0]
    first, again = (compose(post.pictures[0], ARTWORK) for _ in range(2))
    assert first.size == (SIDE, SIDE)
    assert first.tobytes() == again.tobytes()


def test_the_campaign_is_made_of_valid_events() -> None:
    """What the demo posts to the API are events of their topics."""
    for topic, events in (
        ("decisions", decisions("r", "b", "m", "c", NOW)),
        ("outcomes", outcomes("r", "b", "c", NOW)),
    ):
        parsed = [parse_event(topic, event) for event in events]
        assert len({event.event_id for event in parsed}) == len(parsed)  # type: ignore[attr-defined]


def test_artwork_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """Without its index there is no sample world."""
    with pytest.raises(FileNotFoundError):
        load_artwork(tmp_path)


@given(st.lists(st.floats(0.001, 9.99), min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_that_holds_it(values: list[float], share: float) -> None:
    """The histogram's answer is off by less than its bucket."""
    bounds = [0.01, 0.1, 0.5, 1.0, 5.0, 10.0, math.inf]
    counts = {bound: float(sum(value <= bound for value in values)) for bound in bounds}
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    upper = next(bound for bound in bounds if exact <= bound)
    lower = max([0.0, *(bound for bound in bounds if bound < upper)])
    assert lower <= quantile(share, {}, counts) <= upper


def test_a_quantile_of_nothing_is_not_a_number() -> None:
    """No event between two readings: no freshness is claimed."""
    counts = {1.0: 4.0, math.inf: 4.0}
    assert math.isnan(quantile(0.5, counts, counts))


def test_some_posts_are_videos_whose_scenes_are_found_with_their_seconds(tmp_path: Path) -> None:
    """Made from the drawings, the same bytes again; the embedder sees one keyframe of each scene, where it begins."""
    world = make_world(load_artwork(ARTWORK), 7, 60, 1200, NOW)
    films = [post for post in world.posts if post.film]
    assert len(films) == 30
    card, settings = load_model_card(REPOSITORY / "triton_models"), Settings()
    frames = Frames(settings, card, Decoder(settings, card, settings.media_pixels_at_once))
    for film in films:
        write_film(film.pictures, ARTWORK, tmp_path / f"{film.post_id}.mp4")
        found = frames((tmp_path / f"{film.post_id}.mp4").read_bytes())
        assert [frame.timestamp_ms for frame in found] == [SCENE_MS * number for number in range(len(film.pictures))]
        assert [film.scene_at(frame.timestamp_ms) for frame in found] == list(film.pictures)
    write_film(films[0].pictures, ARTWORK, tmp_path / "again.mp4")
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / f"{films[0].post_id}.mp4").read_bytes()
