"""A brand's safety policy changes its shortlist: who goes and by which posts, and that nothing was embedded for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from workers.demo.asking import answer_of
from workers.demo.flow import POLL_SECONDS, StepFailedError
from workers.demo.world import World
from workers.domain.events import BrandBriefed, SafetyPolicy, SafetyRule

THRESHOLD, REVIEW_FROM = 0.5, 0.2
SHOWN_CAUSES = 3
APPLIED_SECONDS = 30.0
SHOWS: Final[Mapping[str, frozenset[str]]] = {
    "alcohol": frozenset({"wine glass", "clinking glasses"}),
    "gambling": frozenset({"slot machine", "game die"}),
    "weapons": frozenset({"crossed swords"}),
}
"""The truth: which of the sample's drawings show what."""


@dataclass(frozen=True, slots=True)
class Unsafe:
    """The creator of a brand's shortlist who scores highest in a category, and where they stand."""

    brand: BrandBriefed
    creator_id: str
    rank: int
    category: str
    score: float


@dataclass(frozen=True, slots=True)
class Policed:
    """How many creators a policy removed; how many posts were named as the cause, and how many of these rightly."""

    removed: int
    causes: int
    right: int


def apply_policy(console: Console, api: httpx.Client, world: World, pictures: Callable[[], int]) -> Policed:
    """Publish a policy against what somebody on a shortlist shows, and see them go; then take it back.

    ``pictures``: how many Triton has computed. Raises StepFailedError where the answer does not follow.
    """
    worst = _worst(api, world.brands)
    computed, revision = pictures(), int(time.time())
    rule = SafetyRule.model_validate({"category": worst.category, "threshold": THRESHOLD, "review_from": REVIEW_FROM})
    name = worst.brand.name
    console.print(
        f"  {name}'s shortlist: {worst.creator_id} (rank {worst.rank}) scores {worst.score:.2f} in {worst.category}",
        highlight=False,
    )
    right, causes = _show_causes(console, api, world, worst)
    began = time.monotonic()
    _brief(api, worst.brand, revision, SafetyPolicy(version=1, rules=(rule,)))
    answer = _answer_under(api, worst.brand, 1)
    seconds = time.monotonic() - began
    removed = int(answer["filtered_out"][f"safety.{worst.category}"])
    if worst.creator_id in {hit["creator_id"] for hit in answer["hits"]} or not removed:
        raise StepFailedError(f"{worst.creator_id} is still on the shortlist of {name}, {removed} are counted out")
    _show(console, answer, f"{name}: {worst.category} below {THRESHOLD}, a look from {REVIEW_FROM}")
    if (again := pictures() - computed) != 0:
        raise StepFailedError(f"{again} pictures were embedded for a policy")
    among = f"{removed} of {len(world.profiles)} creators, {worst.creator_id} among them"
    console.print(
        f"  it removed {among}, within {seconds:.1f} s\n  0 of {computed} pictures were embedded again",
        highlight=False,
    )
    _brief(api, worst.brand, revision + 1, None)
    _answer_under(api, worst.brand, None)
    return Policed(removed, causes, right)


def _worst(api: httpx.Client, brands: Sequence[BrandBriefed]) -> Unsafe:
    found = [
        Unsafe(brand, hit["creator_id"], hit["rank"], category, score)
        for brand in brands
        for hit in _match(api, brand)["hits"]
        for category, score in hit["safety"].items()
        if category in SHOWS
    ]
    worst = max(found, key=lambda each: each.score, default=None)
    if worst is None or worst.score < THRESHOLD:
        raise StepFailedError(f"nobody on a shortlist scores {THRESHOLD} in any of {', '.join(SHOWS)}: {worst}")
    return worst


def _show_causes(console: Console, api: httpx.Client, world: World, worst: Unsafe) -> tuple[int, int]:
    """Name the posts; how many of those named really show it, by the truth of the sample."""
    truth = {post.post_id: post for post in world.posts}
    posts = answer_of(api.get(f"/v1/creators/{worst.creator_id}"))["safety_posts"]
    causes = [post for post in posts if worst.category in post["scores"]]
    causes.sort(key=lambda post: -post["scores"][worst.category])
    right = 0
    for place, post in enumerate(causes):
        drawn = [each for picture in truth[post["post_id"]].pictures for each in (picture.main, picture.beside) if each]
        names = sorted({each.name for each in drawn})
        right += not SHOWS[worst.category].isdisjoint(names)
        if place < SHOWN_CAUSES:
            score = post["scores"][worst.category]
            console.print(f"    {post['post_id']} at {score:.2f}: really shows {', '.join(names)}", highlight=False)
    console.print(f"  {right} of {len(causes)} posts named as its cause really show {worst.category}", highlight=False)
    if not right:
        raise StepFailedError(f"no post named as the cause of {worst.category} shows it")
    return right, len(causes)


def _show(console: Console, answer: Mapping[str, Any], title: str) -> None:
    table = Table("#", "creator", "score", "safety", "look at", title=title, box=None, pad_edge=False)
    for hit in answer["hits"][:5]:
        known = sorted(hit["safety"].items(), key=lambda row: -row[1])[:2]
        looks = ", ".join(f"{each['category']} by {', '.join(each['posts'][:2])}" for each in hit["review"])
        scores = ", ".join(f"{category} {score:.2f}" for category, score in known)
        table.add_row(str(hit["rank"]), hit["creator_id"], f"{hit['score']:+.3f}", scores, looks)
    console.print(table)


def _brief(api: httpx.Client, brand: BrandBriefed, revision: int, policy: SafetyPolicy | None) -> None:
    brief = brand.model_copy(update={"revision": revision, "safety_policy": policy})
    response = api.post("/v1/brands", json=brief.model_dump(mode="json"))
    if response.status_code != httpx.codes.ACCEPTED:
        raise StepFailedError(f"POST /v1/brands answered {response.status_code}: {response.text[:500]}")


def _answer_under(api: httpx.Client, brand: BrandBriefed, version: int | None) -> dict[str, Any]:
    """The brand's match once its policy of this version (None: no policy) is applied."""
    began = time.monotonic()
    while (answer := _match(api, brand))["safety_policy_version"] != version:
        if time.monotonic() - began > APPLIED_SECONDS:
            raise StepFailedError(f"a policy of {brand.name} is not applied {APPLIED_SECONDS:.0f} s after its brief")
        time.sleep(POLL_SECONDS)
    return answer


def _match(api: httpx.Client, brand: BrandBriefed) -> dict[str, Any]:
    return answer_of(api.post("/v1/match", json={"brand_id": brand.brand_id, "limit": 10}))
