"""Composes the sample world's pictures: a drawing on a gradient, written as JPEG."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from PIL import Image

from workers.demo.world import Artwork, Composition

SIDE = 192
QUALITY = 88


def compose(composition: Composition, artwork: Path) -> Image.Image:
    """An RGB picture of 192 x 192 pixels; the same composition is the same picture."""
    rng = random.Random(composition.seed)  # noqa: S311 - a sample world, not a secret
    picture = _gradient(rng)
    _paste(picture, artwork, composition.main, round(SIDE * rng.uniform(0.62, 0.82)), rng, 0.5)
    if composition.beside is not None:
        _paste(picture, artwork, composition.beside, round(SIDE * 0.2), rng, rng.choice((0.05, 0.95)))
    return picture


def write_picture(composition: Composition, artwork: Path, target: Path) -> None:
    """Write the picture as JPEG unless it is there already."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        compose(composition, artwork).save(target, "JPEG", quality=QUALITY)


def _gradient(rng: random.Random) -> Image.Image:
    """Light pastel to pastel, top to bottom."""
    top, bottom = ([rng.randrange(150, 256) for _ in range(3)] for _ in range(2))
    ramp = np.linspace(0.0, 1.0, SIDE)[:, None, None]
    rows = (1 - ramp) * np.array(top) + ramp * np.array(bottom)
    return Image.fromarray(np.broadcast_to(rows, (SIDE, SIDE, 3)).astype(np.uint8))


def _paste(picture: Image.Image, artwork: Path, drawing: Artwork, side: int, rng: random.Random, where: float) -> None:
    """Put a drawing of ``side`` pixels at ``where`` of the free room (0 top left, 1 bottom right), slightly turned."""
    with Image.open(artwork / drawing.file) as source:
        image = source.convert("RGBA").resize((side, side), Image.Resampling.BICUBIC)
    turned = image.rotate(rng.uniform(-8, 8), resample=Image.Resampling.BICUBIC)
    room = SIDE - side
    shift = room * 0.15
    x = min(max(round(room * where + rng.uniform(-shift, shift)), 0), room)
    y = min(max(round(room * where + rng.uniform(-shift, shift)), 0), room)
    picture.paste(turned, (x, y), turned)
