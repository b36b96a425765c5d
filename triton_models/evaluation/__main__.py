"""`python -m triton_models.evaluation`: what a model repository makes of the evaluation set. Some minutes on 2 cores.

The exported pair is run in OpenVINO as the cpu target runs it; needs the `[models]` extra, npm and node.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.tokenizer import SimpleTokenizer
from rich.console import Console
from rich.progress import track

from triton_models.training.artwork import (
    ART_SIZE,
    HELD_OUT_STYLES,
    concept_key,
    fetch_packages,
    load_art,
    read_concepts,
)
from triton_models.training.composing import Composer
from triton_models.training.concept import Concept
from triton_models.training.evaluate import Encode, measure, precision
from triton_models.training.words import Floats
from workers.config import REPOSITORY
from workers.domain.model_card import ModelCard, load_model_card
from workers.model.layout import IMAGE_FILE, TEXT_FILE
from workers.model.measuring import BATCH, Run, run

FOLDER = Path(__file__).parent
STYLES = ("google", *HELD_OUT_STYLES)
SEED = 2024
PAIR_SIZE, PAIR_BACKGROUND = 30, 235
CUT, PAIR_CUT = 5, 10


@dataclass(frozen=True)
class Brief:
    """`relevant`: rows of the concepts that answer it."""

    brief: str
    theme: str
    relevant: frozenset[int]


@dataclass(frozen=True)
class Data:
    """As much of the training's data as measuring needs."""

    concepts: list[Concept]
    held_out: frozenset[str]


def main() -> None:
    """Prints the figures and writes them to OUT; they are per cent."""
    parser = argparse.ArgumentParser(prog="python -m triton_models.evaluation", description=__doc__)
    parser.add_argument("--repository", type=Path, default=REPOSITORY / "triton_models")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build" / "tinyclip", help="for the npm packages")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "reports" / "bundled_model.json")
    asked = parser.parse_args()
    card = load_model_card(asked.repository)
    figures = evaluate(asked.repository, card, asked.folder)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"model": card.model_version, **figures}, indent=1) + "\n")
    Console().print_json(data={"model": card.model_version, **figures})


def evaluate(repository: Path, card: ModelCard, folder: Path) -> dict[str, float]:
    """Every figure, rounded to a tenth."""
    cache = folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    modules = fetch_packages(folder / "npm")
    concepts = read_concepts(modules)
    briefs = read_briefs(concepts)
    data = Data(concepts, frozenset(json.loads((FOLDER / "held_out_words.json").read_text())))
    encode, tower = text_encoder(repository, card), run(repository / IMAGE_FILE, "f32")
    figures: dict[str, float] = {}
    for style in STYLES:
        art = load_art(modules, style, concepts, cache)
        composer = Composer([art], SEED)
        numbers = composer.present[0].nonzero()[:, 0]
        pictures = composer.draw(numbers).permute(0, 2, 3, 1) * 255.0
        gallery = vectors(tower, pictures.round().to(torch.uint8).numpy(), style)
        figures |= measure(data, {style: (numbers, gallery)}, encode)  # type: ignore[arg-type]
        figures |= brief_figures(briefs, numbers.tolist(), gallery, encode, style)
        figures[f"two in one picture, name R@{PAIR_CUT}, {style}"] = pair_figure(
            art, numbers.tolist(), concepts, tower, encode, style
        )
    return {name: round(value, 1) for name, value in figures.items()}


def read_briefs(concepts: Sequence[Concept]) -> list[Brief]:
    """Raises ValueError where a brief names an emoji that is no concept."""
    rows = {concept.key: row for row, concept in enumerate(concepts)}
    found, unknown = [], []
    for entry in json.loads((FOLDER / "briefs.json").read_text(encoding="utf-8")):
        keys = [concept_key("-".join(f"{ord(letter):04x}" for letter in emoji)) for emoji in entry["relevant"]]
        unknown += [emoji for emoji, key in zip(entry["relevant"], keys, strict=True) if key not in rows]
        found.append(Brief(entry["brief"], entry["theme"], frozenset(rows[key] for key in keys if key in rows)))
    if unknown:
        raise ValueError(f"no concepts: {' '.join(unknown)}")
    return found


def text_encoder(repository: Path, card: ModelCard) -> Encode:
    """Texts to float32 (n, d), by the exported tower."""
    tokenizer = SimpleTokenizer(context_length=card.text.context_length)
    tower = run(repository / TEXT_FILE, "f32")
    return lambda texts: tower(tokenizer(list(texts), context_length=card.text.context_length).numpy())


def vectors(tower: Run, pixels: NDArray[np.uint8], what: str) -> Floats:
    """float32 (n, d) of pictures uint8 (n, s, s, 3)."""
    starts = range(0, len(pixels), BATCH)
    return np.concatenate([tower(pixels[start : start + BATCH]) for start in track(starts, what)])


def brief_figures(
    briefs: Sequence[Brief], numbers: list[int], gallery: Floats, encode: Encode, style: str
) -> dict[str, float]:
    """The share of relevant among the first five: of all briefs, and of each theme's."""
    place = {number: row for row, number in enumerate(numbers)}
    themes: dict[str, list[Brief]] = {"50 briefs": list(briefs)}
    for brief in briefs:
        themes.setdefault(f"briefs of {brief.theme}", []).append(brief)
    figures = {}
    for theme, these in themes.items():
        relevant = [{place[number] for number in one.relevant if number in place} for one in these]
        share, _ = precision(encode([one.brief for one in these]), gallery, relevant, CUT)
        figures[f"{theme}, P@{CUT}, {style}"] = 100 * share
    return figures


def pair_figure(
    art: NDArray[np.uint8], numbers: list[int], concepts: Sequence[Concept], tower: Run, encode: Encode, style: str
) -> float:
    """Two emoji of like size beside each other, found by the name of either: in how many of 100 cases."""
    order = np.random.default_rng(SEED).permutation(numbers)
    pairs = order[: len(order) // 2 * 2].reshape(-1, 2)
    gallery = vectors(tower, np.stack([beside(art[left], art[right]) for left, right in pairs]), f"{style}, two in one")
    found = []
    for side in (0, 1):
        scores = encode([concepts[int(number)].name for number in pairs[:, side]]) @ gallery.T
        found.append((scores > np.diag(scores)[:, None]).sum(axis=1) < PAIR_CUT)
    return float(100 * np.concatenate(found).mean())


def beside(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB (64, 64, 3) of two RGBA pictures, each 30 pixels wide, on light grey."""
    from PIL import Image

    canvas = Image.new("RGB", (ART_SIZE, ART_SIZE), (PAIR_BACKGROUND,) * 3)
    for place, picture in enumerate((left, right)):
        small = Image.fromarray(picture).resize((PAIR_SIZE, PAIR_SIZE), Image.Resampling.BICUBIC)
        canvas.paste(small, (1 + place * (ART_SIZE // 2), (ART_SIZE - PAIR_SIZE) // 2), small)
    result: Any = np.asarray(canvas)
    return result  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
