"""The bundled model in the repository is whole, small and what its card says."""

from __future__ import annotations

import json

from PIL import Image

from workers.config import REPOSITORY
from workers.domain.model_card import changed_files, load_model_card
from workers.domain.safety.calibration import load_calibration
from workers.domain.safety.scoring import load_scoring
from workers.model import layout

ROOT = REPOSITORY / "triton_models"


def test_every_served_file_is_what_the_card_says() -> None:
    """Sums of every file, and no file that the card does not know."""
    card = load_model_card(ROOT)
    assert changed_files(card, ROOT) == []
    assert sorted(card.checksums) == layout.served_files(ROOT)


def test_the_version_is_a_function_of_what_is_served() -> None:
    """Other weights, another tokenizer or other means would have another version."""
    card = load_model_card(ROOT)
    assert card.model_version == layout.version_of(card.name, ROOT, card.centring_means)


def test_the_served_backend_is_the_one_in_the_model_room() -> None:
    """Two copies lie in the repository, because Triton wants them there."""
    for model in (layout.IMAGE, layout.TEXT):
        assert (ROOT / model / "1" / "model.py").read_bytes() == layout.BACKEND.read_bytes()


def test_the_configurations_are_what_the_generator_writes() -> None:
    """In float32 (see the card); else a rebuilt model would be served otherwise than the bundled one."""
    card = load_model_card(ROOT)
    assert card.served_as is not None
    how = layout.How(precision="f32", reason=card.served_as.reason)
    assert card.served_as.precision == how.precision
    written = layout.configurations(card.model_version, card.dimensions, card.image, card.text, how)
    assert {model: (ROOT / model / "config.pbtxt").read_text() for model in written} == written


def test_the_onnx_pair_is_small_enough_to_be_carried() -> None:
    """25 MB at most with all that is served, and the sample artwork 2 MB."""
    assert sum((ROOT / file).stat().st_size for file in layout.served_files(ROOT)) <= 25_000_000
    assert sum(file.stat().st_size for file in (ROOT / "sample_artwork").iterdir()) <= 2_000_000


def test_the_sample_artwork_is_whole_and_licensed() -> None:
    """Every picture of the index is there, and none besides."""
    folder = ROOT / "sample_artwork"
    index = json.loads((folder / "index.json").read_text())
    files = [entry["file"] for niche in index.values() for entry in niche]
    assert len(index) >= 12
    assert all(8 <= len(entries) <= 14 for entries in index.values())
    assert sorted(files) == sorted(file.name for file in folder.glob("*.png"))
    for file in files:
        with Image.open(folder / file) as picture:
            assert picture.size == (64, 64)
    assert "Apache License" in (folder / "LICENSE").read_text()


def test_the_bundled_calibration_is_of_the_bundled_prompts_and_model() -> None:
    """The start would stop otherwise; what is told was judged on pictures and captions that were held out."""
    assert load_scoring(ROOT.parent / "schemas", ROOT, load_model_card(ROOT)).revision > 0
    calibration = load_calibration(ROOT)
    assert calibration is not None
    fits = {name: each.kinds() for name, each in calibration.categories.items()}
    assert {name for name, kinds in fits.items() if "visual" in kinds} == {"alcohol", "gambling", "weapons"}
    assert set(calibration.unknown) == {"violence"}
    for fit in (fit for kinds in fits.values() for fit in kinds.values()):
        assert fit.false_positive_rate == fit.false_positives / fit.negatives <= 0.05
        assert fit.recall >= 0.5
