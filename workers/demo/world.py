"""The sample world as a function of a seed: creators in niches, what they post, who follows them, brands with briefs.

Every creator has one niche that makes most of their posts and one or two beside it; truth about who posts what comes
from here, never from an embedding. Nothing in it is a real person.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from workers.domain.events import Audience, BrandBriefed, CreatorProfiled, Price

FIRST = ("Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farah", "Gus", "Hana", "Ines", "Jonas", "Kemi", "Luca")
LAST = ("Almeida", "Berg", "Costa", "Dahl", "Eriksen", "Fontana", "Greco", "Haas", "Ito", "Jansen", "Kaya", "Lind")
COUNTRIES = ("DE", "FR", "IT", "ES", "US", "GB", "NL", "SE")
LANGUAGES = {"DE": "de", "FR": "fr", "IT": "it", "ES": "es", "US": "en", "GB": "en", "NL": "nl", "SE": "sv"}
PLATFORMS = ("instagram", "tiktok", "youtube")
AGES = ("13-17", "18-24", "25-34", "35-44", "45+")
CAPTIONS = (
    "{name} today, and nothing else matters",
    "my favourite {name} so far",
    "{keyword} and {name}: the little things",
    "another {keyword} day",
    "all about {keyword} this week",
    "who else loves {name}?",
    "weekend {keyword}, slowly",
    "new post: {name}, {keyword} and me",
)
BRANDS = 6
SCENE_MS = 1500
FILM_EVERY = 40
"""One post of so many is a video."""
SCENES = (4, 5, 6)
BRIEFS = {
    "fitness": "Gym workouts, running and yoga with people who train every week",
    "beauty": "Lipstick, nail polish and skin care, shown close up",
    "italian food": "Italian dinners: pizza, spaghetti and a glass of wine",
    "coffee and baking": "Morning coffee with croissants, cookies and birthday cake",
    "beach travel": "Beach holidays under palm trees, sailing and tropical islands",
    "winter sports": "Skiing and snowboarding in snowy mountains",
    "gaming": "Video games, joysticks and board games with dice",
    "music": "Guitars, drums and headphones: people who make music",
    "pets": "Dogs and cats at home, and everything they play with",
    "fashion": "Dresses, high heels and handbags for the new season",
    "technology and crypto": "Laptops, mobile phones and crypto investing",
    "gardening": "Potted plants, sunflowers and tulips from the garden",
    "parenting": "Life with a baby: bottles, teddy bears and first steps",
    "cars": "Sports cars, motorcycles and life on the road",
    "books": "Books worth reading, notebooks and quiet evenings",
    "football": "Football matches, the stadium and the trophy",
}


@dataclass(frozen=True, slots=True)
class Artwork:
    """One drawing: its file, what it shows and the words that go with it."""

    file: str
    name: str
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Composition:
    """How one picture is made: a large drawing, at times a small second one, on a gradient."""

    main: Artwork
    beside: Artwork | None
    seed: int


@dataclass(frozen=True, slots=True)
class SamplePost:
    """A post before its pictures exist. Of a ``film`` they are the scenes of its one video, ``SCENE_MS`` each."""

    post_id: str
    creator_id: str
    niche: str
    platform: str
    language: str
    published_at: datetime
    caption: str
    hashtags: tuple[str, ...]
    pictures: tuple[Composition, ...]
    film: bool = False

    def scene_at(self, timestamp_ms: int) -> Composition | None:
        """What a film shows then."""
        number = timestamp_ms // SCENE_MS
        return self.pictures[number] if self.film and 0 <= number < len(self.pictures) else None


@dataclass(frozen=True, slots=True)
class World:
    """Everything the demo publishes, and the truth it is checked against: each creator's niches with their shares."""

    profiles: tuple[CreatorProfiled, ...]
    posts: tuple[SamplePost, ...]
    brands: tuple[BrandBriefed, ...]
    niches: Mapping[str, Mapping[str, float]]
    brand_niche: Mapping[str, str]


def load_artwork(directory: Path) -> dict[str, tuple[Artwork, ...]]:
    """The bundled drawings by niche, from ``index.json``."""
    index = orjson.loads((directory / "index.json").read_bytes())
    return {
        niche: tuple(Artwork(row["file"], row["name"], tuple(row["keywords"])) for row in rows)
        for niche, rows in sorted(index.items())
    }


def make_world(artwork: Mapping[str, Sequence[Artwork]], seed: int, creators: int, posts: int, now: datetime) -> World:
    """The world of a seed. ``now`` dates the newest post; posts go back 120 days."""
    rng = random.Random(seed)  # noqa: S311 - a sample world, not a secret
    niches = sorted(artwork)
    taste = {f"creator-{n:03d}": _taste(rng, niches, niches[n % len(niches)]) for n in range(creators)}
    brands, brand_niche = _brands(rng, artwork)
    profiles = tuple(_profile(rng, creator, taste[creator], brands) for creator in taste)
    country = {profile.creator_id: profile.country for profile in profiles}
    owners = [*taste, *rng.choices(sorted(taste), weights=[1 / (n + 3) for n in range(creators)], k=posts - creators)]
    drawn = tuple(
        _filmed(
            seed,
            number,
            _post(rng, number, owner, taste[owner], artwork, LANGUAGES[country[owner] or "US"], now),
            taste[owner],
            artwork,
        )
        for number, owner in enumerate(owners[:posts])
    )
    return World(profiles, drawn, brands, taste, brand_niche)


def _taste(rng: random.Random, niches: Sequence[str], main: str) -> dict[str, float]:
    others = rng.sample([niche for niche in niches if niche != main], k=rng.choice((1, 2)))
    share = rng.uniform(0.6, 0.85)
    return {main: share} | {other: (1 - share) / len(others) for other in others}


def _shares(rng: random.Random, names: Sequence[str]) -> dict[str, float]:
    raw = [rng.gammavariate(1.5, 1.0) for _ in names]
    return {name: math.floor(1000 * value / sum(raw)) / 1000 for name, value in zip(names, raw, strict=True)}


def _profile(
    rng: random.Random, creator: str, taste: Mapping[str, float], brands: Sequence[BrandBriefed]
) -> CreatorProfiled:
    country = rng.choice(COUNTRIES)
    women = round(rng.uniform(0.15, 0.85), 3)
    followers = int(10 ** rng.uniform(3.3, 6.2))
    main = max(taste, key=lambda niche: taste[niche])
    exclusive = (rng.choice(brands).brand_id,) if rng.random() < 0.05 else ()
    return CreatorProfiled(
        creator_id=creator,
        revision=1,
        name=f"{rng.choice(FIRST)} {rng.choice(LAST)}",
        bio=f"I post about {' and '.join(niche.replace('_', ' ') for niche in taste)}",
        platforms=tuple(sorted(rng.sample(PLATFORMS, k=rng.choice((1, 2))))),
        language=LANGUAGES[country],
        country=country,
        category=main,
        followers=followers,
        engagement=round(rng.betavariate(2, 40), 4),
        price=Price(amount=float(round(followers * 0.008 + 50)), currency="EUR"),
        exclusive_brands=exclusive,
        audience=Audience(
            gender={"women": women, "men": round(0.98 - women, 3)},
            age=_shares(rng, AGES),
            country=_shares(rng, rng.sample(COUNTRIES, k=4)),
        ),
    )


def _post(
    rng: random.Random,
    number: int,
    creator: str,
    taste: Mapping[str, float],
    artwork: Mapping[str, Sequence[Artwork]],
    language: str,
    now: datetime,
) -> SamplePost:
    niche = rng.choices(sorted(taste), weights=[taste[name] for name in sorted(taste)])[0]
    pictures = tuple(_composition(rng, artwork[niche]) for _ in range(rng.choices((1, 2, 3), weights=(7, 2, 1))[0]))
    main = pictures[0].main
    keyword = rng.choice(main.keywords or (main.name,))
    captioned = rng.random() < 0.9
    return SamplePost(
        post_id=f"post-{number:05d}",
        creator_id=creator,
        niche=niche,
        platform=rng.choice(PLATFORMS),
        language=language,
        published_at=now - timedelta(minutes=rng.randrange(120 * 24 * 60)),
        caption=rng.choice(CAPTIONS).format(name=main.name, keyword=keyword) if captioned else "",
        hashtags=(keyword.replace(" ", ""),) if captioned else (),
        pictures=pictures,
    )


def _filmed(
    seed: int, number: int, post: SamplePost, taste: Mapping[str, float], artwork: Mapping[str, Sequence[Artwork]]
) -> SamplePost:
    """Now and then the post as a video: what it showed, then other things that its creator posts about."""
    if number % FILM_EVERY != FILM_EVERY // 2:
        return post
    rng = random.Random(f"{seed} film {number}")  # noqa: S311 - as above, and the other posts stay as they are
    first = post.pictures[0]
    others = [each for niche in sorted(taste) for each in artwork[niche] if each.name != first.main.name]
    scenes = [Composition(each, None, rng.randrange(2**32)) for each in rng.sample(others, k=rng.choice(SCENES) - 1)]
    return replace(post, pictures=(replace(first, beside=None), *scenes), film=True)


def _composition(rng: random.Random, drawings: Sequence[Artwork]) -> Composition:
    beside = rng.choice(drawings) if rng.random() < 0.2 else None
    return Composition(rng.choice(drawings), beside, rng.randrange(2**32))


def _brands(
    rng: random.Random, artwork: Mapping[str, Sequence[Artwork]]
) -> tuple[tuple[BrandBriefed, ...], dict[str, str]]:
    """Brands, each with the brief of one niche and another brand as its competitor."""
    chosen = rng.sample([niche for niche in BRIEFS if niche in artwork], k=BRANDS)
    brands = tuple(
        BrandBriefed(
            brand_id=f"brand-{number + 1}",
            revision=1,
            name=f"House of {niche.title()}",
            brief=BRIEFS[niche],
            category=niche,
            competitors=(f"brand-{(number + 1) % BRANDS + 1}",),
        )
        for number, niche in enumerate(chosen)
    )
    return brands, {brand.brand_id: niche for brand, niche in zip(brands, chosen, strict=True)}
