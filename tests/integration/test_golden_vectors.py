"""The served bundled model answers as open_clip does: golden vectors made with torch, compared without it."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from tritonclient import http as triton

from workers.adapters.media_decode import Decoder
from workers.config import Settings
from workers.domain.model_card import ModelCard, load_model_card

ROOT = Path(__file__).parents[2]
GOLDEN: dict[str, Any] = json.loads((ROOT / "tests/golden/golden.json").read_text())
CLOSE, CLOSE_WITHOUT_MEAN = 0.999, 0.98


@pytest.fixture(scope="module")
def card() -> ModelCard:
    """The bundled model's card."""
    return load_model_card(ROOT / "triton_models")


def served(settings: Settings, model: str, name: str, kind: str, rows: np.ndarray) -> np.ndarray:
    """Vectors [n, d] of rows [n, ...] from the running Triton."""
    client = triton.InferenceServerClient(urlsplit(str(settings.triton_url)).netloc)
    try:
        tensor = triton.InferInput(name, list(rows.shape), kind)
        tensor.set_data_from_numpy(rows)
        return np.asarray(client.infer(model, [tensor]).as_numpy("embedding"), dtype=np.float64)
    finally:
        client.close()


def golden_vectors(kind: str) -> np.ndarray:
    """The golden vectors [n, d] of `photographs` or `texts`."""
    return np.array([entry["vector"] for entry in GOLDEN[kind]])


def cosines(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The cosine of each pair of rows."""
    return (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)


def assert_close(found: np.ndarray, wanted: np.ndarray, names: list[str]) -> None:
    """As raw vectors, and with the set's mean taken off, which shows what a common direction would hide."""
    mean = wanted.mean(axis=0)
    for bar, pairs in ((CLOSE, cosines(found, wanted)), (CLOSE_WITHOUT_MEAN, cosines(found - mean, wanted - mean))):
        assert pairs.min() >= bar, f"{names[int(pairs.argmin())]}: cosine {pairs.min():.5f}, at least {bar} is wanted"


def test_the_golden_vectors_are_of_the_bundled_model(card: ModelCard) -> None:
    """A model built anew needs golden vectors made anew."""
    assert GOLDEN["model_version"] == card.model_version


def test_served_photographs_are_as_open_clip_embeds_them(stack: Settings, card: ModelCard) -> None:
    """Decoding, resizing, cropping, half-precision weights and Triton together: cosine at least 0.999."""
    pixels = []
    for entry in GOLDEN["photographs"]:
        package = find_spec(entry["package"])
        assert package is not None
        data = (Path(str(package.origin)).parent / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"], f"{entry['file']} is another photograph"
        pixels.append(Decoder(stack, card, stack.media_pixels_at_once)(data))
    found = served(stack, "clip_image", "pixels", "UINT8", np.stack(pixels))
    assert_close(found, golden_vectors("photographs"), [entry["file"] for entry in GOLDEN["photographs"]])


def test_served_texts_are_as_open_clip_embeds_them(stack: Settings) -> None:
    """Cleaning, byte-pair codes, truncation and the tower together, odd texts included."""
    texts = [entry["text"] for entry in GOLDEN["texts"]]
    column = np.array([text.encode() for text in texts], dtype=np.object_).reshape(-1, 1)
    assert_close(served(stack, "clip_text", "text", "BYTES", column), golden_vectors("texts"), texts)


def test_every_served_vector_has_unit_length_even_of_an_empty_text(stack: Settings) -> None:
    """What has no length cannot be compared."""
    column = np.array([b"", b"?!", "\u200b".encode(), b"pizza"], dtype=np.object_).reshape(-1, 1)
    lengths = np.linalg.norm(served(stack, "clip_text", "text", "BYTES", column), axis=1)
    assert np.allclose(lengths, 1.0, atol=1e-3)
