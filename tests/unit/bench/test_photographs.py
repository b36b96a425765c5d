"""The bench's photographs: the same for a seed, as large as they say, and no two alike."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from tests.bench.photographs import MIXED, OF_1080, photograph, variant


def pixels(data: bytes, scale: int = 1) -> np.ndarray:
    """Of a JPEG, decoded at a part of its size."""
    image = Image.open(BytesIO(data))
    image.draft(None, (image.width // scale, image.height // scale))
    return np.asarray(image.convert("RGB"))


def test_a_photograph_is_the_same_whenever_it_is_made() -> None:
    """Of its number and seed alone."""
    assert photograph(3, MIXED, seed=7) == photograph(3, MIXED, seed=7)
    assert len({photograph(3, MIXED, seed=7), photograph(3, MIXED, seed=8), photograph(15, MIXED, seed=7)}) == 3


def test_photographs_take_the_sizes_in_turn() -> None:
    """Those of 1,080 pixels have their shorter side so."""
    assert [Image.open(BytesIO(photograph(number, MIXED))).size for number in range(4)] == list(MIXED[:4])
    assert all(min(size) == 1080 for size in OF_1080)


def test_variants_of_a_photograph_have_pixels_of_their_own_at_every_scale() -> None:
    """What remembers pixels must not find them again."""
    for number in (6, 7, 8):  # small ones, of which one at least is progressive
        data = photograph(number, MIXED)
        for scale in (1, 2, 4):
            seen = {pixels(variant(data, each), scale).tobytes() for each in (0, 1, 2, 3, 242, 243, 59_048)}
            assert len(seen) == 7
    assert variant(data, 0) == data


def test_a_variant_looks_like_the_photograph() -> None:
    """Its steps are a little other, no more."""
    data = photograph(6, MIXED)
    difference = np.abs(pixels(variant(data, 59_048)).astype(int) - pixels(data).astype(int))
    assert difference.mean() < 25
