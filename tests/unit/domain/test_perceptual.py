"""Perceptual hashes: the same picture is the same, another is another, a plain one is none."""

from __future__ import annotations

import numpy as np
import pytest

from workers.domain.perceptual import FARTHEST, HASH_BYTES, SIDE, alike, distances, looks_of, perceptual_hash
from workers.domain.vectors import Array

GREYS = np.linspace(0, 255, SIDE)
PLACES = np.hypot(*(np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2))


def noise(seed: int) -> Array:
    """A picture with large and small things in it: noise that falls off with its frequency."""
    frequencies = np.fft.fftfreq(SIDE)
    fall = np.hypot(*np.meshgrid(frequencies, frequencies))
    fall[0, 0] = 1.0
    raw = np.fft.ifft2(np.fft.fft2(np.random.default_rng(seed).normal(size=(SIDE, SIDE))) / fall).real
    return np.asarray(255 * (raw - raw.min()) / (raw.max() - raw.min()))


def test_a_brighter_and_a_noisier_copy_is_the_same_picture() -> None:
    """And nothing else is: 40 pictures, all their pairs."""
    pictures = [noise(seed) for seed in range(40)]
    grain = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    looks = looks_of([perceptual_hash(picture) for picture in pictures])
    copies = looks_of([perceptual_hash(0.9 * picture + 10 + 3 * grain) for picture in pictures])
    apart = distances(looks, copies)
    assert apart.diagonal().max() <= FARTHEST / 2
    assert (apart + 1000 * np.eye(40)).min() > FARTHEST
    assert alike(copies, looks).all()
    assert not alike(copies[:20], looks[20:]).any()


@pytest.mark.parametrize(
    "plain",
    [
        np.full((SIDE, SIDE), 80.0),
        np.tile(GREYS, (SIDE, 1)),
        np.tile(GREYS, (SIDE, 1)).T * 0.5 + np.random.default_rng(1).normal(size=(SIDE, SIDE)),
        (GREYS + GREYS[:, np.newaxis]) / 2,
        np.repeat([0.0, 255.0], SIDE // 2) + np.zeros((SIDE, 1)),
        255 - 4 * PLACES,
        np.full((SIDE, SIDE), 80.0) + 3 * np.random.default_rng(1).normal(size=(SIDE, SIDE)),
        np.full((SIDE, SIDE), 255.0),
    ],
    ids=["one colour", "gradient", "sky", "diagonal", "halves", "vignette", "grain", "white"],
)
def test_a_plain_picture_has_no_hash(plain: Array) -> None:
    """It would be like every other plain one."""
    assert perceptual_hash(plain) == ""


def test_pictures_without_a_hash_are_like_nothing() -> None:
    """Not even themselves."""
    assert looks_of(["", ""]).shape == (0, 3)
    assert not alike(looks_of([perceptual_hash(noise(1))]), looks_of([""])).any()


def test_a_hash_has_its_length_and_another_size_is_refused() -> None:
    """As the event's field wants it."""
    assert len(perceptual_hash(noise(1))) == 2 * HASH_BYTES
    with pytest.raises(ValueError, match="brightness"):
        perceptual_hash(np.zeros((32, 32)))
