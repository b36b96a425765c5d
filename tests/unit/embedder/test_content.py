"""What counts as the same content."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.embedder.conftest import published, removed
from workers.embedder.content import content_hash, event_hash, text_of


def test_hashtags_are_appended_without_their_sign() -> None:
    """The text model reads words."""
    assert text_of("Morning tea ", ["#matcha", "slow life"]) == "Morning tea matcha slow life"


def test_hashtags_that_the_caption_holds_already_are_not_said_twice() -> None:
    """Most platforms write the tags into the caption too."""
    assert text_of("Tea #Matcha", ["matcha", "tea", "tea"]) == "Tea #Matcha tea"


def test_nothing_to_say_is_an_empty_text() -> None:
    """Such a post has no caption vector."""
    assert text_of("  ", ["#", " "]) == ""


def test_the_order_of_the_pictures_is_content() -> None:
    """The first picture is the one a hit shows."""
    assert content_hash("c", ["a", "b"]) != content_hash("c", ["b", "a"])


@given(
    st.lists(st.text("ab", min_size=1, max_size=2), max_size=3),
    st.lists(st.text("ab", min_size=1, max_size=2), max_size=3),
)
def test_equal_content_hashes_mean_equal_content(one: list[str], other: list[str]) -> None:
    """Hashes never run together."""
    assert (content_hash("c", one) == content_hash("c", other)) == (one == other)


def test_an_events_hash_covers_its_type_and_every_field() -> None:
    """Two events of one revision must be told apart."""
    hashes = {event_hash(event) for event in (published(), published(caption="x"), published(pictures="b"), removed())}
    assert len(hashes) == 4
    assert event_hash(published()) == event_hash(published())
