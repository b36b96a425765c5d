"""Five thousand damaged photographs through what the embedder does to each picture: and memory stays flat."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.mutations import mutated
from workers.adapters.media_decode import Decoder
from workers.config import Settings
from workers.domain.media import InvalidMedia
from workers.domain.model_card import load_model_card
from workers.domain.reasons import Reason

FILES, WARM, GROWTH = 5_000, 500, 100_000_000
SEED = 20_261_124


def resident() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_five_thousand_damaged_pictures_are_pixels_or_refused_and_memory_stays() -> None:
    """Every outcome is pixels, or a code of the closed list; memory is given back."""
    settings = Settings()
    card = load_model_card(settings.model_repository)
    decoder = Decoder(settings, card, settings.media_pixels_at_once)
    outcomes: Counter[str] = Counter()
    before = 0
    for number, data in enumerate(mutated(WARM + FILES, SEED)):
        if number == WARM:  # readers are loaded and their buffers made by then
            before = resident()
        try:
            pixels = decoder(data)
        except InvalidMedia as error:
            outcomes[Reason(error.reason)] += 1
        else:
            assert (pixels.shape, pixels.dtype) == ((card.image.size, card.image.size, 3), np.uint8)
            outcomes["pixels"] += 1
    after = resident()
    print(f"resident before {before / 1e6:.0f} MB, after {after / 1e6:.0f} MB; {dict(outcomes)}")
    assert outcomes.total() == WARM + FILES
    assert outcomes["pixels"] > 500
    assert outcomes["media_corrupt"] > 500
    assert after - before < GROWTH
