"""At how small a part of its size a JPEG is decoded: as small as the model at hand cannot tell from the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from workers.domain.model_card import WHOLE, ImageInput
from workers.domain.vectors import Array
from workers.model.decoding import TRIED, choose_oversampling, photographed, pink_noise

SIZE = 64
PICTURES = [Image.linear_gradient("L").rotate(90 * turn).convert("RGB") for turn in range(4)]


class Model:
    """Sees cells of so many pixels; of one pixel, all that there is. The finer, the more it makes of edges."""

    def __init__(self, cell: int, edges: float = 0.0, mode: str = "shortest") -> None:
        self.cell, self.edges, self.looked = cell, edges, 0
        self.image = ImageInput.model_validate(
            {"size": SIZE, "mean": (0.5,) * 3, "std": (0.25,) * 3, "resize_mode": mode}
        )

    def encode_pixels(self, pixels: Array) -> Array:
        """Brightness and edges of each cell, unit length."""
        values = pixels.astype(np.float64) / 255.0
        rows = SIZE // self.cell
        cells = values.reshape(len(values), rows, self.cell, rows, self.cell, 3).mean(axis=(2, 4))
        edges = np.diff(cells, axis=2) * self.edges
        seen = np.hstack([cells.reshape(len(values), -1), edges.reshape(len(values), -1)])
        return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True))

    def encode_images(self, images: Sequence[Image.Image]) -> Array:
        """Of the whole, resized at once."""
        self.looked += len(images)
        whole = [image.resize((SIZE, SIZE), Resampling.BICUBIC) for image in images]
        return self.encode_pixels(np.stack([np.asarray(image) for image in whole]))


def test_a_model_that_sees_no_detail_takes_the_smallest_part() -> None:
    """What decoding loses is below what it sees."""
    chosen, why = choose_oversampling(Model(cell=16), PICTURES)
    assert chosen == TRIED[0]
    assert why.startswith("JPEGs at a part of their size hold (1.2: ")


def test_a_model_that_sees_more_takes_more() -> None:
    """Not the smallest part, and not the whole yet; what was tried stands in the card."""
    model = Model(cell=1, edges=1.0)
    chosen, why = choose_oversampling(model, PICTURES)
    assert TRIED[0] < chosen <= TRIED[-1]
    assert model.looked == (TRIED.index(chosen) + 1) * (len(PICTURES) + 2)
    assert all(f"{tried:g}: " in why for tried in TRIED[: TRIED.index(chosen) + 1])


def test_a_model_that_sees_every_edge_takes_the_whole() -> None:
    """No part of those that are tried leaves its vectors what they are."""
    chosen, why = choose_oversampling(Model(cell=1, edges=30.0), PICTURES)
    assert chosen == WHOLE
    assert why.startswith("JPEGs are decoded whole (at a part: 1.2: ")


@pytest.mark.parametrize(("mode", "side"), [("shortest", min), ("longest", max)])
def test_pictures_are_measured_at_the_size_where_they_are_first_decoded_smaller(
    mode: str, side: Callable[[tuple[int, int]], int]
) -> None:
    """One pixel less, and they would be decoded whole."""
    image = Model(1, mode=mode).image
    wanted = math.ceil(1.2 * 4 * SIZE)
    data = photographed(Image.new("RGB", (300, 200)), wanted, image, np.random.default_rng(0))
    made = Image.open(BytesIO(data))
    assert made.format == "JPEG"
    assert side(made.size) == wanted


def test_noise_is_as_fine_at_every_scale() -> None:
    """Amplitudes fall as 1/f: each octave holds about as much as the next."""
    values = np.asarray(Image.open(BytesIO(pink_noise(256, np.random.default_rng(1)))), dtype=np.float64)[..., 1]
    power = np.abs(np.fft.fft2(values - values.mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
    octaves = [power[(frequency >= low) & (frequency < 2 * low)].sum() for low in (0.03, 0.06, 0.12)]
    assert max(octaves) < 1.6 * min(octaves)
