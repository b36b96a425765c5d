"""How a model is to be computed: measured when it is built, so that what is served holds the bars of `model check`.

Weights stored as float16 halve the files, and bfloat16 doubles the speed where the processor has it; of most models
neither can be seen in the vectors. Which models those are is not known by name: each is compared with itself in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from workers.domain.vectors import Array
from workers.model.check import AT_THE_MODEL, CLOSE_WITHOUT_MEAN, TEXTS, Reference, cosines
from workers.model.checkpoint import BrokenCheckpoint

MARGIN = 0.5  # of the error that `model check` allows: it looks at other pictures
BATCH = 16

Weights = Literal["half", "whole"]
Run = Callable[[Array], Array]


class OpenVinoMissing(RuntimeError):
    """openvino is not installed: what holds cannot be measured. Install the [models] extra of streamscout."""


@dataclass(frozen=True)
class Tower:
    """An exported tower, float16 weights or whole ones, and on some inputs what it must answer, float32 (n, d)."""

    half: Path
    whole: Path
    inputs: Array
    wanted: Array


@dataclass(frozen=True)
class Error:
    """How far vectors are from what is wanted, as 1 - cosine: of the worst, as they are and with the mean taken off."""

    plain: float
    mean_off: float

    def holds(self, precision: str) -> bool:
        """As computed in this precision, at the model."""
        return self.within(AT_THE_MODEL[precision])

    def within(self, close: float) -> bool:
        """Within what a bar of so much allows, with room for other inputs."""
        plain, mean_off = 1 - close, 1 - CLOSE_WITHOUT_MEAN
        return self.plain <= plain * MARGIN and self.mean_off <= mean_off * MARGIN

    def __str__(self) -> str:
        return f"{1 - self.plain:.6f}, mean off {1 - self.mean_off:.5f}"


def towers_of(
    source: Reference, pixels: Array, image: tuple[Path, Path], text: tuple[Path, Path]
) -> tuple[Tower, Tower]:
    """Of pictures uint8 (n, s, s, 3), at least three, and the texts of `model check`; paths are (half, whole).

    Raises BrokenCheckpoint where the model answers with what are no numbers.
    """
    pictures = Tower(*image, pixels, source.encode_pixels(pixels))
    texts = Tower(*text, source.tokens(TEXTS), source.encode_texts(TEXTS))
    if not all(np.isfinite(tower.wanted).all() for tower in (pictures, texts)):
        raise BrokenCheckpoint("the model answers with vectors that are no numbers (NaN): its weights are damaged")
    return pictures, texts


def choose_weights(towers: Sequence[Tower]) -> tuple[Weights, str]:
    """Whether float16 weights will do for all, computed in float32; and what was measured."""
    errors = [error_of(run(tower.half, "f32"), tower) for tower in towers]
    said = "; ".join(str(error) for error in errors)
    if all(error.holds("f32") for error in errors):
        return "half", f"float16 weights hold (pictures; texts: {said})"
    return "whole", f"float16 weights do not hold (pictures; texts: {said})"


def choose_precision(pictures: Tower, weights: Weights) -> tuple[Literal["bf16", "f32"], str]:
    """bfloat16 where this processor has it and it holds, else float32; and what was measured."""
    if not has_bfloat16():
        return "f32", "this processor has no bfloat16 to measure"
    error = error_of(run(pictures.half if weights == "half" else pictures.whole, "bf16"), pictures)
    if error.holds("bf16"):
        return "bf16", f"bfloat16 holds ({error})"
    return "f32", f"bfloat16 does not hold ({error})"


def error_of(tower: Run, on: Tower) -> Error:
    """In batches, as they are served."""
    starts = range(0, len(on.inputs), BATCH)
    return between(np.concatenate([tower(on.inputs[start : start + BATCH]) for start in starts]), on.wanted)


def between(found: Array, wanted: Array) -> Error:
    """Of vectors (n, d), row by row; the mean is that of ``wanted``."""
    mean = wanted.mean(axis=0)
    plain, off = cosines(found, wanted), cosines(found - mean, wanted - mean)
    return Error(float(1 - plain.min()), float(1 - off.min()))


def has_bfloat16() -> bool:
    """Whether OpenVINO finds it on this processor."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def run(path: Path, precision: str) -> Run:
    """As the cpu target computes it."""
    core = _core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    model = core.compile_model(core.read_model(path), "CPU", settings)
    return lambda rows: np.asarray(model(rows)[0], dtype=np.float32)


def _core() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise OpenVinoMissing(OpenVinoMissing.__doc__) from error
    return openvino.Core()
