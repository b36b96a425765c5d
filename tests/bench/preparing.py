"""Decoding, resizing and cropping, on one core: as the embedder does it, and as Pillow does it plainly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from tests.bench.encoders import PATIENCE
from workers.adapters.media_decode import Decoder
from workers.adapters.triton import TritonEncoder
from workers.config import Settings
from workers.domain.model_card import ModelCard
from workers.domain.vectors import Array
from workers.model.source import load_open_clip

ROUNDS, PASSES = 3, 2


@dataclass(frozen=True)
class Prepared:
    """Photographs a second on one core; the best ratio of rounds that took turns."""

    plain: float
    ours: float
    ratio: float


def plain(data: bytes, size: int) -> Array:
    """Decoded whole, all of it resized by bicubic, the middle cut out."""
    image = Image.open(BytesIO(data)).convert("RGB")
    short, long = sorted(image.size)
    other = int(size * long / short)
    width, height = (size, other) if image.width <= image.height else (other, size)
    resized = image.resize((width, height), Resampling.BICUBIC)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def race(photographs: Sequence[bytes], settings: Settings, card: ModelCard) -> Prepared:
    """Both, one after the other, several times."""
    ours = Decoder(settings, card, settings.media_pixels_at_once)
    rates = []
    for _ in range(ROUNDS):
        slow = _rate(lambda data: plain(data, card.image.size), photographs)
        fast = _rate(ours, photographs)
        rates.append((fast / slow, slow, fast))
    ratio, slow, fast = max(rates)
    return Prepared(slow, fast, ratio)


def _rate(prepare: Callable[[bytes], object], photographs: Sequence[bytes]) -> float:
    """By processor time: what else runs on the core is not this code's."""
    begun = time.process_time()
    for _ in range(PASSES):
        for data in photographs:
            prepare(data)
    return PASSES * len(photographs) / (time.process_time() - begun)


def least_cosine(photographs: Sequence[bytes], settings: Settings, card: ModelCard, checkpoint: Path) -> float:
    """Of what is served, through Triton, to open_clip's own transform and tower in float32, of the same files."""
    source = load_open_clip("ViT-B-32", None, checkpoint)
    wanted = source.encode_images([Image.open(BytesIO(data)).convert("RGB") for data in photographs])
    ours = Decoder(settings, card, settings.media_pixels_at_once)
    pixels = np.stack([ours(data) for data in photographs])

    async def served() -> Array:
        async with TritonEncoder(str(settings.triton_url), card, PATIENCE) as encoder:
            return await encoder.encode_images(pixels)

    found = asyncio.run(served())
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(((found * wanted).sum(axis=1) / lengths).min())
