"""Real photographs, damaged: bits turned, ends cut off, pieces moved or swapped between files, headers rewritten."""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from PIL import Image
from skimage import data as photographs

SIDE = 160
SAVED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("JPEG", {"quality": 80}),
    ("JPEG", {"quality": 70, "progressive": True}),
    ("PNG", {}),
    ("WEBP", {"quality": 70}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("BMP", {}),
    ("AVIF", {"quality": 60, "speed": 10}),
)


def sound() -> list[bytes]:
    """The photographs, in every kind that is read."""
    files = []
    for take in (photographs.astronaut, photographs.chelsea, photographs.coffee):
        image = Image.fromarray(take())
        image.thumbnail((SIDE, SIDE))
        for kind, options in SAVED:
            stream = BytesIO()
            image.save(stream, kind, **options)
            files.append(stream.getvalue())
    return files


def mutated(count: int, seed: int, files: list[bytes] | None = None) -> Iterator[bytes]:
    """``count`` damaged files, the same for the same seed: of the photographs, or of others."""
    chance, files = random.Random(seed), files or sound()
    for number in range(count):
        data = bytearray(files[number % len(files)])
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            _damage(chance, data, files)
        yield bytes(data)


def _damage(chance: random.Random, data: bytearray, files: list[bytes]) -> None:
    if not data:
        return
    kind, at, length = chance.randrange(7), chance.randrange(len(data)), chance.choice((1, 2, 4, 16, 256, 4096))
    if kind == 0:
        for _ in range(length % 37 + 1):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        del data[at : at + length]
    elif kind == 3:
        data[at : at + length] = chance.randbytes(length)
    elif kind == 4:
        other = chance.choice(files)
        start = chance.randrange(len(other))
        data[at:at] = other[start : start + length]
    elif kind == 5:
        data[at : at + length] = data[:length]
    else:  # the header: sizes, counts, types
        place = chance.randrange(min(64, len(data)))
        value = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\xff\xff", b"\1", b"\x80"))
        data[place : place + len(value)] = value
