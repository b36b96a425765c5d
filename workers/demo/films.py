"""Makes the sample world's videos: one scene for each of a post's pictures, as MP4 (H.264)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from workers.demo.pictures import SIDE, compose
from workers.demo.world import SCENE_MS, Composition

_RATE = 10
_FRAMES = SCENE_MS * _RATE // 1000


def write_film(scenes: Sequence[Composition], artwork: Path, target: Path) -> None:
    """Write the video unless it is there already; the same scenes are the same bytes."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    with av.open(half, "w", format="mp4") as file:
        # A frame that decodes alone where each scene begins, as encoders set them at cuts.
        options = {"preset": "veryfast", "g": str(_FRAMES), "keyint_min": str(_FRAMES), "sc_threshold": "0"}
        stream: Any = file.add_stream("libx264", rate=_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = SIDE, SIDE, "yuv420p", 1
        for scene in scenes:
            pixels = np.asarray(compose(scene, artwork))
            for _ in range(_FRAMES):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    half.rename(target)
