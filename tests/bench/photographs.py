"""Photographs for the bench, from a seed: real ones inside two wheels, cropped, scaled, with grain, as JPEG.

No photograph can be had from outside, and those in the wheels are of 300 to 1,400 pixels. Enlarged they would be
smoother than a camera's and cheaper to decode, so each gets grain at its final size: of 1,080 pixels a picture has 100
to 500 kB, as those on social networks have.
"""

from __future__ import annotations

import random
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from itertools import repeat
from pathlib import Path

import numpy as np
from PIL import Image

from workers.domain.vectors import Array

SOURCES = (
    ("skimage", "data/astronaut.png"), ("skimage", "data/coffee.png"), ("skimage", "data/chelsea.png"),
    ("skimage", "data/rocket.jpg"), ("skimage", "data/motorcycle_left.png"), ("skimage", "data/hubble_deep_field.jpg"),
    ("skimage", "data/retina.jpg"), ("skimage", "data/ihc.png"), ("sklearn", "datasets/images/flower.jpg"),
    ("sklearn", "datasets/images/china.jpg"),
)  # fmt: skip
OF_1080 = ((1080, 1080), (1080, 1350), (1080, 1440), (1080, 1350), (1920, 1080), (1080, 1920))
MIXED = (
    (1080, 1080),
    (1080, 1350),
    (1080, 810),
    (1080, 1350),
    (1080, 608),
    (810, 1080),
    (640, 640),
    (640, 480),
    (720, 1280),
    (480, 600),
    (1440, 1080),
    (2048, 1536),
)
_GRAIN = (2.0, 7.0)
_TILE = 1024
# In the order of the file, from low frequencies to high: those that a picture decoded at a quarter of its size has,
# without 0, which would change the light.
_PLACES = (1, 2, 4)
_TABLES_CHANGED = 2  # of brightness and of colour
VARIANTS = 3 ** (len(_PLACES) * _TABLES_CHANGED)
_MARKER, _TABLES, _FRAME = 0xFF, 0xDB, (0xC0, 0xC2)


def photograph(number: int, sizes: tuple[tuple[int, int], ...], seed: int = 1) -> bytes:
    """The JPEG of this number: another crop, size, light, grain and quality for each; a fourth are progressive."""
    rng = random.Random(f"{seed} {number}")
    width, height = sizes[number % len(sizes)]
    package, file = SOURCES[rng.randrange(len(SOURCES))]
    picture = _cropped(_source(package, file), width / height, rng)
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    light, grain = rng.uniform(0.8, 1.15), rng.uniform(*_GRAIN)
    pixels = np.asarray(picture, dtype=np.float32) * light + grain * _grain(width, height, rng)
    out = BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
        out, "JPEG", quality=rng.randrange(75, 93), progressive=rng.random() < 0.25
    )
    return out.getvalue()


def variant(data: bytes, number: int) -> bytes:
    """The same JPEG with other pixels, for nothing: some quantisation steps are a little other for each ``number``.

    Steps of the lowest frequencies, which decoding at a quarter uses too: no two of ``VARIANTS`` numbers decode to
    equal pixels. Raises ValueError beyond them: what was seen before would be remembered, and not be encoded again.
    """
    if not 0 <= number < VARIANTS:
        raise ValueError(f"a photograph has {VARIANTS} variants, there is none of number {number}")
    changed = bytearray(data)
    for at in _tables(data):
        for place in _PLACES:
            number, more = divmod(number, 3)
            changed[at + place] = min(255, changed[at + place] + more)
    return bytes(changed)


def _tables(data: bytes) -> list[int]:
    """Where the first two quantisation tables of a baseline JPEG's header begin."""
    found: list[int] = []
    at = 2
    while data[at] == _MARKER and data[at + 1] not in _FRAME:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == _TABLES:
            found += range(at + 5, at + 2 + length, 65)
        at += 2 + length
    return found[:_TABLES_CHANGED]


def _cropped(picture: Image.Image, ratio: float, rng: random.Random) -> Image.Image:
    """A random part of this ratio of width to height, 60 to 100 % of the largest there is."""
    width = min(picture.width, picture.height * ratio) * rng.uniform(0.6, 1.0)
    height = width / ratio
    left, top = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - height)
    return picture.crop((round(left), round(top), round(left + width), round(top + height)))


@cache
def _source(package: str, file: str) -> Image.Image:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise RuntimeError(f"{package} is not installed: it is one of the development packages")
    with Image.open(Path(found.origin).parent / file) as picture:
        return picture.convert("RGB")


@cache
def _noise() -> Array:
    return np.random.default_rng(7).standard_normal((_TILE, _TILE, 3), dtype=np.float32)


def _grain(width: int, height: int, rng: random.Random) -> Array:
    """Noise of deviation 1, (height, width, 3), a random part of a tile that repeats."""
    top, left = rng.randrange(_TILE), rng.randrange(_TILE)
    rows = np.arange(top, top + height) % _TILE
    columns = np.arange(left, left + width) % _TILE
    return np.asarray(_noise()[rows[:, None], columns[None, :]])


def gallery(folder: Path, count: int, sizes: tuple[tuple[int, int], ...], seed: int = 1) -> list[bytes]:
    """So many photographs, made by two processes, as files in a folder too."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2) as pool:
        made = list(pool.map(photograph, range(count), repeat(sizes), repeat(seed), chunksize=8))
    for number, data in enumerate(made):
        (folder / f"{number:05}.jpg").write_bytes(data)
    return made
