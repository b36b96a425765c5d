"""Safety scores: prompts and calibration read and refused, probabilities that rise, the greatest, the absent."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.safety import TOLD, calibration, fit, prompt_vectors, prompts, scoring
from workers.config import REPOSITORY
from workers.domain.model_card import load_model_card
from workers.domain.safety.calibration import CALIBRATION_FILE, Told, disagreement, load_calibration
from workers.domain.safety.prompts import CATEGORIES, PROMPTS_FILE, SafetyError, load_prompts
from workers.domain.safety.scoring import Content, Scoring, load_scoring, margins, probability
from workers.domain.safety.words import WordFinder
from workers.domain.vectors import unit

CARD = load_model_card(REPOSITORY / "triton_models")
VECTORS = st.integers(0, 2**32 - 1).map(
    lambda seed: unit(np.random.default_rng(seed).normal(size=8)).astype(np.float32)
)
MEDIA = st.lists(st.lists(VECTORS, min_size=1, max_size=3), max_size=3)


# The prompts.


def test_the_repositorys_prompts_name_the_ten_categories() -> None:
    """In schemas/safety.yaml, each with words and prompts."""
    assert tuple(prompts().categories) == CATEGORIES
    assert all(each.words and each.prompts for each in prompts().categories.values())


def changed(folder: Path, path: str, value: object) -> Path:
    """The repository's prompts with one thing replaced, or removed where the value is None."""
    whole = yaml.safe_load((REPOSITORY / "schemas" / PROMPTS_FILE).read_text())
    *way, last = path.split(".")
    part = whole
    for name in way:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    (folder / PROMPTS_FILE).write_text(yaml.safe_dump(whole))
    return folder


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("revision", 0, "revision"),
        ("neutral", [], "neutral"),
        ("categories.alcohol", None, "missing: alcohol"),
        ("categories.sweets", {"meaning": "cake", "prompts": ["cake"]}, "not known: sweets"),
        ("categories.drugs.prompts", [], "categories.drugs.prompts"),
        ("categories.drugs.words", ["Weed", "weed"], "said twice: weed"),
        ("categories.drugs.words", ["weed", "\ufe0f"], "nothing that can be said: '\\ufe0f'"),
        ("categories.drugs.shown_by", ["sound"], "categories.drugs.shown_by"),
        ("categories.drugs.colour", "green", "categories.drugs.colour"),
    ],
)
def test_prompts_that_are_wrong_are_refused_by_file_and_field(
    tmp_path: Path, path: str, value: object, said: str
) -> None:
    """The message is all that an operator has."""
    with pytest.raises(SafetyError, match=PROMPTS_FILE) as refused:
        load_prompts(changed(tmp_path, path, value))
    assert said in str(refused.value)


def test_prompts_that_are_not_there_or_no_yaml_are_refused_by_file(tmp_path: Path) -> None:
    """As settings are."""
    with pytest.raises(SafetyError, match=PROMPTS_FILE):
        load_prompts(tmp_path)
    (tmp_path / PROMPTS_FILE).write_text("neutral: [")
    with pytest.raises(SafetyError, match=PROMPTS_FILE):
        load_prompts(tmp_path)


@pytest.mark.parametrize("path", ["neutral", "categories.drugs.prompts", "categories.drugs.words"])
def test_the_digest_changes_with_all_that_scores_depend_on(tmp_path: Path, path: str) -> None:
    """And not with a meaning or the revision, which change no score."""
    assert load_prompts(changed(tmp_path, path, ["other words"])).digest() != prompts().digest()
    assert load_prompts(changed(tmp_path, "revision", 77)).digest() == prompts().digest()
    assert load_prompts(changed(tmp_path, "categories.drugs.meaning", "x")).digest() == prompts().digest()


# The words.

WORDS = WordFinder({"drink": ["beer", "sex on the beach", "🍺"], "arms": ["ak-47", "Glock"]})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Beer!", {"drink"}),
        ("ＢＥＥＲ in full width", {"drink"}),
        ("root-beer, #beer_o_clock beers", {"drink"}),
        ("gingerbeer and beers", set()),
        ("sex   on\nthe beach", {"drink"}),
        ("cheers🍺mate", {"drink"}),
        ("an AK-47 and a glock", {"arms"}),
        ("AK-470 glocks", set()),
        ("", set()),
    ],
)
def test_words_are_found_whole_in_any_case_and_form(text: str, found: set[str]) -> None:
    """A letter or digit beside it makes another word of it; signs and emoji do not."""
    assert WORDS.found(text) == found


def test_an_emoji_is_found_however_it_is_drawn() -> None:
    """The selector that asks for colours says nothing of what is meant."""
    finder = WordFinder({"arms": ["🗡", "⚔️"]})
    assert finder.found("a\u2694b") == finder.found("\U0001f5e1\ufe0f") == {"arms"}


@given(st.text(max_size=40), st.sampled_from(["beer", "BEER", "\uff22eer"]), st.text(max_size=40))
def test_a_word_between_blanks_is_found_in_whatever_stands_around(before: str, word: str, after: str) -> None:
    """Whatever the letters beside it do when they are folded."""
    assert "drink" in WORDS.found(f"{before} {word} {after}")


# The scores.


@given(st.floats(0, 50), st.floats(-20, 20), st.lists(st.floats(-2, 2), min_size=2, max_size=20))
def test_a_probability_rises_with_the_margin(slope: float, intercept: float, raw: list[float]) -> None:
    """And is one, however far out."""
    found = probability(fit(slope, intercept), np.sort(np.array(raw)))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_a_margin_is_the_nearest_prompts_cosine_less_the_neutral_ones_soft_maximum() -> None:
    """Against the formula, written out."""
    known = prompt_vectors()
    vectors = unit(np.random.default_rng(3).normal(size=(5, 8)))
    found = margins(vectors, known)
    for row, vector in enumerate(vectors):
        soft = 0.1 * np.log(np.mean([np.exp(vector @ each / 0.1) for each in known.neutral.astype(float)]))
        for name, each in known.categories.items():
            assert found[name][row] == pytest.approx(max(vector @ p for p in each.astype(float)) - soft, abs=1e-12)


@given(MEDIA, st.none() | VECTORS, st.sampled_from(["", "a beer", "wtf", "flowers"]))
def test_a_posts_scores_are_the_greatest_of_its_parts_and_what_is_absent_stays_absent(
    media: list[list[np.ndarray]], caption: np.ndarray | None, text: str
) -> None:
    """Of each category; no category is invented, and none that can be told is lost."""
    (found,) = scoring().posts([Content(media, caption, text)])
    parts = [scores for each in found.visuals for scores in each] + [found.caption]
    assert [len(each) for each in found.visuals] == [len(each) for each in media]
    for name in CATEGORIES:
        told = [scores[name] for scores in parts if name in scores]
        assert found.post.get(name) == max(told, default=None)
    assert set(found.post) <= set(TOLD)
    assert ("profanity" in found.post) == (caption is not None)


@given(st.lists(MEDIA, min_size=1, max_size=4))
def test_a_post_is_scored_alike_alone_and_among_others(posts: list[list[list[np.ndarray]]]) -> None:
    """What is announced must not depend on how batches are made up."""
    contents = [Content(media, media[0][0] if media else None, "beer") for media in posts]
    together = scoring().posts(contents)
    assert together == [scoring().posts([each])[0] for each in contents]


def test_one_more_visual_never_lowers_a_score() -> None:
    """The greatest of more is no less."""
    rng = np.random.default_rng(5)
    media = [[unit(rng.normal(size=8)).astype(np.float32)] for _ in range(6)]
    found = [scoring().posts([Content(media[:count])])[0].post for count in range(1, 7)]
    for fewer, more in pairwise(found):
        assert all(more[name] >= score for name, score in fewer.items())


def test_a_post_with_a_part_that_cannot_be_judged_is_known_only_to_be_unsafe() -> None:
    """Where drugs are told of captions alone, a picture leaves them unknown, unless the caption says them."""
    whole = calibration()
    told = {**whole.categories, "drugs": Told(caption=fit(0.0, -2.0, words_at_least=0.9))}
    unknown = {name: why for name, why in whole.unknown.items() if name != "drugs"}
    judge = Scoring(prompts(), whole.model_copy(update={"categories": told, "unknown": unknown}), 8)
    vector = unit(np.random.default_rng(7).normal(size=8)).astype(np.float32)
    harmless, said, alone = judge.posts(
        [Content([[vector]], vector, "tea"), Content([[vector]], vector, "cocaine"), Content([], vector, "tea")]
    )
    assert harmless.caption["drugs"] == 0.1192
    assert "drugs" not in harmless.post
    assert said.post["drugs"] == 0.9
    assert alone.post["drugs"] == 0.1192


# The calibration's file.


def kept(folder: Path, **changes: object) -> Path:
    """A repository whose calibration fits the bundled model, but for these changes."""
    whole = calibration(dimensions=CARD.dimensions, model_version=CARD.model_version)
    (folder / CALIBRATION_FILE).write_text(json.dumps({**json.loads(whole.model_dump_json()), **changes}))
    return folder


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Prompts' vectors to the bit."""
    read = load_calibration(kept(tmp_path))
    assert read == calibration(dimensions=CARD.dimensions, model_version=CARD.model_version)


def test_a_repository_without_one_scores_nothing(tmp_path: Path) -> None:
    """Every category is unknown."""
    found = load_scoring(REPOSITORY / "schemas", tmp_path, CARD)
    assert found.revision == 0
    (safety,) = found.posts([Content([[np.ones(CARD.dimensions, np.float32)]], None, "beer")])
    assert (safety.post, safety.caption, safety.visuals) == ({}, {}, (({},),))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_version": "another_v1"}, "made for model version another_v1"),
        ({"prompts_digest": "0" * 64}, "revision 1 of the prompts"),
        ({"unknown": {}}, "told, or unknown with the reason why"),
        ({"revision": 0}, "revision"),
    ],
)
def test_a_calibration_that_does_not_hold_stops_the_start_with_file_and_command(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    """Scores of prompts that nobody calibrated would look like probabilities."""
    with pytest.raises(SafetyError, match=CALIBRATION_FILE) as refused:
        load_scoring(REPOSITORY / "schemas", kept(tmp_path, **changes), CARD)
    assert said in str(refused.value)
    assert "streamscout safety calibrate" in str(refused.value)


def test_vectors_of_another_width_stop_the_start(tmp_path: Path) -> None:
    """They belong to another model."""
    whole = calibration(dimensions=8, model_version=CARD.model_version)
    (tmp_path / CALIBRATION_FILE).write_text(whole.model_dump_json())
    with pytest.raises(SafetyError, match=f"8 dimensions where {CARD.dimensions} are expected"):
        load_scoring(REPOSITORY / "schemas", tmp_path, CARD)


def test_a_calibration_agrees_with_its_own_prompts_and_model() -> None:
    """And says why not, else."""
    whole = calibration()
    assert disagreement(whole, prompts(), "tiny_v1") == ""
    assert "tiny_v2" in disagreement(whole, prompts(), "tiny_v2")
