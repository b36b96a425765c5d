"""The bare engine: OpenVINO on the picture tower as Triton's backend runs it, and nothing around it.

Runs in the interpreter of Triton's own environment, which knows nothing of this package:
``engine.py MODEL.onnx THREADS PRECISION PIXELS.npy``. For each line on standard input, seconds, it writes how many
pictures a second it encoded.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import openvino

BATCH = 32


def main(model: str, threads: int, precision: str, pixels: np.ndarray) -> None:
    core = openvino.Core()
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
    compiled = core.compile_model(core.read_model(model), "CPU", hints)
    compiled(pixels[:BATCH])
    print("ready", flush=True)
    for line in sys.stdin:
        begun, done = time.monotonic(), 0
        while time.monotonic() - begun < float(line):
            start = done % len(pixels)
            np.asarray(compiled(pixels[start : start + BATCH])[0], dtype=np.float32)
            done += BATCH
        print(done / (time.monotonic() - begun), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], np.load(sys.argv[4]))
