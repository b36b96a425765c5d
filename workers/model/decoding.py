"""At how small a part of its size a JPEG may be decoded for a model: measured when it is built.

Decoding is most of an embedder's time, and libjpeg decodes a half, a quarter or an eighth of a picture in a part of it.
What a model sees of that depends on the model: each is compared with itself behind open_clip's own transform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Protocol

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from workers.adapters.media_decode import loaded, scaled_down, to_pixels
from workers.domain.model_card import WHOLE, ImageInput
from workers.domain.vectors import Array
from workers.model.check import CLOSE, cosines
from workers.model.measuring import between

TRIED = (1.2, 1.6, 2.0)
"""Pixels for each one kept, of a side. Of 1,080 pixels a quarter leaves 1.2 for a model of 224, and a half 2.4."""
PARTS = (2, 4)
SAMPLES = 8
QUALITY = 90
GRAIN, CONTRAST = 7.0, 50.0


class Model(Protocol):
    """See ``source.OpenClip``."""

    @property
    def image(self) -> ImageInput: ...

    def encode_images(self, images: Sequence[Image.Image]) -> Array: ...

    def encode_pixels(self, pixels: Array) -> Array: ...


def choose_oversampling(model: Model, pictures: Sequence[Image.Image]) -> tuple[float, str]:
    """The least of ``TRIED`` that holds what `model check` asks for, else ``WHOLE``; and what was measured.

    Of the worst sizes: JPEGs just large enough to be decoded at a half or a quarter. Of the first ``SAMPLES`` pictures,
    three or more, with a camera's grain, for an enlarged picture has nothing that decoding loses: half of the error
    that is allowed, as they are and with the mean taken off. And of noise, which is as fine as a photograph can be:
    all of it.
    """
    said = []
    for oversampling in TRIED:
        image = model.image.model_copy(update={"oversampling": oversampling})
        sides = [math.ceil(oversampling * part * image.size) for part in PARTS]
        random = np.random.default_rng(0)
        given = [photographed(one, sides[n % 2], image, random) for n, one in enumerate(pictures[:SAMPLES])]
        error = between(*_vectors(model, given, image))
        noise = cosines(*_vectors(model, [pink_noise(side, random) for side in sides], image)).min()
        said.append(f"{oversampling:g}: {error}, noise {noise:.5f}")
        if error.within(CLOSE) and noise >= CLOSE:
            return oversampling, f"JPEGs at a part of their size hold ({'; '.join(said)})"
    return WHOLE, f"JPEGs are decoded whole (at a part: {'; '.join(said)})"


def _vectors(model: Model, files: Sequence[bytes], image: ImageInput) -> tuple[Array, Array]:
    """(n, d) as the workers prepare them, and by open_clip's own transform of the whole."""
    found = model.encode_pixels(np.stack([_prepared(data, image) for data in files]))
    own = [model.encode_images([Image.open(BytesIO(data)).convert("RGB")]) for data in files]
    return found, np.concatenate(own)


def photographed(picture: Image.Image, side: int, image: ImageInput, random: np.random.Generator) -> bytes:
    """A JPEG whose shortest side (or longest, where the model takes that) has so many pixels, with grain."""
    upright = picture.convert("RGB")
    ratio = side / (max(upright.size) if image.resize_mode == "longest" else min(upright.size))
    width, height = (max(1, math.ceil(pixels * ratio)) for pixels in upright.size)
    large = np.asarray(upright.resize((width, height), Resampling.LANCZOS), dtype=np.float32)
    return _jpeg(large + random.standard_normal(large.shape, dtype=np.float32) * GRAIN)


def pink_noise(side: int, random: np.random.Generator) -> bytes:
    """A square JPEG whose amplitudes fall as 1/f, as those of natural scenes do (Field, 1987, JOSA A 4(12))."""
    waves = np.fft.rfft2(random.standard_normal((side, side, 3)), axes=(0, 1))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    frequency[0, 0] = np.inf
    scene = np.fft.irfft2(waves / frequency[..., None], s=(side, side), axes=(0, 1))
    return _jpeg(scene / scene.std() * CONTRAST + 128)


def _jpeg(values: Array) -> bytes:
    out = BytesIO()
    Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _prepared(data: bytes, image: ImageInput) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """As the workers do, uint8 (s, s, 3)."""
    opened = Image.open(BytesIO(data))
    part = scaled_down(opened, image)
    return to_pixels(loaded(opened), image, part)
