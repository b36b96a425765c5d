"""How a brief becomes aspects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.events import Aspect
from workers.match.aspects import MAX_ASPECTS, PICTURES, AspectError, plan_aspects, split_brief


@pytest.mark.parametrize(
    ("brief", "parts"),
    [
        ("vegan sourdough baking", ("vegan sourdough baking",)),
        ("Home baking. Outdoor sports; trail running!", ("Home baking.", "Outdoor sports", "trail running!")),
        ("- coffee at home\n- latte art\n", ("coffee at home", "latte art")),
        ("1. board games\n2) family evenings", ("board games", "family evenings")),
        ("Football fans. Always.", ("Football fans. Always.",)),
        ("vegan; yoga; tea", ("vegan", "yoga", "tea")),
        ("a cat; a dog; a cow; a hen; a bee", ("a cat", "a dog", "a cow", "a hen a bee")),
        ("  \n ;; ... ", ()),
        ("coffee, cake, and cosy mornings", ("coffee", "cake", "cosy mornings")),
        ("Home baking. Coffee, cake & cosy mornings!", ("Home baking.", "Coffee", "cake", "cosy mornings")),
        ("Kaffee, Kuchen und Kerzen", ("Kaffee", "Kuchen", "Kerzen")),
        ("Vienna, Austria", ("Vienna, Austria",)),
        ("gym, running and yoga with those who train a lot", ("gym, running and yoga with those who train a lot",)),
        ("1,5 litres of milk, cold", ("1,5 litres of milk, cold",)),
        ("version 2.5 of the camera", ("version 2.5 of the camera",)),
    ],
)
def test_a_brief_falls_into_parts_at_sentences_semicolons_lines_and_lists(brief: str, parts: tuple[str, ...]) -> None:
    """A single word joins what stands before it; the fourth part takes the rest; other commas separate nothing."""
    assert split_brief(brief) == parts


@given(st.text(max_size=300), st.booleans())
def test_there_are_one_to_four_aspects_and_their_weights_sum_to_one(brief: str, pictures: bool) -> None:
    """Whatever the brief, unless it says nothing at all."""
    if not split_brief(brief) and not pictures:
        return
    aspects = plan_aspects(brief, (), pictures)
    assert 1 <= len(aspects) <= MAX_ASPECTS
    assert sum(aspect.weight for aspect in aspects) == pytest.approx(1.0)


def test_given_aspects_come_before_the_rule_and_keep_their_proportions() -> None:
    """The caller knows better; weights are made to sum to 1."""
    given_aspects = (Aspect(text="coffee", weight=0.6), Aspect(text="travel", weight=0.2))
    aspects = plan_aspects("ignored. Wholly ignored.", given_aspects, pictures=False)
    assert {one.text: one.weight for one in aspects} == pytest.approx({"coffee": 0.75, "travel": 0.25})


def test_pictures_weigh_as_much_as_one_part() -> None:
    """And stand last."""
    aspects = plan_aspects("coffee at home; latte art", (), pictures=True)
    assert aspects[-1].text == PICTURES
    assert {round(aspect.weight, 6) for aspect in aspects} == {round(1 / 3, 6)}


def test_a_brief_of_nothing_is_refused() -> None:
    """Neither words nor pictures."""
    with pytest.raises(ValueError, match="words, aspects or pictures"):
        plan_aspects(" .", (), pictures=False)


def test_four_aspects_leave_no_room_for_pictures() -> None:
    """Four are the most in all."""
    with pytest.raises(ValueError, match="the most"):
        plan_aspects("", tuple(Aspect(text=str(n), weight=0.25) for n in range(4)), pictures=True)


def test_a_brief_of_emoji_says_something() -> None:
    """Punctuation alone does not."""
    (aspect,) = plan_aspects("\N{SLICE OF PIZZA}\N{SPAGHETTI}", (), pictures=False)
    assert aspect.weight == 1.0


@pytest.mark.parametrize("text", ["", "  ", " ... "])
def test_a_given_aspect_without_a_word_is_refused_by_its_place(text: str) -> None:
    """Its vector would stand for anything, and a shortlist made from it for nothing."""
    with pytest.raises(AspectError, match="an aspect needs words") as caught:
        plan_aspects("", (Aspect(text="coffee", weight=0.5), Aspect(text=text, weight=0.5)), pictures=False)
    assert caught.value.field == "aspects.1.text"


def test_pictures_weigh_what_the_caller_says() -> None:
    """Beside the weights of the others."""
    given_aspects = (Aspect(text="coffee", weight=0.5), Aspect(text="travel", weight=0.5))
    *_, pictures = plan_aspects("", given_aspects, pictures=True, pictures_weight=1.0)
    assert pictures.weight == pytest.approx(0.5)


def test_a_second_brief_takes_the_places_that_are_left() -> None:
    """The one that was said comes first; where no place is left, the second is left out."""
    both = plan_aspects("coffee at home; latte art", (), pictures=True, more="chess clubs; tea; snow")
    assert [one.text for one in both] == ["coffee at home", "latte art", "chess clubs tea snow", PICTURES]
    assert {round(one.weight, 6) for one in both} == {0.25}
    full = plan_aspects("a cat; a dog; a cow; a hen", (), pictures=False, more="chess clubs")
    assert [one.text for one in full] == ["a cat", "a dog", "a cow", "a hen"]
