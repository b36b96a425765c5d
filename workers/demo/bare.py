"""Triton's bare rate, in the same run: the sample's own pictures, decoded beforehand, with nothing else going on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workers.adapters.media_decode import decode, to_pixels
from workers.adapters.security import trusting
from workers.adapters.triton import TritonEncoder
from workers.config import Settings
from workers.domain.model_card import load_model_card

PICTURES, ROUNDS = 256, 3


def bare_rate(settings: Settings, pictures: Sequence[Path]) -> float:
    """Pictures per second that Triton's ``clip_image`` encodes: the best of three rounds over up to 256 pictures."""
    settings.required("triton_url")
    card = load_model_card(settings.model_repository)
    pixels = np.stack([to_pixels(decode(path.read_bytes(), settings), card.image) for path in pictures[:PICTURES]])

    async def measure() -> float:
        async with TritonEncoder(str(settings.triton_url), card, tls=trusting(settings, "triton_ca_file")) as encoder:
            best = 0.0
            for _ in range(ROUNDS):
                began = time.monotonic()
                await encoder.encode_images(pixels)
                best = max(best, len(pixels) / (time.monotonic() - began))
            return best

    return asyncio.run(measure())
