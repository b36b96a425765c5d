"""The films of a storm have the scenes that its oracle says, as the embedder sees them: else every storm would fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.storm.films import films, scenes_of
from workers.adapters.media_decode import Decoder, to_pixels
from workers.adapters.media_frames import Frames
from workers.config import REPOSITORY, Settings
from workers.domain.model_card import load_model_card


def test_the_embedder_finds_the_scenes_that_were_made(tmp_path: Path) -> None:
    """Their times, and the very pixels."""
    card, settings = load_model_card(REPOSITORY / "triton_models"), Settings()
    embedded = Frames(settings, card, Decoder(settings, card, settings.media_pixels_at_once))
    artwork = sorted((REPOSITORY / "triton_models" / "sample_artwork").glob("*.png"))[::3]
    counts = []
    for path in films(artwork, tmp_path):
        found, made = embedded(path.read_bytes()), scenes_of(path)
        assert [frame.timestamp_ms for frame in found] == [at_ms for at_ms, _ in made], path.name
        assert all(
            np.array_equal(frame.pixels, to_pixels(image, card.image))
            for frame, (_, image) in zip(found, made, strict=True)
        ), path.name
        counts.append(len(found))
    assert counts == [3, 8, 1, 4, 3]
