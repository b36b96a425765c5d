"""Who shows the same picture, of whatever creator, and who was first."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.creators.world import look
from tests.unit.match.world import World
from workers.match import duplicates


@pytest.fixture
def copied(world: World) -> World:
    """A picture that three creators show, one of them twice; another one, and plain ones, beside it."""
    world.post("first", "ann", visual="chess", looks=[look(1)], hour=1)
    world.post("second", "bob", visual="chess sport|cat", looks=[look(1, changed=30), look(2)], hour=2)
    world.post("again", "bob", visual="chess", looks=[look(1, changed=10)], hour=2)
    world.post("other", "cat", visual="chess", looks=[look(3)], hour=0)
    world.post("plain", "cat", visual="chess", looks=[""], hour=0)
    world.post("of before", "cat", visual="chess", hour=0)
    return world


async def test_a_post_names_those_that_show_the_same_earliest_first(copied: World, api: httpx.AsyncClient) -> None:
    """By (published_at, post_id), whatever came first to us."""
    second = (await api.get("/v1/posts/second")).json()
    assert second["first"] is False
    assert [(each["post_id"], each["creator_id"], each["visuals"], each["first"]) for each in second["duplicates"]] == [
        ("first", "ann", 1, True),
        ("again", "bob", 1, False),
    ]
    first = (await api.get("/v1/posts/first")).json()
    assert first["first"] is True
    assert [(each["post_id"], each["first"]) for each in first["duplicates"]] == [("again", False), ("second", False)]


async def test_a_picture_that_nobody_else_shows_was_first(copied: World, api: httpx.AsyncClient) -> None:
    """Nearness of vectors alone makes no copy; of a plain picture, and of an old post, nothing is said."""
    for post_id, first in (("other", True), ("plain", None), ("of%20before", None)):
        answer = (await api.get(f"/v1/posts/{post_id}")).json()
        assert (answer["first"], answer["duplicates"]) == (first, [])


async def test_an_erased_creators_copy_is_not_named(copied: World, api: httpx.AsyncClient) -> None:
    """From the moment of the erasure; who came next was first then."""
    assert (await api.delete("/v1/creators/ann")).status_code == 202
    again = (await api.get("/v1/posts/again")).json()
    assert again["first"] is True
    assert [each["post_id"] for each in again["duplicates"]] == ["second"]


async def test_copies_are_found_behind_as_many_others_as_there_are(
    world: World, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While what was found last is still the same picture, more is asked for."""
    monkeypatch.setattr(duplicates, "NEAREST", 4)
    for number in range(12):
        world.post(f"p{number:02}", f"c{number}", visual="cat", looks=[look(1)], hour=number)
    answer = (await api.get("/v1/posts/p11")).json()
    assert [each["post_id"] for each in answer["duplicates"]] == [f"p{number:02}" for number in range(11)]


async def test_a_search_marks_hits_that_show_what_another_showed_first(copied: World, api: httpx.AsyncClient) -> None:
    """They stay where they are: only the picture that was found counts."""
    hits = (await api.get("/v1/search", params={"q": "chess", "blend": 0, "limit": 50})).json()["hits"]
    marked = {
        hit["post_id"]: hit["duplicate_of"] for hit in hits if hit["post_id"] in ("first", "second", "again", "other")
    }
    assert marked == {"first": None, "second": "first", "again": "first", "other": None}
