"""ViT-B-32 with random weights, as our own `streamscout model build` makes it; and copies for other cores."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image

from tests.bench.encoders import RowFailed
from tests.bench.photographs import MIXED, photograph
from tests.reports.machine import has_bf16
from workers.domain.model_card import ModelCard
from workers.model.build import Serving
from workers.model.build import build as building

NAME, SEED, MEASURED = "ViT-B-32", 5, 8
INSTANT = Path(__file__).with_name("instant.py")


@dataclass(frozen=True)
class Models:
    """One model in three repositories: on one core, on ``cores``, and answered at once, without a model."""

    checkpoint: Path
    one_core: Path
    all_cores: Path
    instant: Path
    card: ModelCard
    precision: str


def build(folder: Path, cores: int, say: Callable[[str], None]) -> Models:
    """As `streamscout model build` does it, precision given: whether it holds is a row of the bench itself."""
    import open_clip
    import torch

    checkpoint, one, every, instant = (folder / name for name in ("random.pt", "one", "all", "instant"))
    say(f"{NAME} with random weights")
    torch.manual_seed(SEED)
    torch.save(open_clip.create_model(NAME, pretrained=None).state_dict(), checkpoint)
    precision: Literal["bf16", "f32"] = "bf16" if has_bf16() else "f32"
    serving = Serving("cpu", precision, 1)
    shown = [Image.open(BytesIO(photograph(number, MIXED, SEED))).convert("RGB") for number in range(MEASURED)]
    licence = "none: random weights"
    card = building(NAME, None, checkpoint, one, serving=serving, licence=licence, step=say, measured=shown)
    for copy in (every, instant):
        shutil.copytree(one, copy, copy_function=os.link)
    for model in ("clip_image", "clip_text"):
        _replace(
            every / model / "config.pbtxt",
            '"threads", value: { string_value: "1" }',
            f'"threads", value: {{ string_value: "{cores}" }}',
        )
        backend = instant / model / "1" / "model.py"
        backend.unlink()
        shutil.copyfile(INSTANT, backend)
    return Models(checkpoint, one, every, instant, card, precision)


def _replace(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    if before not in text:
        raise RowFailed(f"{path} does not say {before}")
    path.unlink()  # a link to the other repository's file
    path.write_text(text.replace(before, after))
