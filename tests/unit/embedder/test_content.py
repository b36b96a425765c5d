"""What a post says, and what counts as the same content."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.embedder.conftest import published, removed
from workers.domain.events.posts import Media
from workers.embedder.content import content_hash, digest, event_hash, tag_words, text_of, words_of


def test_hashtags_are_appended_without_their_sign() -> None:
    """The text model reads words."""
    assert text_of("Morning tea ", ["#matcha", "slow life"]) == "Morning tea matcha slow life"


def test_hashtags_that_the_caption_holds_already_are_not_said_twice() -> None:
    """Most platforms write the tags into the caption too."""
    assert text_of("Tea #Matcha", ["matcha", "tea", "tea"]) == "Tea Matcha tea"
    assert text_of("चाय #मसालाचाय", ["मसालाचाय"]) == "चाय मसालाचाय"


def test_nothing_to_say_is_an_empty_text() -> None:
    """Such a post has no caption vector."""
    assert text_of("  ", ["#", " "]) == ""


def test_the_order_of_the_pictures_is_content() -> None:
    """The first picture is the one a hit shows."""
    assert content_hash("c", ["a", "b"]) != content_hash("c", ["b", "a"])


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("BeachHoliday2024", "Beach Holiday 2024"),
        ("OOTD", "OOTD"),
        ("NYCFoodie", "NYC Foodie"),
        ("slow_life", "slow life"),
        ("iPhone15", "iPhone 15"),
        ("y2k", "y2k"),
        ("beachholiday", "beachholiday"),
        ("ÉtéÀParis", "Été À Paris"),
        ("抹茶ケーキ", "抹茶ケーキ"),
        ("हिन्दी", "हिन्दी"),
    ],
)
def test_a_hashtag_is_read_as_its_words(tag: str, words: str) -> None:
    """As far as its own letters say where they begin: there is no dictionary of any language."""
    assert tag_words(tag) == words
    assert text_of(f"look! #{tag}, and #{tag}", []) == f"look! {words}, and {words}"


@pytest.mark.parametrize(
    "caption",
    [
        "我们去喝茶 🍵，然后散步。",
        "お茶を飲みに行きました👩‍👩‍👧‍👦",
        "شربنا الشاي، ثم مشينا",
        "हमने चाय पी और घूमे",
        "c'était très bon 🏳️‍🌈 ﬁn ①½",
        "C# & https://example.com/a#b &#39;tea&#39; we are #1",
    ],
)
def test_all_else_of_a_caption_passes_through_untouched(caption: str) -> None:
    """No language is folded, stripped or normalised: the model's own tokenizer says what a letter is."""
    assert text_of(caption, []) == caption


def test_alt_texts_are_a_text_of_their_own() -> None:
    """Each once, and half as heavy as the caption all together; without them nothing is another than before."""
    alts = ("a cup", " a cup ", None, "tea", "a cat")
    post = published(caption="tea", media=tuple(Media(url="mem:a", kind="image", alt_text=alt) for alt in alts))
    words = words_of(post)
    assert words.weighted() == {"tea": 1.0, "a cup\na cat": 0.5}
    assert words.hash() != words_of(published(caption="tea")).hash() == digest(b"tea")
    assert words_of(published(caption="", media=post.media[:1])).weighted() == {"a cup": 0.5}


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
