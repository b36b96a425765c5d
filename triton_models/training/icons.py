"""Emoji drawings out of Iconify's JSON packages, in which a drawing is called by its name."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triton_models.training.concept import Concept


def icon_files(package: Path, concepts: Sequence[Concept], folder: Path) -> dict[str, Path]:
    """Writes each concept's drawing to `folder` as SVG where the set has one of its name: concept key -> file.

    The name decides, and after it the other names: sets call a drawing by Unicode's name or by a short one.
    """
    icons = json.loads((package / "icons.json").read_text(encoding="utf-8"))
    by_name = {squeezed(name): name for name in [*icons.get("aliases", {}), *icons["icons"]]}
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for concept in concepts:
        name = next((by_name[n] for n in map(squeezed, (concept.name, *concept.other_names)) if n in by_name), None)
        if name is None:
            continue
        files[concept.key] = folder / f"{concept.key}.svg"
        files[concept.key].write_text(_svg(icons, name), encoding="utf-8")
    return files


def squeezed(name: str) -> str:
    """Letters and digits only, without accents: "woman’s hat" and "womans-hat" are one."""
    plain = unicodedata.normalize("NFKD", name.lower())
    return "".join(letter for letter in plain if letter.isascii() and letter.isalnum())


def _svg(icons: dict[str, Any], name: str) -> str:
    alias = icons.get("aliases", {}).get(name, {})
    icon = icons["icons"][alias.get("parent", name)]
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    body = icon["body"].replace("currentColor", "#000000")
    box = f'viewBox="{icon.get("left", 0)} {icon.get("top", 0)} {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box}>{body}</svg>'
