"""A decoded picture as what is kept of it: the pixels that the model sees, and how the whole of it looks."""

from __future__ import annotations

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from workers.adapters.media_decode import Box, to_pixels
from workers.domain.media import Frame
from workers.domain.model_card import ModelCard
from workers.domain.perceptual import SIDE, perceptual_hash
from workers.domain.vectors import Array

_GAP = 2.0  # twice the size is left by averaging whole pixels, which costs a fraction of the resize


def framed(timestamp_ms: int, image: Image.Image, card: ModelCard, box: Box | None = None) -> Frame:
    """``image`` as ``loaded`` gives it, RGB; ``box`` as of ``to_pixels``."""
    return Frame(timestamp_ms, to_pixels(image, card.image, box), perceptual_hash(brightness(image, box)))


def brightness(image: Image.Image, box: Box | None = None) -> Array:
    """uint8 (SIDE, SIDE) of the whole picture, whatever its shape: what the model crops away is how it looks too."""
    small = image.resize((SIDE, SIDE), Resampling.BOX, box, _GAP)
    return np.asarray(small.convert("L"))
