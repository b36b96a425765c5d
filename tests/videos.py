"""Videos and moving pictures made with PyAV's and Pillow's encoders, a different picture for each scene."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Any

import av
import numpy as np
from PIL import Image

Colour = tuple[int, int, int]
SCENES: tuple[Colour, ...] = (
    (210, 30, 30), (30, 150, 60), (40, 60, 200), (230, 210, 40), (20, 20, 20), (240, 240, 240),
    (200, 80, 200), (60, 200, 210), (120, 70, 20), (120, 120, 120), (250, 140, 20), (90, 20, 110),
)  # fmt: skip
ENCODERS = {
    "H.264": ("libx264", "mp4", {"preset": "ultrafast"}),
    "H.265": ("libx265", "mp4", {"preset": "ultrafast", "x265-params": "log-level=none"}),
    "VP9": ("libvpx-vp9", "webm", {"deadline": "realtime", "cpu-used": "8"}),
    "AV1": ("libsvtav1", "mp4", {"preset": "12", "svtav1-params": "lp=1"}),
}


def plain(colour: Colour, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A colour, lighter towards the right: not so flat that a codec has nothing to do."""
    ramp = np.linspace(-12, 12, size[0])[None, :, None]
    return Image.fromarray(np.clip(np.array(colour)[None, None, :] + ramp, 0, 255).astype(np.uint8).repeat(size[1], 0))


@cache
def video(
    scenes: tuple[Colour, ...] = SCENES[:4],
    *,
    codec: str = "H.264",
    form: str | None = None,
    seconds: float = 1.0,
    rate: int = 10,
    size: tuple[int, int] = (96, 64),
    pixels: str = "yuv420p",
    turned: float | None = None,
    options: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A video that shows each scene for so many seconds."""
    return filmed(
        [plain(colour, size) for colour in scenes],
        codec=codec, form=form, seconds=seconds, rate=rate, pixels=pixels, turned=turned, options=options,
    )  # fmt: skip


def filmed(
    pictures: Sequence[Image.Image],
    *,
    codec: str = "H.264",
    form: str | None = None,
    seconds: float = 1.0,
    rate: int = 10,
    pixels: str = "yuv420p",
    turned: float | None = None,
    options: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """The same of any pictures, all of one size."""
    encoder, usual, own = ENCODERS[codec]
    made = BytesIO()
    container_options = {"movflags": "+frag_keyframe+empty_moov"} if form == "fragments" else {}
    form = "mp4" if form == "fragments" else form or usual
    with av.open(made, "w", format=form, container_options=container_options) as file:
        stream: Any = file.add_stream(encoder, rate=rate, options={**own, **dict(options)})
        stream.width, stream.height, stream.pix_fmt = *pictures[0].size, pixels
        stream.thread_count = 1
        if turned is not None:
            stream.set_display_rotation(turned)
        for picture in pictures:
            for _ in range(round(seconds * rate)):
                file.mux(stream.encode(av.VideoFrame.from_image(picture)))
        file.mux(stream.encode(None))
    return made.getvalue()


def moving(
    kind: str, scenes: Sequence[Colour] = SCENES[:4], *, ms: int = 500, size: tuple[int, int] = (96, 64)
) -> bytes:
    """An animated GIF, WEBP, PNG or AVIF that shows each scene for so many milliseconds."""
    stream = BytesIO()
    first, *others = [plain(colour, size) for colour in scenes]
    first.save(stream, kind, save_all=True, append_images=others, duration=ms, loop=0)
    return stream.getvalue()
