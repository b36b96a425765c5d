"""Videos and moving pictures of a storm, whose scenes are known because they were made here."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.videos import filmed

SIDE = 128
SECONDS, RATE = 1, 10
MOVES_MS = 400
_UNLIKE = 24.0
"""Grey levels between the scenes of a film, cell by cell: well beyond where a scene changes."""


def films(artwork: Sequence[Path], root: Path) -> list[Path]:
    """A film of three scenes, one of eight, one that stands still, and two moving pictures; a broken one beside."""
    scenes = _unlike([_square(path) for path in artwork])
    often = (("g", str(SECONDS * RATE)), ("keyint_min", str(SECONDS * RATE)))
    made = {
        "film-three.mp4": filmed(scenes[:3], seconds=SECONDS, rate=RATE, options=often),
        "film-eight.webm": filmed(scenes[:8], codec="VP9", seconds=SECONDS, rate=RATE, options=often),
        "film-still.mov": filmed(scenes[3:4], form="mov", seconds=SECONDS, rate=RATE),
        "moving.gif": _moving(scenes[4:8], "GIF"),
        "moving.webp": _moving(scenes[2:5], "WEBP"),
    }
    for name, data in made.items():
        (root / name).write_bytes(data)
    (root / "corrupt.mp4").write_bytes(made["film-three.mp4"][:2000])
    return [root / name for name in made]


def scenes_of(path: Path) -> list[tuple[int, Image.Image]]:
    """What is to be embedded of a medium, with its time: of a film the first frame of each scene, decoded in order."""
    data = path.read_bytes()
    if path.name.startswith("film"):
        with av.open(BytesIO(data)) as file:
            frames = [frame.to_image() for frame in file.decode(video=0)]
        return [(1000 * number // RATE, frames[number]) for number in range(0, len(frames), SECONDS * RATE)]
    if path.name.startswith("moving"):
        with Image.open(BytesIO(data)) as image:
            found = []
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                found.append((MOVES_MS * number, image.convert("RGB")))
        return found
    raise ValueError(path)


def is_film(path: Path) -> bool:
    """Whether a medium of a storm moves."""
    return path.name.startswith(("film", "moving"))


def _moving(scenes: Sequence[Image.Image], kind: str) -> bytes:
    stream = BytesIO()
    scenes[0].save(stream, kind, save_all=True, append_images=scenes[1:], duration=MOVES_MS, loop=0)
    return stream.getvalue()


def _square(path: Path) -> Image.Image:
    with Image.open(path) as image:
        clear = image.convert("RGBA").resize((SIDE, SIDE))
    canvas = Image.new("RGB", clear.size, (255, 255, 255))
    canvas.paste(clear, (0, 0), clear)
    return canvas


def _unlike(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Those of which each is unlike all before it."""
    kept: list[tuple[Image.Image, np.ndarray]] = []
    for picture in pictures:
        cells = np.asarray(picture.resize((16, 16), Image.Resampling.BOX), dtype=float)
        if all(np.abs(cells - other).mean() >= _UNLIKE for _, other in kept):
            kept.append((picture, cells))
    return [picture for picture, _ in kept]
