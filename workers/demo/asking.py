"""Searches and matches as the demo asks and shows them, checked against the sample world's truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from workers.demo.flow import StepFailedError
from workers.demo.world import SCENE_MS, SamplePost, World

SHOWN = 5
_PLAIN: dict[str, Any] = {"box": None, "pad_edge": False}
"""Tables without a frame: eighty columns hold them."""
_HEADINGS = {
    "semantic": "posts",
    "feedback": "outcome",
    "affinity": "alike",
    "engagement": "engaged",
    "freshness": "fresh",
}


def search(console: Console, api: httpx.Client, world: World, query: str, niche: str) -> int:
    """Search, show the hits and answer with how many of the first ten are posts of the niche."""
    hits = answer_of(api.get("/v1/search", params={"q": query, "limit": 10}))["hits"]
    truth = {post.post_id: post for post in world.posts}
    table = Table(
        "post", "creator", "score", "visual", "caption", "text and niche", title=f"search: “{query}”", **_PLAIN
    )
    for hit in hits[:SHOWN]:
        post = truth.get(hit["post_id"])
        table.add_row(
            hit["post_id"],
            hit["creator_id"],
            *(_number(hit[name]) for name in ("score", "visual_score", "caption_score")),
            f"{post.caption} ({post.niche})" if post else "not of the sample",
        )
    console.print(table)
    if not hits:
        raise StepFailedError(f"the search “{query}” found nothing")
    return sum(hit["post_id"] in truth and truth[hit["post_id"]].niche == niche for hit in hits)


def seconds(console: Console, api: httpx.Client, films: Sequence[SamplePost]) -> tuple[int, int]:
    """Search each scene of these films by its name, among its creator's posts; how many seconds named were right."""
    table = Table("post", "search", "named", "right", title="searches within videos", **_PLAIN)
    right = asked = 0
    for film in films:
        for number, scene in enumerate(film.pictures):
            query: dict[str, str | int] = {
                "q": scene.main.name,
                "creator_id": film.creator_id,
                "blend": 0,
                "limit": 100,
            }
            hits = answer_of(api.get("/v1/search", params=query))["hits"]
            named = next((hit["visual"]["timestamp"] for hit in hits if hit["post_id"] == film.post_id), None)
            good = named is not None and film.scene_at(named) == scene
            right, asked = right + good, asked + 1
            told = "not found" if named is None else f"{named / 1000:.1f} s"
            begins, ends = (each * SCENE_MS / 1000 for each in (number, number + 1))
            table.add_row(film.post_id, scene.main.name, told, "yes" if good else f"no: {begins:.1f} to {ends:.1f} s")
    console.print(table)
    return right, asked


def match(console: Console, api: httpx.Client, world: World, body: Mapping[str, Any], title: str) -> dict[str, Any]:
    """Match, show creators with parts and evidence, and answer with the API's answer."""
    answer = answer_of(api.post("/v1/match", json={"limit": 10, **body}))
    if not answer["hits"]:
        raise StepFailedError(f"the match {title!r} found nobody")
    told: list[str] = []
    parts = [name for name, weight in answer["weights"].items() if weight]
    table = Table("#", "creator", "score", *(_HEADINGS.get(name, name) for name in parts), **_PLAIN)
    console.print(title, highlight=False)
    for hit in answer["hits"][:SHOWN]:
        niches = world.niches.get(hit["creator_id"], {})
        table.add_row(
            str(hit["rank"]),
            hit["creator_id"],
            _number(hit["score"]),
            *(f"{hit['parts'][name]:+.2f}" for name in parts),
        )
        posted = ", ".join(f"{niche} {share:.0%}" for niche, share in sorted(niches.items(), key=lambda row: -row[1]))
        told.append(f"  {hit['rank']}: really posts {posted}; evidence {', '.join(hit['evidence'][:2])}")
    console.print(table)
    console.print("\n".join(told), highlight=False)
    return answer


def why_not(console: Console, api: httpx.Client, body: Mapping[str, Any], creator_id: str) -> None:
    """Ask why a creator is not in the list, and show the sentence and the nearest post of theirs."""
    why = answer_of(api.post("/v1/match", json={"limit": SHOWN, **body, "explain_creator_id": creator_id}))["why"]
    if why is None or why["verdict"] == "unknown":
        raise StepFailedError(f"the match does not say why {creator_id} is not in it: {why}")
    console.print(f"  why not {creator_id}? {why['text']}", highlight=False)


def similar(console: Console, api: httpx.Client, world: World, creator_id: str) -> int:
    """Show creators like this one; how many of the first five share their main niche."""
    hits = answer_of(api.post("/v1/similar", json={"like": [creator_id], "limit": SHOWN}))["hits"]
    if not hits or any(hit["creator_id"] == creator_id for hit in hits):
        raise StepFailedError(f"no look-alikes of {creator_id}: {[hit['creator_id'] for hit in hits]}")
    own = world.niches[creator_id]
    main = max(own, key=lambda niche: own[niche])
    told = [f"{hit['creator_id']} ({world.niches[hit['creator_id']].get(main, 0):.0%} {main})" for hit in hits]
    console.print(f"  like {creator_id} ({own[main]:.0%} {main}): {', '.join(told)}", highlight=False)
    return sum(main in world.niches[hit["creator_id"]] for hit in hits)


def posters_of(world: World, answer: Mapping[str, Any], niche: str) -> int:
    """How many of the first five creators post about the niche at all."""
    return sum(niche in world.niches.get(hit["creator_id"], {}) for hit in answer["hits"][:SHOWN])


def answer_of(response: httpx.Response) -> dict[str, Any]:
    """What the API answers; raises StepFailedError where that is no success."""
    if not response.is_success:
        raise StepFailedError(f"{response.request.url} answered {response.status_code}: {response.text[:500]}")
    return dict(response.json())


def _number(value: object) -> str:
    return f"{value:+.3f}" if isinstance(value, float) else "-" if value is None else str(value)
