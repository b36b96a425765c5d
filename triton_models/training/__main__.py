"""`python -m triton_models.training --out DIR`: download, train, construct, export, evaluate. About 40 minutes."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from triton_models.training.data import Data, gather
from triton_models.training.evaluate import gallery_pictures, measure
from triton_models.training.export import assemble, encode_pictures, encode_texts, export, save_checkpoint
from triton_models.training.picture_tower import Plan, build_model, train_picture_tower
from triton_models.training.trunk import fetch_trunk

BATCH, STEPS, EVALUATION_SEED = 128, 5_000, 2024


def main() -> None:
    """Writes the model repository to OUT/repository, and OUT/checkpoint.pt and OUT/figures.json."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    data = gather(options.out)
    checkpoint = options.out / "checkpoint.pt"
    if options.checkpoint:
        stored = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
        model = build_model(data.words.dimensions).eval()
        model.load_state_dict(stored["state_dict"])
    else:
        trunk = fetch_trunk(options.out / "trunk")
        plan = Plan(options.seed, BATCH, steps=options.steps, seconds=options.seconds)
        tower = train_picture_tower(
            data.composer(options.seed), data.anchors, plan, trunk, options.out / "tower.pt", _report
        )
        model = assemble(data, tower.state_dict())
        save_checkpoint(model, data, checkpoint)
    card = export(model, data, options.out / "repository", options.seed)
    figures = evaluate(model, data)
    (options.out / "figures.json").write_text(json.dumps({"model": card.model_version, **figures}, indent=1) + "\n")
    for name, rows in figures.items():
        print(name, json.dumps({key: round(value, 1) for key, value in rows.items()}, indent=1))
    print(
        f"{card.model_version}: copy {options.out}/repository over triton_models, then run tests/golden/make_golden.py"
    )


def evaluate(model: Any, data: Data) -> dict[str, dict[str, float]]:
    """The figures of the tower alone, with the head, and of anchors in place of pictures (what words alone reach)."""
    pictures = {style: gallery_pictures(data, style, EVALUATION_SEED) for style in data.art}
    galleries = {
        "tower": {s: (n, encode_pictures(model, data, p, with_head=False)) for s, (n, p) in pictures.items()},
        "with head": {s: (n, encode_pictures(model, data, p)) for s, (n, p) in pictures.items()},
        "words alone": {s: (n, data.anchors.vectors[n.numpy()]) for s, (n, _) in pictures.items()},
    }
    return {name: measure(data, gallery, lambda t: encode_texts(model, t)) for name, gallery in galleries.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m triton_models.training", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for downloads, checkpoint, model and figures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of {BATCH} pictures (default {STEPS})")
    parser.add_argument("--seconds", type=float, default=None, help="end by then, however many steps that is")
    parser.add_argument("--checkpoint", type=Path, default=None, help="do not train: export and evaluate this one")
    return parser.parse_args()


def _report(row: dict[str, float]) -> None:
    done = 100 * row["progress"]
    print(f"{time.strftime('%H:%M:%S')} step {row['step']:.0f} ({done:.1f} %) loss {row['loss']:.3f}", flush=True)


if __name__ == "__main__":
    main()
