"""Events of a seed: what a careless world sends. Rivals, edits, removals, repeats, lateness, skewed clocks, poison."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.storm.films import films
from workers.domain.erasure import ErasureKey
from workers.domain.events import (
    Aspect,
    Clicked,
    Converted,
    CreatorBooked,
    CreatorOpened,
    CreatorProfiled,
    CreatorShortlisted,
    Event,
    ImpressionsCounted,
    MatchServed,
    Media,
    PostPublished,
    PostRemoved,
    Refunded,
    Shortlisted,
    ShortlistViewed,
)
from workers.domain.reasons import Reason

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CREATORS, BRANDS = 10, 3
WORDS = ("coffee", "skiing", "lipstick", "guitar", "puppies", "tulips", "football", "pizza", "laptops", "palm beach")
READER = {
    "posts": "embedder",
    "posts.backfill": "embedder",
    "profiles": "embedder",
    "embeddings": "creators",
    "matches": "outcomes",
    "decisions": "outcomes",
    "outcomes": "outcomes",
}


@dataclass(frozen=True)
class Sent:
    """A record to be sent. ``bad``: why its reader must set it aside; a good one counts in the oracle.

    ``value`` replaces the event's bytes; ``key`` and ``partition`` are where they should not be, if given.
    """

    topic: str
    event: Event
    bad: Reason | None = None
    value: bytes | None = None
    type_name: str | None = None
    key: bytes | None = None
    partition: int | None = None
    astray: bool = False


@dataclass
class World:
    """What earlier storms left: later ones edit it, and come late."""

    rng: random.Random
    pictures: Sequence[str]
    posts: dict[str, PostPublished] = field(default_factory=dict)
    booked: list[CreatorBooked] = field(default_factory=list)
    sold: list[Converted] = field(default_factory=list)
    storms: int = 0
    erasure_key: ErasureKey | None = None


def gallery(artwork: Path, root: Path) -> list[str]:
    """A few dozen distinct pictures, and some films, in the allowed directory; their addresses."""
    root.mkdir(parents=True, exist_ok=True)
    urls = []
    for source in sorted(artwork.glob("*.png"))[::4][:32]:
        (root / source.name).write_bytes(source.read_bytes())
        urls.append((root / source.name).as_uri())
    (root / "corrupt.png").write_bytes(min(artwork.glob("*.png")).read_bytes()[:300])
    return urls + [film.as_uri() for film in films(sorted(artwork.glob("*.png"))[::3], root)]


def storm(world: World, posts: int, outcomes: int, poison: int) -> list[Sent]:
    """The records of one storm, in the order in which they are sent."""
    world.storms += 1
    good = [*_profiles(world), *_posts(world, posts), *_campaigns(world, outcomes)]
    rng = world.rng
    repeated = [sent for sent in good for _ in range(rng.choices((1, 2, 5), weights=(7, 3, 1))[0])]
    repeated += _poison(world, poison)
    rng.shuffle(repeated)
    return [_astray(world, sent) for sent in repeated]


def in_every_position(world: World, batch: int) -> list[Sent]:
    """As many batches of one partition as a batch has places, with a bad record in another place of each."""
    rng, made = world.rng, []
    world.storms += 1
    for place in range(batch):
        good = [
            new_post(rng, world.pictures, f"post-{world.storms}-{place}-{n}", "creator-0") for n in range(batch - 1)
        ]
        world.posts |= {post.post_id: post for post in good}
        batched = [Sent("posts", post) for post in good]
        bad = POISON_OF_POSTS[place % len(POISON_OF_POSTS)](world, place)
        batched.insert(place, replace(bad, key=b"creator-0"))
        made += batched
    return made


def _creator(rng: random.Random) -> str:
    """Zipf: the first posts most."""
    return rng.choices([f"creator-{n}" for n in range(CREATORS)], weights=[1 / (n + 1) for n in range(CREATORS)])[0]


def _profiles(world: World) -> list[Sent]:
    rng = world.rng
    made = []
    for creator in rng.sample(range(CREATORS), k=3):
        revision = rng.randrange(1, 4 + world.storms)
        # Two profiles of one revision: one of them wins, whichever comes first.
        for _ in range(rng.choice((1, 2))):
            event = CreatorProfiled(
                creator_id=f"creator-{creator}",
                revision=revision,
                name=f"Name {rng.randrange(100)}",
                bio=rng.choice(("", f"I love {rng.choice(WORDS)} and {rng.choice(WORDS)}")),
                platforms=("instagram",),
                followers=rng.randrange(10**6),
            )
            made.append(Sent("profiles", event))
    return made


def _posts(world: World, count: int) -> list[Sent]:
    """New posts, edits (late ones of earlier storms too), rivals of one revision, removals before and after."""
    rng = world.rng
    made: list[Sent] = []
    for number in range(count):
        if world.posts and rng.random() < 0.25:
            post = rng.choice(list(world.posts.values()))
            post = edited(rng, world.pictures, post, post.revision + rng.choice((-1, 0, 1, 2)))
        else:
            post = new_post(rng, world.pictures, f"post-{world.storms}-{number}", _creator(rng))
        world.posts[post.post_id] = max(world.posts.get(post.post_id, post), post, key=lambda each: each.revision)
        # Backfill and live posts are two topics of one partitioning: one post may come through both.
        made.append(Sent("posts.backfill" if rng.random() < 0.15 else "posts", post))
        if rng.random() < 0.12:
            revision = max(0, post.revision + rng.choice((-1, 0, 0, 1)))
            removal = PostRemoved(post_id=post.post_id, creator_id=post.creator_id, revision=revision)
            made.append(Sent("posts", removal))
    return made


def new_post(rng: random.Random, pictures: Sequence[str], post_id: str, creator: str) -> PostPublished:
    caption = f"{rng.choice(WORDS)} with {rng.choice(WORDS)} {rng.randrange(20)}" if rng.random() < 0.8 else ""
    if caption.endswith("7"):
        caption = f"{caption}. " * 12 + "#SundayMorning"  # longer than any model's context
    return PostPublished(
        post_id=post_id,
        creator_id=creator,
        revision=rng.randrange(3),
        platform="instagram",
        url=f"https://example.org/{post_id}",
        published_at=NOW - timedelta(minutes=rng.randrange(120 * 24 * 60)),
        caption=caption,
        hashtags=(rng.choice(WORDS).replace(" ", ""),) if caption and rng.random() < 0.3 else (),
        media=tuple(
            # What it is called decides nothing.
            Media(
                url=url,
                kind="video" if "film" in url else "image",
                alt_text="may be food" if caption.endswith("3") else None,
            )
            for url in rng.sample(pictures, k=rng.choices((0, 1, 3), weights=(2, 6, 2))[0])
        ),
    )


def edited(rng: random.Random, pictures: Sequence[str], post: PostPublished, revision: int) -> PostPublished:
    other = new_post(rng, pictures, post.post_id, post.creator_id)
    changed = {"media": other.media, "published_at": other.published_at} if rng.random() < 0.5 else {}
    return post.model_copy(update={"revision": max(0, revision), "caption": other.caption, **changed})


def _campaigns(world: World, count: int) -> list[Sent]:
    rng = world.rng
    made: list[Sent] = []
    for number in range(2):
        brand, name = f"brand-{rng.randrange(BRANDS)}", f"{world.storms}-{number}"
        shown = rng.sample(range(CREATORS), k=4)
        made.append(Sent("matches", new_match(brand, f"match-{name}", [f"creator-{n}" for n in shown])))
        if rng.random() < 0.3:
            made.append(Sent("matches", new_match(brand, f"match-{name}", [f"creator-{n}" for n in shown[:2]])))
        for position, creator in enumerate([*shown[:3], (shown[0] + 1) % CREATORS]):
            common = {
                "brand_id": brand,
                "match_id": f"match-{name}",
                "occurred_at": NOW + timedelta(hours=rng.randrange(48)),
            }
            known = {**common, "creator_id": f"creator-{creator}"}
            booking = CreatorBooked(event_id=f"book-{name}-{position}", campaign_id=f"campaign-{name}", **known)
            world.booked.append(booking)
            made += [
                Sent("decisions", ShortlistViewed(event_id=f"view-{name}-{position}", **common)),
                Sent("decisions", CreatorOpened(event_id=f"open-{name}-{position}", **known)),
                Sent("decisions", CreatorShortlisted(event_id=f"short-{name}-{position}", **known)),
                Sent("decisions", booking),
            ]
    return made + [Sent("outcomes", _outcome(world, number)) for number in range(count)]


def new_match(brand: str, match: str, creators: Sequence[str]) -> MatchServed:
    rows = [
        Shortlisted(creator_id=creator, rank=rank, score=0.5, propensity=1.0, features={})
        for rank, creator in enumerate(creators, 1)
    ]
    return MatchServed(
        match_id=match,
        brand_id=brand,
        served_at=NOW,
        aspects=(Aspect(text="coffee", weight=1.0),),
        shortlist=tuple(rows),
        filters_json="{}",
        policy="score.v1",
        model="none",
        model_version="m",
    )


def _outcome(world: World, number: int) -> Event:
    """Of a booked campaign, at times under an id that another outcome has too; refunds before their conversions."""
    rng = world.rng
    booking = rng.choice(world.booked)
    common = {
        "brand_id": booking.brand_id,
        "campaign_id": booking.campaign_id,
        "creator_id": booking.creator_id,
        # Clocks are skewed: some trackers are days behind, some hours ahead.
        "occurred_at": NOW + timedelta(seconds=rng.randrange(-(10**6), 10**5), milliseconds=rng.randrange(1000)),
    }
    contested = rng.random() < 0.06
    name = f"contested-{rng.randrange(3)}" if contested else f"outcome-{world.storms}-{number}"
    kind = rng.choices(("click", "sale", "seen", "refund"), weights=(5, 3, 2, 2))[0]
    if kind == "sale":
        sale = Converted(event_id=name, value=rng.randrange(1, 10**5) / 100, **common)
        world.sold.append(sale)
        return sale
    if kind == "seen":
        window = {"window_start": NOW, "window_end": NOW + timedelta(hours=1)}
        return ImpressionsCounted(event_id=name, impressions=rng.randrange(1000), **window, **common)
    if kind == "refund" and world.sold:
        sale = rng.choice(world.sold)
        known = {"brand_id": sale.brand_id, "campaign_id": sale.campaign_id, "creator_id": sale.creator_id}
        refunds = sale.event_id if rng.random() < 0.8 else f"unknown-{number}"
        return Refunded(event_id=name, value=sale.value, refunds=refunds, **{**common, **known})
    return Clicked(event_id=name, **common)


def _poison(world: World, count: int) -> list[Sent]:
    """Bad records, each sure to be set aside however late it comes: of posts and facts that nothing else names."""
    kinds: list[Callable[[World, int], Sent]] = [
        _garbage,
        _wrong_type,
        _unknown_type,
        _not_a_number,
        _corrupt_picture,
        _corrupt_film,
        _missing_picture,
        _far_ahead,
        _garbage_outcome,
    ]
    return [kinds[number % len(kinds)](world, number) for number in range(count)]


def _bad_post(world: World, number: int, picture: str | None = None) -> PostPublished:
    post = new_post(world.rng, world.pictures, f"bad-{world.storms}-{number}", "creator-0")
    media = [Media(url=url, kind="image") for url in (world.pictures[0], picture) if url is not None]
    return post.model_copy(update={"media": tuple(media)})


def _garbage(world: World, number: int) -> Sent:
    value = bytes(world.rng.randrange(1, 256) for _ in range(40))
    return Sent("posts", _bad_post(world, number), Reason.MALFORMED_JSON, value=b"{" + value)


def _wrong_type(world: World, number: int) -> Sent:
    event = Clicked(
        event_id=f"lost-{number}", brand_id="brand-1", campaign_id="c", creator_id="creator-0", occurred_at=NOW
    )
    return Sent("posts", event, Reason.UNEXPECTED_TYPE)


def _unknown_type(world: World, number: int) -> Sent:
    return Sent("profiles", _bad_post(world, number), Reason.UNKNOWN_TYPE, type_name="io.streamscout.Nonsense")


def _not_a_number(world: World, number: int) -> Sent:
    """A vector of NaN among the embeddings would spread to every sum that it enters."""
    value = (
        b'{"post_id":"nan","creator_id":"creator-0","revision":1,"published_at":"2026-01-01T00:00:00Z",'
        b'"model_version":"m","visual":"' + b"AADAfwAAwH8=" + b'"}'
    )
    return Sent(
        "embeddings",
        _bad_post(world, number).model_copy(update={"creator_id": "creator-0"}),
        Reason.INVALID_EVENT,
        value=value,
        type_name="io.streamscout.PostEmbedded",
    )


def _corrupt_picture(world: World, number: int) -> Sent:
    corrupt = world.pictures[0].rpartition("/")[0] + "/corrupt.png"
    return Sent("posts", _bad_post(world, number, corrupt), Reason.MEDIA_CORRUPT)


def _corrupt_film(world: World, number: int) -> Sent:
    corrupt = world.pictures[0].rpartition("/")[0] + "/corrupt.mp4"
    return Sent("posts", _bad_post(world, number, corrupt), Reason.MEDIA_CORRUPT)


def _missing_picture(world: World, number: int) -> Sent:
    missing = world.pictures[0].rpartition("/")[0] + "/missing.png"
    return Sent("posts", _bad_post(world, number, missing), Reason.MEDIA_GONE)


def _far_ahead(world: World, number: int) -> Sent:
    """A tracker's clock that is decades ahead would outweigh everything for ever."""
    event = Clicked(
        event_id=f"ahead-{world.storms}-{number}",
        brand_id="brand-0",
        campaign_id="campaign-1-0",
        creator_id="creator-0",
        occurred_at=datetime(2060, 1, 1, tzinfo=UTC),
    )
    return Sent("outcomes", event, Reason.INVALID_EVENT)


def _garbage_outcome(world: World, number: int) -> Sent:
    event = Clicked(
        event_id="x", brand_id="brand-1", campaign_id="campaign-1-0", creator_id="creator-0", occurred_at=NOW
    )
    return Sent("outcomes", event, Reason.MALFORMED_JSON, value=b"{not json" + bytes([world.rng.randrange(1, 128)]))


POISON_OF_POSTS: tuple[Callable[[World, int], Sent], ...] = (_garbage, _wrong_type, _corrupt_picture, _missing_picture)


def _astray(world: World, sent: Sent) -> Sent:
    """A few good ones lie on a wrong partition, or under a stranger's key: another partitioner, a careless producer."""
    draw = world.rng.random()
    if sent.bad is not None or draw > 0.05:
        return sent
    if draw < 0.02:
        return replace(sent, key=b"somebody else", astray=True)
    return replace(sent, partition=world.rng.randrange(4), astray=True)
