"""The bench's photographs: the same for a seed, as large as they say, and no two alike."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.bench.photographs import MIXED, OF_1080, VARIANTS, photograph, variant


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
    """What remembers pixels must not find them again: whichever step is other, decoding at a quarter shows it."""
    steps = [0, *(more * 3**place for place in range(6) for more in (1, 2))]
    for number in (6, 7, 8):  # small ones, of which one at least is progressive
        data = photograph(number, MIXED)
        for scale in (1, 2, 4):
            assert len({pixels(variant(data, each), scale).tobytes() for each in steps}) == len(steps)
    assert variant(data, 0) == data


def test_all_variants_of_a_photograph_differ_at_a_quarter_of_its_size() -> None:
    """The most that the embedder's decoder scales one of the bench down."""
    data = photograph(7, MIXED)
    assert VARIANTS == 729
    assert len({pixels(variant(data, number), 4).tobytes() for number in range(VARIANTS)}) == VARIANTS


@pytest.mark.parametrize("number", [-1, VARIANTS])
def test_there_is_no_variant_beyond_those_that_differ(number: int) -> None:
    """A bench that needs more must make more photographs, and not the same pixels once more."""
    with pytest.raises(ValueError, match="729 variants"):
        variant(photograph(7, MIXED), number)


def test_a_variant_looks_like_the_photograph() -> None:
    """Its steps are a little other, no more."""
    data = photograph(6, MIXED)
    difference = np.abs(pixels(variant(data, VARIANTS - 1)).astype(int) - pixels(data).astype(int))
    assert difference.mean() < 25
