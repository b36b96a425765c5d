"""Content search over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.match.world import World, png


@pytest.fixture(autouse=True)
def posts(world: World) -> None:
    """Posts of bread and sport: on pictures, in captions, in both."""
    world.post("both", visual="bread", caption="bread")
    world.post("picture", visual="sport|bread cat", creator_id="bob")
    world.post("words", caption="bread")
    world.post("sport", visual="sport", caption="sport")
    world.post("gone", visual="bread", caption="bread", removed=True)


async def found(api: httpx.AsyncClient, **query: object) -> list[str]:
    """The post ids of a search."""
    answer = await api.get("/v1/search", params=query)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return [hit["post_id"] for hit in answer.json()["hits"]]


async def test_a_blended_search_unites_pictures_and_captions(api: httpx.AsyncClient) -> None:
    """Both kinds of evidence add up; what is missing counts as unrelated."""
    assert await found(api, q="bread", limit=3) == ["both", "words", "picture"]


async def test_a_blend_of_nothing_is_pictures_only_and_a_blend_of_all_is_captions_only(api: httpx.AsyncClient) -> None:
    """A post without the thing asked for is no hit."""
    assert await found(api, q="bread", blend=0) == ["both", "picture", "sport"]
    assert await found(api, q="bread", blend=1) == ["both", "words", "sport"]


async def test_a_hit_says_which_picture_and_both_scores(api: httpx.AsyncClient) -> None:
    """The missing score of a candidate is fetched, whichever side found it."""
    hits = (await api.get("/v1/search", params={"q": "bread"})).json()["hits"]
    picture = next(hit for hit in hits if hit["post_id"] == "picture")
    assert picture["visual"] == {"position": 1, "timestamp": 0, "url": "https://x/picture"}
    assert picture["visual_score"] == pytest.approx(0.7071, abs=1e-3)
    assert picture["caption_score"] is None
    assert picture["creator_id"] == "bob"
    assert picture["url"] == "https://x/p/picture"
    both = hits[0]
    assert both["score"] == pytest.approx((both["visual_score"] + both["caption_score"]) / 2)


async def test_a_hit_in_a_video_names_the_second(world: World, api: httpx.AsyncClient) -> None:
    """Of the keyframe that is nearest, whichever way the post was found; pictures of the post are one for a medium."""
    world.post("film", visual="cat|sport>cat>bread>sport", caption="cat")
    hits = (await api.get("/v1/search", params={"q": "bread", "limit": 100})).json()["hits"]
    film = next(hit for hit in hits if hit["post_id"] == "film")
    assert film["visual"] == {"position": 1, "timestamp": 2000, "url": "https://x/film"}
    assert len((await api.get("/v1/posts/film")).json()["pictures"]) == 2


async def test_posts_are_found_behind_the_many_keyframes_of_others(world: World, api: httpx.AsyncClient) -> None:
    """Thirty posts of four videos lie nearer than the pictures that make the page full."""
    for number in range(30):
        world.post(f"film-{number}", visual="|".join([">".join(["bread"] * 8)] * 4))
    assert len(await found(api, q="bread", blend=0, limit=33)) == 33


async def test_a_removed_post_is_never_shown(api: httpx.AsyncClient) -> None:
    """Not even while its pictures are still there."""
    for blend in (0, 0.5, 1):
        assert "gone" not in await found(api, q="bread", blend=blend)


async def test_filters_hold_before_nearness(api: httpx.AsyncClient) -> None:
    """By creator, by platform."""
    assert await found(api, q="bread", creator_id="bob") == ["picture"]
    assert await found(api, q="bread", platform="youtube") == []
    assert len(await found(api, q="bread", platform=["youtube", "tiktok"])) == 4


async def test_a_picture_is_a_query_too(api: httpx.AsyncClient) -> None:
    """Sent as a form's file."""
    answer = await api.post("/v1/search", params={"limit": 1}, files={"image": ("a.png", png(), "image/png")})
    assert [hit["post_id"] for hit in answer.json()["hits"]] == ["both"]


@pytest.mark.parametrize("field", ["limit", "platfrom", "image"])
async def test_a_field_that_the_form_has_not_is_refused_by_name(api: httpx.AsyncClient, field: str) -> None:
    """Also a second picture: what a caller says must not be lost."""
    files = [("image", ("a.png", png(), "image/png"))]
    if field == "image":
        answer = await api.post("/v1/search", files=files * 2)
    else:
        answer = await api.post("/v1/search", files=files, data={field: "1"})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_a_file_that_is_no_picture_is_a_problem(api: httpx.AsyncClient) -> None:
    """With the reason that the embedder would give."""
    answer = await api.post("/v1/search", files={"image": ("a.png", b"MZ", "image/png")})
    assert (answer.status_code, answer.json()["reason"]) == (422, "media_type")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "q"),
        ({"q": "x" * 1001}, "q"),
        ({"q": "x", "limit": 0}, "limit"),
        ({"q": "x", "limit": 101}, "limit"),
        ({"q": "x", "blend": 1.5}, "blend"),
        ({"q": "x", "colour": "red"}, "colour"),
        ({"q": "x", "platform": "Tik Tok"}, "platform.0"),
        ({"q": "x", "published_after": "yesterday"}, "published_after"),
    ],
)
async def test_a_wrong_query_is_a_problem_that_names_the_field(
    api: httpx.AsyncClient, query: dict[str, str], field: str
) -> None:
    """Limits on every parameter; a misspelt one is not lost."""
    answer = await api.get("/v1/search", params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
