"""`python -m triton_models.safety`: labelled pictures and captions for `streamscout safety calibrate`. A minute.

Pictures are composed of drawings in the two styles that the model never saw; the captions are written by hand. What is
held out is of other emoji *and* of the other style than what is fitted on. Needs the `[models]` extra, npm and node.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track

from triton_models.training.artwork import (
    HELD_OUT_STYLES,
    STYLES,
    concept_key,
    fetch_packages,
    load_art,
    read_concepts,
)
from triton_models.training.composing import Composer, to_uint8
from triton_models.training.concept import Concept
from workers.config import REPOSITORY

FOLDER = Path(__file__).parent
SEED = 2026
FLUENT, OPENMOJI = HELD_OUT_STYLES
DRAWN, DRAWN_OF_THE_RARE = 4, 12
"""Pictures of each emoji; of one that shows a category."""
OVERLAP = {"violence": ("weapons", "hate_symbols"), "weapons": ("violence",), "hate_symbols": ("violence", "politics"),
           "politics": ("hate_symbols", "violence"), "drugs": ("tobacco",), "profanity": ()}  # fmt: skip
"""Of a caption of the one it is not said whether it is of the others."""


def main() -> None:
    """Writes OUT/labels.jsonl and OUT/pictures/*.png."""
    parser = argparse.ArgumentParser(prog="python -m triton_models.safety", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "safety")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build" / "tinyclip", help="for the npm packages")
    parser.add_argument("--fit", default=OPENMOJI, choices=sorted(STYLES), help="style of the pictures to fit on")
    parser.add_argument("--held-out", default=FLUENT, choices=sorted(STYLES), help="style of those to judge by")
    asked = parser.parse_args()
    (asked.out / "pictures").mkdir(parents=True, exist_ok=True)
    sides = {"fit": asked.fit, "held_out": asked.held_out}
    labels = [*picture_labels(asked.out, asked.folder, sides), *caption_labels()]
    lines = "".join(json.dumps(label, ensure_ascii=False) + "\n" for label in labels)
    (asked.out / "labels.jsonl").write_text(lines, encoding="utf-8")


def picture_labels(out: Path, folder: Path, sides: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Draws the pictures of both sides; a label of each."""
    cache = folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    modules = fetch_packages(folder / "npm")
    concepts = read_concepts(modules)
    shown = {name: _keys(each["holds"]) for name, each in _emoji().items()}
    unclear = {name: _keys(each["unclear"]) for name, each in _emoji().items()}
    side_of = sides_of(concepts, list(shown.values()))
    for part, style in sides.items():
        composer = Composer([load_art(modules, style, concepts, cache)], SEED)
        own = [n for n in composer.present[0].nonzero()[:, 0].tolist() if side_of[concepts[n].key] == part]
        rare = {key for keys in shown.values() for key in keys}
        numbers = [n for n in own for _ in range(DRAWN_OF_THE_RARE if concepts[n].key in rare else DRAWN)]
        drawn = _drawn(composer, numbers, style)
        for place, (number, picture) in enumerate(zip(numbers, drawn, strict=True)):
            key = concepts[number].key
            file = Path("pictures") / f"{style}-{key}-{place}.png"
            Image.fromarray(picture).save(out / file)
            holds = [name for name, keys in shown.items() if key in keys]
            yield {
                "image": str(file),
                "holds": holds,
                "unclear": [name for name, keys in unclear.items() if key in keys and name not in holds],
                "thing": f"{style}-{key}",
                "part": part,
            }


def sides_of(concepts: Sequence[Concept], categories: Sequence[Sequence[str]]) -> dict[str, str]:
    """On which side each emoji stands: half of each category's in turn, of the rest by lot."""
    lot = np.random.default_rng(SEED)
    sides = {concept.key: ("fit" if lot.random() < 0.5 else "held_out") for concept in concepts}
    for keys in categories:
        sides |= {key: ("fit" if place % 2 == 0 else "held_out") for place, key in enumerate(keys)}
    return sides


def caption_labels() -> Iterator[dict[str, Any]]:
    """Of captions.json, in turn on each side."""
    captions: dict[str, list[str]] = json.loads((FOLDER / "captions.json").read_text(encoding="utf-8"))
    for name, texts in captions.items():
        for place, text in enumerate(texts):
            yield {
                "text": text,
                "holds": [] if name == "none" else [name],
                "unclear": list(OVERLAP.get(name, ())),
                "part": "fit" if place % 2 == 0 else "held_out",
            }


def _drawn(composer: Composer, numbers: Sequence[int], style: str) -> Iterator[Any]:
    for start in track(range(0, len(numbers), 256), style):
        yield from to_uint8(composer.draw(torch.tensor(numbers[start : start + 256])))


def _emoji() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((FOLDER / "emoji.json").read_text(encoding="utf-8"))
    return found


def _keys(emoji: str) -> list[str]:
    return [concept_key(f"{ord(letter):04x}") for letter in emoji]


if __name__ == "__main__":
    main()
