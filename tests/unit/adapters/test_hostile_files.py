"""Each file of the hostile corpus gets the verdict that is written beside it, from the embedder's own decoder."""

from __future__ import annotations

import pytest

from tests.hostile.files import Good, Odd, files
from workers.adapters.media_decode import decode
from workers.config import Settings
from workers.domain.media import InvalidMedia

FILES = list(files())
LIMITS = Settings()


def test_the_corpus_has_no_fewer_files_than_promised() -> None:
    """Sixty and more, each with a name of its own."""
    assert len({odd.name for odd in FILES}) == len(FILES) >= 60


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@pytest.mark.parametrize("odd", FILES, ids=lambda odd: odd.name)
def test_a_file_gets_its_verdict(odd: Odd) -> None:
    """A picture upright and in its colours, or the reason it is refused for."""
    data = odd.make()
    if not isinstance(odd.verdict, Good):
        with pytest.raises(InvalidMedia) as caught:
            decode(data, LIMITS)
        assert caught.value.reason == odd.verdict
        return
    image = decode(data, LIMITS)
    assert (image.mode, image.size) == ("RGB", odd.verdict.size)
    for number, wanted in enumerate(odd.verdict.quarters):
        at = int(image.width * (0.75 if number % 2 else 0.25)), int(image.height * (0.75 if number > 1 else 0.25))
        found = image.getpixel(at)
        assert isinstance(found, tuple)
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= odd.verdict.by, (at, found, wanted)
