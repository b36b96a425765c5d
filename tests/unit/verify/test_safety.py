"""Which of a post, its row and what is said of its creator was scored last."""

from __future__ import annotations

import pytest

from tests.unit.creators.world import DIMENSIONS, MODEL, SETTINGS, published
from workers.creators.rows import post_key, post_row
from workers.verify.folds import compare_update, updated_of
from workers.verify.posts import PostFound, compare_row


def row(scoring: int, drugs: float = 0.5) -> bytes:
    """A post's row, scored so."""
    return post_row(published(1, safety={"drugs": drugs}, scoring=scoring), 0.5, DIMENSIONS).encode()


def expected(scoring: int, drugs: float = 0.5) -> bytes:
    """What the stored post says that its row must be."""
    wanted = post_row(published(1, safety={"drugs": drugs}, scoring=scoring), 0.5, DIMENSIONS)
    return PostFound("mira", "post-1", (), wanted, True).encode()


@pytest.mark.parametrize(
    ("stored", "wanted", "found"),
    [
        (row(2), expected(2), None),
        (row(1), expected(2), ("stale", "row")),
        (row(3), expected(2), ("stale", "post")),
        (row(2, drugs=0.9), expected(2), ("drifted", "post")),
    ],
)
def test_a_row_of_another_scoring_than_its_post_is_found(
    stored: bytes, wanted: bytes, found: tuple[str, str] | None
) -> None:
    """The older of the two is stale; two that disagree about one scoring have drifted."""
    difference = compare_row("mira", "post-1", wanted, stored, MODEL)
    assert (difference and (difference.what, difference.kind)) == found


def test_what_is_said_of_a_creator_before_a_scoring_is_stale() -> None:
    """The revision is the same; the safety revision is not."""
    said = [updated_of("mira", [(post_key("mira", "post-1"), row(scoring))], SETTINGS) for scoring in (1, 2)]
    stale = compare_update("mira", said[1], said[0])
    assert stale is not None
    assert (stale.what, stale.detail) == ("stale", "safety revision 1, the rows say 2")
    drifted = compare_update("mira", said[0], said[1])
    assert drifted is not None
    assert drifted.what == "drifted"
    assert compare_update("mira", said[1], said[1]) is None
