"""Keyframes are few, in order, unlike each other, the same each time, and there is one of every scene."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.adapters.media_keyframes import LOOKS, SAME, SCENE, Coded, chosen, farness, runs, signature

PATCH = st.lists(st.integers(0, 255), min_size=3, max_size=3)


@st.composite
def looks(draw: st.DrawFn) -> tuple[list[int], list[np.ndarray]]:
    """Rising times, and a signature for each."""
    greys = draw(st.lists(st.integers(0, 255), min_size=1, max_size=24))
    steps = draw(st.lists(st.integers(1, 5000), min_size=len(greys), max_size=len(greys)))
    return list(np.cumsum(steps)), [np.full(768, grey, np.float32) for grey in greys]


@given(looks(), st.integers(1, 8))
def test_keyframes_are_few_in_order_unlike_each_other_and_begin_with_the_first(given_looks, most) -> None:
    """The laws of the choice, whatever the frames."""
    times, signatures = given_looks
    picked = chosen(times, signatures, most)
    assert 1 <= len(picked) <= most
    assert picked == sorted(set(picked))
    assert picked[0] == 0
    assert picked == chosen(times, signatures, most)
    for number in picked:
        others = [signatures[other] for other in picked if other != number]
        assert not others or farness(signatures[number], np.stack(others)).min() >= SAME


@given(looks(), st.integers(1, 8))
def test_what_is_left_out_is_like_a_keyframe_or_there_are_as_many_as_may_be(given_looks, most) -> None:
    """No frame is dropped for nothing."""
    times, signatures = given_looks
    picked = chosen(times, signatures, most)
    if len(picked) < most:
        kept = np.stack([signatures[number] for number in picked])
        assert all(farness(one, kept).min() < SAME for one in signatures)


@given(st.permutations(range(12)), st.lists(st.integers(1, 5), min_size=1, max_size=8), st.randoms())
def test_each_scene_has_a_keyframe_at_its_beginning(order, lengths, chance) -> None:
    """As many scenes as there may be keyframes, or fewer."""
    signatures, begins = [], []
    for grey, length in zip(order, lengths, strict=False):
        begins.append(len(signatures))
        signatures += [np.full(768, grey * 20 + chance.random(), np.float32) for _ in range(length)]
    assert chosen(range(len(signatures)), signatures, 8) == begins


def test_of_too_many_scenes_the_most_different_are_kept() -> None:
    """Scenes by their grey: the first, the farthest from it, then what is farthest from both."""
    greys = [0, 20, 40, 255, 235, 120]
    assert chosen(range(6), [np.full(768, grey, np.float32) for grey in greys], 3) == [0, 3, 5]


def test_a_slow_change_without_a_cut_is_shown_evenly() -> None:
    """Each frame is a little lighter than the one before: there is no scene to begin."""
    step = SCENE / 2
    signatures = [np.full(768, step * number, np.float32) for number in range(25)]
    assert chosen(range(0, 2500, 100), signatures, 5) == [0, 6, 12, 18, 24]


def test_a_picture_that_stands_still_is_one_keyframe() -> None:
    """Noise of a codec makes no other."""
    chance = np.random.default_rng(7)
    still = [128 + chance.normal(0, SAME / 3, 768).astype(np.float32) for _ in range(30)]
    assert chosen(range(30), still, 8) == [0]


@given(st.integers(17, 300))
def test_a_signature_is_of_mean_colours(size: int) -> None:
    """Whatever the model's size: a plain picture is the same everywhere, and white is as far from black as can be."""
    white = signature(np.full((size, size, 3), 255, np.uint8))
    assert white.shape == (768,)
    assert farness(white, np.zeros((1, 768)))[0] == pytest.approx(255)


@st.composite
def files(draw: st.DrawFn) -> list[Coded]:
    """Coded frames in the order of the file, some of which decode alone, shown in another order or at one time."""
    alone = draw(st.lists(st.booleans(), min_size=1, max_size=200))
    times = draw(st.lists(st.integers(-5000, 90_000), min_size=len(alone), max_size=len(alone)))
    if draw(st.booleans()):
        times.sort()
    return [Coded(at, flag) for at, flag in zip(times, alone, strict=True)]


@given(files(), st.integers(0, 400))
def test_runs_are_in_order_begin_where_decoding_can_and_cost_no_more_than_allowed(coded, most) -> None:
    """The laws of what is decoded, whatever the file says."""
    found = runs(coded, most)
    assert found == runs(coded, most)
    assert found[0].first == 0
    assert coded[0].at in found[0].wanted
    assert all(run.first == 0 or coded[run.first].alone for run in found)
    assert all(run.first <= run.last < len(coded) for run in found)
    assert all(one.last < other.first for one, other in pairwise(found))
    assert sum(run.last - run.first + 1 for run in found) <= max(1, most)
    assert sum(len(run.wanted) for run in found) <= LOOKS
    for run in found:
        assert run.wanted <= {frame.at for frame in coded[run.first : run.last + 1]}


def test_a_long_video_is_looked_at_where_frames_decode_alone() -> None:
    """One hour, a frame that decodes alone every five seconds: nothing else is decoded."""
    coded = [Coded(number, number % 150 == 0) for number in range(30 * 3600)]
    found = runs(coded, 10_000)
    assert all(run.first == run.last for run in found)
    looked = [coded[run.first].at for run in found]
    assert max(np.diff([*looked, 30 * 3600])) <= 30 * 3600 / 24


def test_a_video_of_which_nothing_but_the_first_decodes_alone_is_looked_at_evenly() -> None:
    """As far as the allowed frames reach."""
    coded = [Coded(number, number == 0) for number in range(240)]
    (run,) = runs(coded, 1000)
    assert len(run.wanted) == 24
    assert max(np.diff([*sorted(run.wanted), 240])) <= 15
    (half,) = runs(coded, 120)
    assert half.last <= 119


def test_no_frames_are_no_runs_and_no_keyframes() -> None:
    """A file may hold none."""
    assert runs([], 10) == []
    assert chosen([], [], 8) == []
