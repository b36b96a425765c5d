"""What a build decides from how far a model's vectors move: weights first, then bfloat16."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL.Image import Image

from workers.domain.vectors import Array
from workers.model import measuring
from workers.model.checkpoint import BrokenCheckpoint
from workers.model.measuring import Error, Tower, choose_precision, choose_weights, error_of, towers_of

INPUTS = np.arange(40)


def vectors(common: float) -> Array:
    """Unit vectors (40, 41) which share their first axis: the more so, the less is left without their mean."""
    rows = np.hstack([np.full((len(INPUTS), 1), common), np.eye(len(INPUTS))])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def tower(name: str, common: float = 1.0) -> Tower:
    """Of which the measured runs know the name."""
    return Tower(Path(f"{name}.half"), Path(f"{name}.whole"), INPUTS, vectors(common))


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], float]:
    """By file and precision, how far each vector is moved; nothing else moves any. The processor has bfloat16."""
    moved: dict[tuple[str, str], float] = {}

    def run(path: Path, precision: str) -> measuring.Run:
        by = moved.get((path.name, precision), 0.0)
        wanted = vectors(COMMON.get(path.stem, 1.0))
        return lambda rows: wanted[rows] + by * np.roll(np.eye(*wanted.shape), 2, axis=1)[rows]

    monkeypatch.setattr(measuring, "run", run)
    monkeypatch.setattr(measuring, "has_bfloat16", lambda: True)
    return moved


COMMON = {"alike": 300.0}


def test_what_holds_is_taken_small_and_fast(noise: dict[tuple[str, str], float]) -> None:
    """float16 weights and bfloat16, and the card can say why."""
    weights, why = choose_weights([tower("pictures"), tower("texts")])
    assert weights == "half"
    assert "1.000000" in why
    assert choose_precision(tower("pictures"), weights)[0] == "bf16"


@pytest.mark.parametrize("name", ["pictures", "texts"])
def test_weights_stay_whole_where_one_tower_needs_them(noise: dict[tuple[str, str], float], name: str) -> None:
    """Of both then."""
    noise[f"{name}.half", "f32"] = 0.02
    weights, why = choose_weights([tower("pictures"), tower("texts")])
    assert weights == "whole"
    assert "do not hold" in why


def test_bfloat16_is_measured_on_the_weights_that_are_kept(noise: dict[tuple[str, str], float]) -> None:
    """Those that are thrown away say nothing."""
    noise["pictures.half", "bf16"] = 0.5
    assert choose_precision(tower("pictures"), "half")[0] == "f32"
    assert choose_precision(tower("pictures"), "whole")[0] == "bf16"


def test_a_common_direction_hides_no_error(noise: dict[tuple[str, str], float]) -> None:
    """Pictures that are nearly alike: what is left of them without their mean is what tells them apart (RN50)."""
    alike = tower("alike", COMMON["alike"])
    noise["alike.half", "bf16"] = 0.002
    found = error_of(measuring.run(alike.half, "bf16"), alike)
    assert found.plain < 1e-5
    assert not found.holds("bf16")
    assert choose_precision(alike, "half")[0] == "f32"


def test_a_processor_without_bfloat16_measures_none(
    noise: dict[tuple[str, str], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be measured is not promised to another processor."""
    monkeypatch.setattr(measuring, "has_bfloat16", lambda: False)
    precision, why = choose_precision(tower("pictures"), "half")
    assert (precision, why) == ("f32", "this processor has no bfloat16 to measure")


def test_half_of_what_a_check_allows_is_left_for_other_pictures() -> None:
    """0.999 and 0.98 are the check's bars in bfloat16, 0.9999 in float32."""
    assert Error(0.0004, 0.009).holds("bf16")
    assert not Error(0.0006, 0.009).holds("bf16")
    assert not Error(0.0004, 0.011).holds("bf16")
    assert not Error(0.0004, 0.009).holds("f32")


@pytest.mark.parametrize("damaged", ["pictures", "texts"])
def test_a_model_that_answers_with_no_numbers_is_not_built(damaged: str) -> None:
    """Weights that are damaged in a file that is whole: every vector would be refused for ever."""

    class Source:
        def encode_pixels(self, pixels: Array) -> Array:
            return vectors(1.0) * (np.nan if damaged == "pictures" else 1)

        def encode_texts(self, texts: Sequence[str]) -> Array:
            return vectors(1.0) * (np.nan if damaged == "texts" else 1)

        def tokens(self, texts: Sequence[str]) -> Array:
            return np.zeros((len(texts), 8), dtype=np.int64)

        def encode_images(self, images: Sequence[Image]) -> Array:
            raise NotImplementedError

    both = Path("half"), Path("whole")
    with pytest.raises(BrokenCheckpoint, match="no numbers"):
        towers_of(Source(), np.zeros((3, 8, 8, 3), np.uint8), both, both)
