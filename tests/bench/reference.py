"""torch in float32 on the same weights, as clip-retrieval and infinity run open_clip's models on a processor.

``python -m tests.bench.reference CHECKPOINT THREADS PIXELS.npy``; it speaks as ``engine.py`` does.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch

from workers.model.source import load_open_clip

BATCH = 32


def main(checkpoint: Path, threads: int, pixels: np.ndarray) -> None:
    torch.set_num_threads(threads)
    source = load_open_clip("ViT-B-32", None, checkpoint)
    source.encode_pixels(pixels[:BATCH])
    print("ready", flush=True)
    for line in sys.stdin:
        begun, done = time.monotonic(), 0
        while time.monotonic() - begun < float(line):
            start = done % len(pixels)
            source.encode_pixels(pixels[start : start + BATCH])
            done += BATCH
        print(done / (time.monotonic() - begun), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), np.load(sys.argv[3]))
