"""The same picture in another file is the same to look at: the sample artwork and photographs, in many copies."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from workers.adapters.media_decode import Decoder, decode
from workers.adapters.media_frames import Frames
from workers.adapters.media_looks import brightness
from workers.config import REPOSITORY, Settings
from workers.domain.model_card import load_model_card
from workers.domain.perceptual import FARTHEST, alike, distances, looks_of, perceptual_hash
from workers.domain.vectors import Array

ARTWORK = REPOSITORY / "triton_models" / "sample_artwork"
PHOTOGRAPHS = (
    "astronaut.png",
    "coffee.png",
    "chelsea.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "retina.jpg",
    "ihc.png",
)
SETTINGS = Settings()
CARD = load_model_card(REPOSITORY / "triton_models")


def hash_of(image: Image.Image) -> str:
    """How a decoded picture looks."""
    return perceptual_hash(brightness(image))


@cache
def pictures() -> tuple[Image.Image, ...]:
    """Half a hundred pieces of artwork, and photographs, whole and in quarters: another picture each, none plain."""
    artwork = [decode(path.read_bytes(), SETTINGS) for path in sorted(ARTWORK.glob("*.png"))[::4]]
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "data"
    whole = [decode((folder / name).read_bytes(), SETTINGS) for name in PHOTOGRAPHS]
    quarters = [
        image.crop(
            (x * image.width // 2, y * image.height // 2, (x + 1) * image.width // 2, (y + 1) * image.height // 2)
        )
        for image in whole
        for x in (0, 1)
        for y in (0, 1)
    ]
    return tuple(image for image in (*artwork, *whole, *quarters) if hash_of(image))


@cache
def looks() -> Array:
    """Of each of them."""
    return looks_of([hash_of(image) for image in pictures()])


def coded(image: Image.Image, form: str, quality: int) -> Image.Image:
    """In another file."""
    out = BytesIO()
    image.save(out, form, quality=quality)
    return decode(out.getvalue(), SETTINGS)


def resized(image: Image.Image, factor: float) -> Image.Image:
    """Smaller or larger."""
    size = max(8, round(image.width * factor)), max(8, round(image.height * factor))
    return image.resize(size, Resampling.BICUBIC)


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Without these parts of its sides."""
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), width - round(right * width), height - round(bottom * height))
    )


def lit(image: Image.Image, factor: float) -> Image.Image:
    """Brighter or darker."""
    return Image.fromarray(np.clip(np.asarray(image) * factor, 0, 255).astype(np.uint8))


ALWAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    **{f"JPEG {q}": lambda image, q=q: coded(image, "JPEG", q) for q in (30, 60, 95)},  # type: ignore[misc]
    **{f"WebP {q}": lambda image, q=q: coded(image, "WEBP", q) for q in (30, 80)},  # type: ignore[misc]
    **{f"{f} of its size": lambda image, f=f: resized(image, f) for f in (0.3, 0.5, 2.0)},  # type: ignore[misc]
    **{f"{f} as bright": lambda image, f=f: lit(image, f) for f in (0.85, 1.1)},  # type: ignore[misc]
    "2 % cropped": lambda image: cropped(image, 0.01, 0.01, 0.01, 0.01),
    "small, cropped, dark, JPEG 50": lambda i: coded(lit(resized(cropped(i, *[0.015] * 4), 0.5), 0.95), "JPEG", 50),
}
MOSTLY: dict[str, Callable[[Image.Image], Image.Image]] = {
    "5 % cropped, all round": lambda image: cropped(image, 0.025, 0.025, 0.025, 0.025),
    "5 % cropped, left": lambda image: cropped(image, 0.05, 0.0, 0.0, 0.0),
    "5 % cropped, below": lambda image: cropped(image, 0.0, 0.0, 0.0, 0.05),
    "3 % cropped, left and above": lambda image: cropped(image, 0.03, 0.03, 0.0, 0.0),
}


def missed(copy: Callable[[Image.Image], Image.Image]) -> float:
    """The part of the pictures whose copies are not known again."""
    copies = [looks_of([hash_of(copy(image))]) for image in pictures()]
    known = [alike(each, own[np.newaxis]).any() for each, own in zip(copies, looks(), strict=True)]
    assert len(known) > 75
    return 1.0 - float(np.mean(known))


@pytest.mark.parametrize("copy", ALWAYS.values(), ids=list(ALWAYS))
def test_a_copy_in_another_file_size_or_light_is_the_same_picture(copy: Callable[[Image.Image], Image.Image]) -> None:
    """Each of them."""
    assert missed(copy) == 0.0


@pytest.mark.parametrize("copy", MOSTLY.values(), ids=list(MOSTLY))
def test_nearly_every_slightly_cropped_copy_is_the_same_picture(copy: Callable[[Image.Image], Image.Image]) -> None:
    """Of artwork on white a twentieth moves the one thing that is there: a few are taken for others."""
    assert missed(copy) <= 0.08


def test_different_pictures_are_not_taken_for_each_other() -> None:
    """Of some 3,500 pairs, in which artwork is drawn alike, three at most."""
    apart = distances(looks(), looks())[np.triu_indices(len(pictures()), 1)]
    assert (apart <= FARTHEST).sum() <= 3
    assert np.median(apart) > 60


def test_a_large_jpeg_that_is_decoded_at_a_part_of_its_size_looks_as_the_whole_does() -> None:
    """Its hash is taken from what the model's pixels are taken from."""
    image = resized(pictures()[-1], 3.3)
    out = BytesIO()
    image.save(out, "JPEG", quality=90)
    frames = Frames(SETTINGS, CARD, Decoder(SETTINGS, CARD, 100_000_000))
    (frame,) = frames(out.getvalue())
    apart = distances(looks_of([frame.perceptual_hash]), looks()[-1:])
    assert frame.pixels.shape == (CARD.image.size, CARD.image.size, 3)
    assert apart[0, 0] <= FARTHEST / 3
