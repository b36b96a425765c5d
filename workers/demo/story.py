"""What ``streamscout demo`` does, in order. A step that did not do what it says raises StepFailedError."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from rich.console import Console

from workers.demo import asking, campaign
from workers.demo.flow import POLL_SECONDS, Flow, Flowed, StepFailedError
from workers.demo.policy import Policed, apply_policy
from workers.demo.world import World

SIGNAL_SECONDS = 30.0
SEARCHES = (
    ("pizza and spaghetti", "italian food"),
    ("a dog or a cat", "pets"),
    ("skiing in the snow", "winter sports"),
)
RELEVANT = 5
POSTERS = 3
BRIEFS_SHOWN = 3
FILMS = 3
RIGHT_SECONDS = 0.6
BOOKED_RANK = 5


@dataclass(frozen=True, slots=True)
class Told:
    """What the demo measured."""

    burst: Flowed
    paced: Flowed
    relevant: dict[str, int]
    rank_before: int
    rank_after: int
    policed: Policed


def find(console: Console, api: httpx.Client, world: World) -> dict[str, int]:
    """Three searches; the hits of the right niche among ten."""
    relevant = {query: asking.search(console, api, world, query, niche) for query, niche in SEARCHES}
    for query, count in relevant.items():
        console.print(f"  “{query}”: {count} of 10 hits are posts of that niche", highlight=False)
        if count < RELEVANT:
            raise StepFailedError(f"only {count} of 10 hits for “{query}” are of its niche, {RELEVANT} are expected")
    return relevant


def find_seconds(console: Console, api: httpx.Client, world: World) -> None:
    """Videos are searched too: most hits name a second at which the thing is shown."""
    right, asked = asking.seconds(console, api, [post for post in world.posts if post.film][:FILMS])
    console.print(f"  {right} of {asked} searches name a second at which the film shows it", highlight=False)
    if right < RIGHT_SECONDS * asked:
        raise StepFailedError(f"only {right} of {asked} searches within videos name the right second")


def match_briefs(console: Console, api: httpx.Client, world: World) -> None:
    """Three brands' briefs; most of the first five creators must really post about them.

    Of one it is asked why a creator of another thing is not in the list, and who is like the first.
    """
    for brand in world.brands[:BRIEFS_SHOWN]:
        niche = world.brand_niche[brand.brand_id]
        title = f"match: {brand.name}: “{brand.brief}”"
        answer = asking.match(console, api, world, {"brand_id": brand.brand_id, "explain": True}, title)
        posters = asking.posters_of(world, answer, niche)
        console.print(f"  {posters} of the first 5 creators post about {niche}", highlight=False)
        if posters < POSTERS:
            raise StepFailedError(f"only {posters} of the first 5 creators for {brand.name} post about {niche}")
        if brand is world.brands[0]:
            other = next(name for name, taste in world.niches.items() if niche not in taste)
            asking.why_not(console, api, {"brand_id": brand.brand_id}, other)
            if not asking.similar(console, api, world, str(answer["hits"][0]["creator_id"])):
                raise StepFailedError("nobody who is said to be alike posts about the same thing")


def learn(console: Console, api: httpx.Client, world: World, run: str) -> tuple[int, int]:
    """One brand books a creator further down, the campaign sells, and the same match moves; ranks before and after."""
    brand = world.brands[0]
    body = {"brand_id": brand.brand_id}
    before = asking.match(console, api, world, body, f"{brand.name}: before the campaign")
    booked = before["hits"][min(BOOKED_RANK, len(before["hits"])) - 1]
    creator, rank_before = str(booked["creator_id"]), int(booked["rank"])
    now = datetime.now(UTC)
    _publish(api, "decisions", campaign.decisions(run, brand.brand_id, before["match_id"], creator, now))
    _publish(api, "outcomes", campaign.outcomes(run, brand.brand_id, creator, now))
    console.print(
        f"  {brand.name} booked {creator} (rank {rank_before}): {campaign.IMPRESSIONS} impressions, {campaign.CLICKS} "
        f"clicks, {campaign.CONVERSIONS} conversions, {campaign.REFUNDS} refunds published",
        highlight=False,
    )
    began = time.monotonic()
    while True:
        answer = api.post("/v1/match", json={"limit": 10, **body}).raise_for_status().json()
        rank = campaign.rank_of(answer, creator)
        if rank is not None and rank < rank_before:
            break
        if time.monotonic() - began > SIGNAL_SECONDS:
            raise StepFailedError(f"{creator} is still at rank {rank} {SIGNAL_SECONDS:.0f} s after the campaign")
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - began
    after = asking.match(console, api, world, body, f"{brand.name}: after the campaign")
    rank_after = campaign.rank_of(after, creator) or rank
    console.print(f"  {creator} moved from rank {rank_before} to {rank_after} within {seconds:.1f} s", highlight=False)
    return rank_before, rank_after


def _publish(api: httpx.Client, topic: str, events: list[dict[str, Any]]) -> None:
    response = api.post(f"/v1/{topic}", json=events)
    if response.status_code != httpx.codes.ACCEPTED:
        raise StepFailedError(f"POST /v1/{topic} answered {response.status_code}: {response.text[:500]}")


def tell(
    console: Console,
    flow: Flow,
    world: World,
    run: str,
    loads: tuple[Callable[[], int], Callable[[], int]],
    late: int,
    pictures: Callable[[], int],
) -> Told:
    """The whole story on running workers. ``loads`` publish everything but the late posts, then those, evenly paced.

    ``pictures``: how many Triton has computed so far.
    """
    posts = len(world.posts)
    console.rule("1. posts become a searchable creator index")
    burst = flow.watch("all at once", loads[0], posts - late, 0)
    paced = flow.watch("evenly paced", loads[1], late, posts - late)
    console.rule("2. searches")
    relevant = find(console, flow.api, world)
    find_seconds(console, flow.api, world)
    console.rule("3. matches, with their evidence")
    match_briefs(console, flow.api, world)
    console.rule("4. outcomes move the next match")
    ranks = learn(console, flow.api, world, run)
    console.rule("5. a safety policy changes a shortlist")
    policed = apply_policy(console, flow.api, world, pictures)
    return Told(burst, paced, relevant, *ranks, policed)
