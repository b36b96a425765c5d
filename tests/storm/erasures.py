"""Storms in which a creator is erased and, in some, reinstated, as the API writes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from tests.storm.events import NOW, Sent, World, edited, new_match, new_post, storm
from workers.domain.erasure import ErasureKey, recorded
from workers.domain.events import (
    Clicked,
    CreatorBooked,
    CreatorErased,
    CreatorProfiled,
    CreatorReinstated,
    PostPublished,
)

PARTITIONS = 4


def erasing(world: World, posts: int, outcomes: int) -> list[Sent]:
    """A storm in whose middle a creator is erased; all of it comes before, and again late."""
    usual = storm(world, posts, outcomes, 0)
    creator = f"gone-{world.storms}"
    known = [*_posts(world, creator, "old"), *_business(creator, "old", 1)]
    middle = len(usual) // 2
    before, after = usual[:middle] + known, [*usual[middle:], *known, *_edits(world, known)]
    world.rng.shuffle(before)
    world.rng.shuffle(after)
    return [*before, *_written(CreatorErased(creator_id=creator, requested_at=NOW), _key(world)), *after]


def reinstating(world: World, posts: int, outcomes: int) -> tuple[list[Sent], list[Sent], list[Sent]]:
    """A creator is known; is erased, comes late, is reinstated and posts anew; is in business again.

    In the second part all that names the creator but the erasure's copies lies on ``posts``: there it is in order.
    """
    usual, key, creator = storm(world, posts, outcomes, 0), _key(world), f"back-{world.storms}"
    third = len(usual) // 3
    old = [*_posts(world, creator, "old"), *_business(creator, "old", 1)]
    first = [*usual[:third], *old]
    world.rng.shuffle(first)
    in_order = [
        *_written(CreatorErased(creator_id=creator, requested_at=NOW), key),
        *_late(old),
        *_edits(world, old),
        *_written(CreatorReinstated(creator_id=creator, requested_at=NOW + timedelta(minutes=1)), key),
        *_posts(world, creator, "new"),
        *_late(old)[:2],
    ]
    last = [*usual[2 * third :], *_business(creator, "new", 2), *_edits(world, in_order)[-3:]]
    world.rng.shuffle(last)
    return first, _among(world, in_order, usual[third : 2 * third]), last


def _among(world: World, in_order: Sequence[Sent], others: Sequence[Sent]) -> list[Sent]:
    """Both, each in its own order."""
    sides = [iter(in_order)] * len(in_order) + [iter(others)] * len(others)
    world.rng.shuffle(sides)
    return [next(side) for side in sides]


def _key(world: World) -> ErasureKey:
    assert world.erasure_key is not None
    return world.erasure_key


def _written(event: CreatorErased | CreatorReinstated, key: ErasureKey) -> list[Sent]:
    copies = [Sent("outcomes", event, partition=number) for number in range(PARTITIONS)]
    return [Sent("erasures", recorded(event, key)), *copies, Sent("posts", event)]


def _posts(world: World, creator: str, name: str) -> list[Sent]:
    ids = [f"{name}-{creator}-{number}" for number in range(5)]
    return [Sent("posts", new_post(world.rng, world.pictures, post_id, creator)) for post_id in ids]


def _business(creator: str, name: str, revision: int) -> list[Sent]:
    """A profile and a campaign that counts: all that may be stored of a creator beside the posts."""
    named, brand = f"{name}-{creator}", "brand-0"
    profile = CreatorProfiled(
        creator_id=creator, revision=revision, name="Gone", bio="I love coffee", platforms=("instagram",), followers=5
    )
    campaign = {"brand_id": brand, "campaign_id": f"campaign-{named}", "creator_id": creator, "occurred_at": NOW}
    return [
        Sent("profiles", profile),
        Sent("matches", new_match(brand, f"match-{named}", [creator])),
        Sent("decisions", CreatorBooked(event_id=f"book-{named}", match_id=f"match-{named}", **campaign)),
        Sent("outcomes", Clicked(event_id=f"click-{named}", **campaign)),
    ]


def _late(known: Sequence[Sent]) -> list[Sent]:
    """The posts again, as they were."""
    return [sent for sent in known if isinstance(sent.event, PostPublished)]


def _edits(world: World, known: Sequence[Sent]) -> list[Sent]:
    """A later revision of each post."""
    posts = [sent.event for sent in known if isinstance(sent.event, PostPublished)]
    return [Sent("posts", edited(world.rng, world.pictures, post, post.revision + 1)) for post in posts]
