"""Writes golden.json: open_clip's own vectors of photographs and texts, for the served model to be held against.

Needs the `[models]` extra and the checkpoint that `python -m triton_models.training` wrote:
`python tests/golden/make_golden.py CHECKPOINT`. Pictures go through open_clip's own preprocessing, in float32; the
head of the bundled model is applied behind open_clip's picture tower. Photographs are those inside the wheels of
scikit-image and scikit-learn.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from workers.domain.model_card import load_model_card
from workers.domain.vectors import Array
from workers.model.source import load_open_clip

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PHOTOGRAPHS = {
    "skimage": [
        f"data/{name}"
        for name in (
            "astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg",
            "camera.png", "brick.png", "grass.png", "gravel.png", "coins.png", "clock_motion.png", "retina.jpg",
        )
    ],
    "sklearn": ["datasets/images/flower.jpg", "datasets/images/china.jpg"],
}  # fmt: skip
TEXTS = (
    "italian dinner with wine", "winter skiing trip", "healthy fruit smoothie", "beach holiday", "crypto investing",
    "a cat", "Coffee & croissants for breakfast", "electric guitar", "football match in the stadium",
    "our new running shoes, made for the marathon", "makeup and skincare", "baby toys", "red sports car",
    "flowers from my garden", "books for rainy days #reading", "don't miss it's we'll I'VE pizza",
    "caf\u00e9 &amp; cr\u00eape &lt;3", "\U0001f355\U0001f355 pizza \U0001f377 night", "MiXeD  CaSe\tsnow\nboard",
    "it\u2019s \u201cquoted\u201d \u2026 \u2013 ice cream", "mojibake cafÃ© coffee",
    "C++ / C# laptop 3.14", "dog " * 60, "\u65e5\u672c\u8a9e sushi",
)  # fmt: skip


def main(checkpoint: Path) -> None:
    """Writes golden.json beside this file."""
    source = load_open_clip("tinyclip", None, checkpoint)
    files = [(package, file) for package, names in PHOTOGRAPHS.items() for file in names]
    paths = [Path(str(find_spec(package).origin)).parent / file for package, file in files]  # type: ignore[union-attr]
    pictures = _rounded(source.encode_images([Image.open(path) for path in paths]))
    photographs = [
        {"package": package, "file": file, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "vector": vector}
        for (package, file), path, vector in zip(files, paths, pictures, strict=True)
    ]
    texts = [{"text": t, "vector": v} for t, v in zip(TEXTS, _rounded(source.encode_texts(TEXTS)), strict=True)]
    golden = {
        "model_version": load_model_card(ROOT / "triton_models").model_version,
        "made_by": "tests/golden/make_golden.py",
        "photographs": photographs,
        "texts": texts,
    }
    lines = json.dumps(golden, ensure_ascii=True).replace('{"package"', '\n{"package"').replace('{"text"', '\n{"text"')
    (HERE / "golden.json").write_text(lines + "\n")


def _rounded(vectors: Array) -> list[list[float]]:
    return [[round(float(x), 6) for x in vector] for vector in vectors]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
