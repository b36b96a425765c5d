"""Searches and matches as the demo asks and shows them, checked against the sample world's truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from workers.demo.flow import StepFailedError
from workers.demo.world import World

SHOWN = 5
_PLAIN: dict[str, Any] = {"box": None, "pad_edge": False}
"""Tables without a frame: eighty columns hold them."""


def search(console: Console, api: httpx.Client, world: World, query: str, niche: str) -> int:
    """Search, show the hits and answer with how many of the first ten are posts of the niche."""
    hits = _answer(api.get("/v1/search", params={"q": query, "limit": 10}))["hits"]
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


def match(console: Console, api: httpx.Client, world: World, body: Mapping[str, Any], title: str) -> dict[str, Any]:
    """Match, show creators with parts and evidence, and answer with the API's answer."""
    answer = _answer(api.post("/v1/match", json={"limit": 10, **body}))
    if not answer["hits"]:
        raise StepFailedError(f"the match {title!r} found nobody")
    told: list[str] = []
    parts = sorted({name for hit in answer["hits"] for name in hit["parts"]})
    table = Table("#", "creator", "score", *(name.replace("engagement", "engaged") for name in parts), **_PLAIN)
    console.print(title, highlight=False)
    for hit in answer["hits"][:SHOWN]:
        niches = world.niches.get(hit["creator_id"], {})
        table.add_row(
            str(hit["rank"]),
            hit["creator_id"],
            _number(hit["score"]),
            *(_number(hit["parts"].get(name)) for name in parts),
        )
        posted = ", ".join(f"{niche} {share:.0%}" for niche, share in sorted(niches.items(), key=lambda row: -row[1]))
        told.append(f"  {hit['rank']}: really posts {posted}; evidence {', '.join(hit['evidence'][:2])}")
    console.print(table)
    console.print("\n".join(told), highlight=False)
    return answer


def posters_of(world: World, answer: Mapping[str, Any], niche: str) -> int:
    """How many of the first five creators post about the niche at all."""
    return sum(niche in world.niches.get(hit["creator_id"], {}) for hit in answer["hits"][:SHOWN])


def _answer(response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        raise StepFailedError(f"{response.request.url} answered {response.status_code}: {response.text[:500]}")
    return dict(response.json())


def _number(value: object) -> str:
    return f"{value:+.3f}" if isinstance(value, float) else "-" if value is None else str(value)
