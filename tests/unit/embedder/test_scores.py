"""Safety scores of posts on fakes: stored, announced, made anew without a picture fetched or encoded."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.fakes.safety import scoring
from tests.unit.embedder.conftest import MODEL, House, outputs, published, removed
from workers.domain.events import CreatorErased, PostEmbedded, PostRetracted, SafetyRevised
from workers.domain.ids import post_object_id, visual_id
from workers.domain.safety.prompts import SafetyError
from workers.domain.stored import StoredObject
from workers.wire.records import Dead, Done


def revised(revision: int = 2, post_id: str = "p1", creator_id: str = "c1") -> SafetyRevised:
    """What `safety rescore` says of a post."""
    return SafetyRevised(post_id=post_id, creator_id=creator_id, safety_revision=revision)


def stored_post(house: House) -> StoredObject:
    """The post's object."""
    return house.store.all("Post")[post_object_id("p1", MODEL)]


def scores(stored: StoredObject, name: str = "safety_json") -> dict[str, float]:
    """As an object says them."""
    found: dict[str, float] = json.loads(str(stored.properties[name]))
    return found


async def announced(house: House, *events: object) -> PostEmbedded:
    """What is said of a post by the last of these events."""
    said = [outputs((await house.give(event))[0]) for event in events]  # type: ignore[arg-type]
    (event,) = said[-1]
    assert isinstance(event, PostEmbedded)
    return event


async def test_a_post_has_the_greatest_scores_of_its_visuals_and_caption(house: House) -> None:
    """Each visual keeps its own; the caption's stand beside the post's."""
    event = await announced(house, published(1, "ab"))
    visuals = [scores(house.store.all("Visual")[visual_id("p1", n, 0, MODEL)]) for n in (0, 1)]
    caption = scores(stored_post(house), "caption_safety_json")
    assert visuals[0] != visuals[1]
    for name in ("alcohol", "weapons"):
        assert event.safety[name] == max(visuals[0][name], visuals[1][name], caption[name])
    assert event.safety["profanity"] == caption["profanity"]
    assert event.safety_revision == 1
    assert scores(stored_post(house)) == event.safety


async def test_a_word_in_caption_or_hashtag_weighs_at_least_what_it_was_found_to_be_worth(house: House) -> None:
    """In whatever case, and inside a tag of several words."""
    event = await announced(house, published(caption="tea, and BEER", hashtags=("WtfMonday",)))
    assert event.safety["alcohol"] >= 0.9
    assert event.safety["profanity"] >= 0.97


async def test_what_cannot_be_told_is_absent(house: House) -> None:
    """Of a post without a caption profanity is not known; of one with nothing, nothing is."""
    assert (await announced(house, published(1, "a", caption=""))).safety.keys() == {"alcohol", "weapons"}
    empty = await announced(house, published(1, "", caption="", post_id="p2"))
    assert (empty.safety, empty.safety_revision) == ({}, 1)


async def test_without_a_calibration_nothing_is_scored_or_stored(house: House) -> None:
    """Absent, which is not 0."""
    house.scoring = scoring(0)
    house.restart()
    event = await announced(house, published())
    assert (event.safety, event.safety_revision) == ({}, 0)
    assert not {"safety_json", "caption_safety_json", "safety_revision"} & stored_post(house).properties.keys()


async def test_rescoring_writes_other_scores_beside_the_same_vectors(house: House) -> None:
    """Nothing fetched, nothing encoded; all but the scores is to the byte what it was."""
    first = await announced(house, published(1, ["a", "v"], caption="tea", hashtags=("x",)))
    before = house.state()
    house.media.pictures.clear()
    house.encoder.gone = house.backfill.gone = True
    house.scoring = scoring(2)
    house.restart()
    second = await announced(house, revised())
    assert second.safety_revision == 2
    assert second.safety != first.safety
    assert second.model_copy(update={"safety": first.safety, "safety_revision": 1}) == first
    for key, (properties, vectors) in house.state().items():  # type: ignore[misc]
        old_properties, old_vectors = before[key]  # type: ignore[misc]
        assert vectors == old_vectors
        changed = {name for name in properties if properties[name] != old_properties.get(name)}
        assert changed <= {"safety_json", "caption_safety_json", "safety_revision"}
        assert properties["safety_revision"] == 2


async def test_rescored_and_embedded_anew_are_the_same_state(house: House) -> None:
    """It is a function of vectors, words and calibration, not of the way to it."""
    await house.give(published(1, "ab"))
    house.scoring = scoring(2)
    house.restart()
    await house.give(revised())
    anew = House()
    anew.scoring = scoring(2)
    anew.restart()
    await anew.give(published(1, "ab"))
    assert house.state() == anew.state()


async def test_a_post_that_comes_again_is_rescored_on_the_way(house: House) -> None:
    """Its own event, when its scores are of an older calibration."""
    await house.give(published(1, "ab"))
    house.media.pictures.clear()
    house.scoring = scoring(2)
    house.restart()
    assert (await announced(house, published(1, "ab"))).safety_revision == 2
    assert stored_post(house).properties["safety_revision"] == 2


async def test_what_is_scored_already_is_announced_again_and_not_written(house: House) -> None:
    """The announcement may have been lost: it is repeated to the byte."""
    first = await announced(house, published())
    writes = house.store.writes
    assert await announced(house, revised(1)) == first
    assert house.store.writes == writes


async def test_an_older_scoring_never_overwrites_a_newer_one(house: House) -> None:
    """An embedder that was left behind says what is stored."""
    house.scoring = scoring(2)
    house.restart()
    newer = await announced(house, published())
    house.scoring = scoring(1)
    house.restart()
    assert await announced(house, published()) == newer


async def test_the_scoring_is_read_anew_for_who_asks_for_a_newer_one(house: House) -> None:
    """A running embedder needs no restart once its safety.json has been replaced."""
    await house.give(published())
    house.scoring = scoring(2)
    assert (await announced(house, revised(2))).safety_revision == 2


async def test_a_scoring_that_is_not_there_is_a_dead_letter_and_harms_no_neighbour(house: House) -> None:
    """It can be replayed once the file is there."""
    await house.give(published())
    behind, neighbour = await house.give(revised(3), published(post_id="p2"))
    assert isinstance(behind, Dead)
    assert (behind.reason, behind.detail) == ("scoring_behind", "safety.json here is of revision 1, not 3")
    assert isinstance(neighbour, Done)


async def test_a_file_that_is_wrong_when_it_is_read_anew_is_a_dead_letter_too(house: House) -> None:
    """The detail says what is wrong with it."""

    def broken() -> None:
        raise SafetyError("safety.json: revision: not a number")

    await house.give(published())
    house.embedder._scorer._load = broken  # type: ignore[assignment]
    (verdict,) = await house.give(revised(2))
    assert isinstance(verdict, Dead)
    assert verdict.detail == "safety.json: revision: not a number"


@pytest.mark.parametrize("gone", ["removed", "unknown", "of another creator", "torn"])
async def test_nothing_is_said_of_a_post_that_is_not_there_to_be_scored(house: House, gone: str) -> None:
    """Removed, never seen, another's, or between the two writes of an edit."""
    await house.give(published(1, "ab"))
    if gone == "removed":
        await house.give(removed(2))
    if gone == "torn":
        del house.store.all("Visual")[visual_id("p1", 1, 0, MODEL)]
    house.scoring = scoring(2)
    house.restart()
    before = house.state()
    post_id = "p9" if gone == "unknown" else "p1"
    creator_id = "c9" if gone == "of another creator" else "c1"
    (verdict,) = await house.give(revised(2, post_id, creator_id))
    assert outputs(verdict) == []
    assert house.state() == before


async def test_a_removal_that_is_repeated_says_nothing_of_scores(house: House) -> None:
    """The tombstone keeps no scores."""
    await house.give(published(), removed(2))
    (event,) = outputs((await house.give(removed(2)))[0])
    assert isinstance(event, PostRetracted)
    assert "safety_json" not in stored_post(house).properties


async def test_an_erased_creators_posts_are_not_scored(house: House) -> None:
    """They are gone, and a request to score them brings nothing back."""
    await house.give(published())
    await house.give(CreatorErased(creator_id="c1", requested_at=datetime(2026, 2, 1, tzinfo=UTC)))
    house.scoring = scoring(2)
    house.restart()
    (verdict,) = await house.give(revised(2))
    assert outputs(verdict) == []
    assert not house.store.all("Post")
    assert not house.store.all("Visual")


async def test_a_kill_between_the_writes_of_a_rescoring_is_mended_by_its_repeat(house: House) -> None:
    """The post is written last: it says that its visuals' scores are of its revision."""
    await house.give(published(1, "ab"))
    house.scoring = scoring(2)
    house.restart()
    post = stored_post(house)
    await house.give(revised(2))
    house.store.all("Post")[post.id] = post
    assert (await announced(house, revised(2))).safety_revision == 2
    assert stored_post(house).properties["safety_revision"] == 2


async def test_scores_that_were_changed_behind_our_back_are_made_anew_at_the_same_revision(house: House) -> None:
    """What verify asks for."""
    first = await announced(house, published())
    post = stored_post(house)
    house.store.all("Post")[post.id] = replace(post, properties={**post.properties, "safety_json": '{"alcohol":0.0}'})
    assert await announced(house, revised(1)) == first
    assert scores(stored_post(house)) == first.safety
    assert np.array_equal(stored_post(house).vectors["caption"], post.vectors["caption"])
