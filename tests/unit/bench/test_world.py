"""The bench's world: what it measures is the encoder, and not what is remembered of it."""

from __future__ import annotations

import pytest

from tests.bench.encoders import RowFailed
from tests.bench.watching import Seen
from tests.bench.world import all_encoded

SAID = """# TYPE streamscout_vectors_remembered_total counter
streamscout_vectors_remembered_total{{kind="picture"}} {pictures}
streamscout_vectors_remembered_total{{kind="text"}} {texts}
streamscout_vectors_remembered_created{{kind="picture"}} 1.7e+09
"""


def test_a_row_in_which_all_was_encoded_stands() -> None:
    """However long the embedder has been there."""
    all_encoded(SAID.format(pictures="0.0", texts="0.0"))


@pytest.mark.parametrize(("pictures", "texts"), [("3.0", "0.0"), ("1.0", "2.0"), ("0.0", "3.0")])
def test_a_row_in_which_vectors_were_remembered_fails(pictures: str, texts: str) -> None:
    """It would be faster than the encoder is."""
    with pytest.raises(RowFailed, match="3 vectors were remembered and not encoded"):
        all_encoded(SAID.format(pictures=pictures, texts=texts))


def test_an_embedder_that_does_not_say_what_it_remembered_fails_its_row() -> None:
    """Silence is no proof that all was encoded."""
    with pytest.raises(RowFailed, match="does not say"):
        all_encoded("streamscout_queue_items 0\n")


def test_a_round_tells_how_many_cores_each_process_used() -> None:
    """The busiest first: what limits, or what was in the way."""
    seen = Seen("pinned", busy={"kafka": 0.1, "triton": 0.983, "embedder": 0.5})
    assert seen.cores_used() == "triton 0.98, embedder 0.50, kafka 0.10"
