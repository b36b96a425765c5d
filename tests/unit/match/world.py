"""A small world for the match API: an index in memory, an encoder of known words, an outbox that keeps what it gets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fakes.search_index import MemoryIndex
from workers.domain.erasure import ErasureKey, Erasures
from workers.domain.events import Audience, BrandBriefed, Event, Price, Profile
from workers.domain.feedback import Prior
from workers.domain.filters import canonical_json, filter_fields
from workers.domain.ids import bio_object_id, creator_object_id, facet_id, post_object_id, visual_id
from workers.domain.media import InvalidMedia
from workers.domain.reasons import InvalidEvent
from workers.domain.stored import StoredObject
from workers.domain.vectors import Array
from workers.match.access import EVERYTHING, Gate, Keyring
from workers.match.dead_posts import DeadPosts
from workers.match.keys import Scope
from workers.match.lookalikes import LookAlikeFinder
from workers.match.lookup import Lookup
from workers.match.matching import Constants, Matcher
from workers.match.rooms import Rooms
from workers.match.search import Searcher
from workers.match.throttle import Throttle
from workers.match.view import BrandView, SignalView
from workers.match.visible import VisibleDeadPosts, VisibleIndex, VisibleSignals
from workers.wire.ingest import IngestReport, admit
from workers.wire.records import Health, Unavailable

MODEL = "tiny_v1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRIOR = Prior(0.01, 0.02, 5000.0)
WORDS = ("bread", "sport", "chess", "cat", "dog")


def axis(*words: str) -> Array:
    """The unit vector of some words, each an axis."""
    vector = np.array([float(word in words) for word in WORDS])
    return vector / np.linalg.norm(vector)


def png(color: str = "red") -> bytes:
    """A small picture."""
    data = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(data, "PNG")
    return data.getvalue()


class WordEncoder:
    """Already centred: a text is the axes of the words in it, a picture is ``bread``, anything else is ``dog``."""

    def __init__(self) -> None:
        self.model_version = MODEL
        self.gone = False

    async def texts(self, texts: Sequence[str]) -> Array:
        if self.gone:
            raise Unavailable("the encoder is gone")
        return np.array([axis(*([word for word in WORDS if word in text] or ["dog"])) for text in texts])

    async def picture(self, data: bytes) -> Array:
        if not data.startswith(b"\x89PNG"):
            raise InvalidMedia("media_type", "no picture of a known type")
        return axis("bread")

    async def pictures(self, urls: Sequence[str]) -> Array:
        return axis("bread")


class KeptOutbox:
    """Keeps what is published; ``gone`` is a Kafka that does not acknowledge."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str, Event]] = []
        self.asked_by: str | None = None
        self.gone = False

    async def publish(self, topic: str, event: Event, *, id: str, time: datetime) -> None:  # noqa: A002
        if self.gone:
            raise Unavailable("Kafka did not acknowledge within 10 s")
        self.published.append((topic, id, event))

    async def ingest(
        self, topic: str, raws: Sequence[object], time: datetime, asked_by: str | None = None
    ) -> IngestReport:
        self.asked_by = asked_by
        errors: dict[int, InvalidEvent] = {}
        good = []
        for index, raw in enumerate(raws):
            try:
                good.append((topic, *admit(topic, raw, NOW)))
            except InvalidEvent as error:
                errors[index] = error
        if errors:
            return IngestReport((), errors, {})
        if self.gone:
            return IngestReport((), {}, dict.fromkeys(range(len(raws)), "not acknowledged"))
        self.published += good
        events = tuple(event for _, _, event in good)
        return IngestReport(tuple(name for _, name, _ in good), {}, {}, events)


class FixedClock:
    """Time stands at ``NOW`` until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


@dataclass
class World:
    """Everything the rooms are made of."""

    index: MemoryIndex = field(default_factory=lambda: MemoryIndex(MODEL))
    encoder: WordEncoder = field(default_factory=WordEncoder)
    brands: BrandView = field(default_factory=BrandView)
    signals: SignalView = field(default_factory=SignalView)
    erasures: Erasures = field(default_factory=lambda: Erasures(ErasureKey(b"a key of the tests")))
    dead: DeadPosts = field(default_factory=DeadPosts)
    outbox: KeptOutbox = field(default_factory=KeptOutbox)
    clock: FixedClock = field(default_factory=FixedClock)
    ready: bool = True
    servers_asked: int = 0
    media_root: Path | None = None
    keyring: Keyring = field(default_factory=lambda: Keyring(None))
    anonymous: frozenset[Scope] = EVERYTHING
    throttle: Throttle = field(default_factory=lambda: Throttle(1e6, 1_000_000))

    def rooms(self) -> Rooms:
        """What the calls use."""
        numbers = iter(range(1, 1000))
        index, signals = VisibleIndex(self.index, self.erasures), VisibleSignals(self.signals, self.erasures)
        searcher, lookup = (
            Searcher(index, self.encoder),
            Lookup(index, self.encoder, VisibleDeadPosts(self.dead, self.erasures)),
        )
        matcher = Matcher(
            index,
            self.encoder,
            self.brands,
            signals,
            self.outbox,
            Constants(0.12, PRIOR),
            self.clock,
            lambda: f"match-{next(numbers)}",
            self.erasures,
        )

        async def health() -> Health:
            self.servers_asked += 1
            return Health(True, self.ready, {})

        return Rooms(
            searcher=searcher,
            matcher=matcher,
            lookalikes=LookAlikeFinder(index, self.encoder, 0.12, self.clock),
            lookup=lookup,
            brands=self.brands,
            signals=signals,
            erasures=self.erasures,
            outbox=self.outbox,
            encoder=self.encoder,
            prior=PRIOR,
            clock=self.clock,
            live=lambda: True,
            health=health,
            media_root=self.media_root,
            media_max_bytes=100_000,
            body_max_bytes=100_000,
            gate=Gate(self.keyring, self.anonymous, self.throttle, self.clock),
        )

    def brand(self, brand_id: str, brief: str, **fields: object) -> None:
        """A brand with a standing brief."""
        raw = {"brand_id": brand_id, "revision": 1, "name": brand_id, "brief": brief, **fields}
        self.brands.put(BrandBriefed.model_validate(raw))

    def post(
        self,
        post_id: str,
        creator_id: str = "ann",
        visual: str = "",
        caption: str = "",
        removed: bool = False,
        looks: Sequence[str] = (),
        hour: int = 0,
    ) -> None:
        """A post: the words on its media (``|`` between them, ``>`` between a video's seconds) and in its caption.

        ``looks``: the perceptual hash of each medium, where it has one; published so many hours after ``NOW``.
        """
        at = NOW + timedelta(hours=hour)
        shared = {"creator_id": creator_id, "platform": "tiktok", "published_at": at, "model_version": MODEL}
        media = [medium.split(">") for medium in visual.split("|")] if visual else []
        self.index.put(
            "Visual",
            *(
                StoredObject(
                    visual_id(post_id, position, second, MODEL),
                    {
                        **shared,
                        "post_id": post_id,
                        "position": position,
                        "timestamp_ms": 1000 * second,
                        "media_url": f"https://x/{post_id}",
                        **({"perceptual_hash": looks[position]} if position < len(looks) else {}),
                    },
                    {"visual": axis(*words.split())},
                )
                for position, seconds in enumerate(media)
                for second, words in enumerate(seconds)
            ),
        )
        properties = {**shared, "post_id": post_id, "revision": 3, "removed": removed, "complete": not removed}
        self.index.put(
            "Post",
            StoredObject(
                post_object_id(post_id, MODEL),
                {**properties, "caption": caption, "visuals": sum(map(len, media)), "url": f"https://x/p/{post_id}"},
                {"caption": axis(*caption.split())} if caption else {},
            ),
        )

    def creator(self, creator_id: str, facets: dict[str, float], **profile: object) -> None:
        """A creator by the words and shares of their facets; ``bio`` is what it speaks of."""
        audience = profile.pop("audience", None)
        price = profile.pop("price", None)
        safety = profile.pop("safety", None)
        caused_by = profile.pop("safety_posts", [])
        whole = Profile.model_validate(
            {
                "name": creator_id,
                "audience": Audience.model_validate(audience) if audience else None,
                "price": Price.model_validate(price) if price else None,
                **profile,
            }
        )
        copies = filter_fields(whole, NOW - timedelta(days=2), safety)  # type: ignore[arg-type]
        shared = {"creator_id": creator_id, "model_version": MODEL, **copies}
        for words, share in facets.items():
            name = facet_id(creator_id, words, MODEL)
            own = {"facet_id": str(name), "share": share, "posts": 7, "exemplar_post_id": f"{creator_id}-{words}"}
            self.index.put(
                "Facet",
                StoredObject(
                    name,
                    {**shared, **own, "creator_revision": 12, "last_at": NOW},
                    {"facet": axis(*words.split()).astype(np.float32)},
                ),
            )
        known = {"scores": safety or {}, "coverage": dict.fromkeys(safety or (), 1.0), "tail": 0.05, "revision": 14}  # type: ignore[call-overload]
        about = {
            "safety_json": canonical_json(known | {"posts": caused_by}),
            "revision": "12",
            "posts": 14,
            "name": creator_id,
            "profile_json": canonical_json(whole.model_dump(mode="json")),
        }
        if whole.bio:
            own_bio = {"bio": axis(*whole.bio.split())}
            self.index.put("Bio", StoredObject(bio_object_id(creator_id, MODEL), shared, own_bio))
        self.index.put(
            "Creator",
            StoredObject(creator_object_id(creator_id, MODEL), {**shared, **about}, {"creator": axis("bread")}),
        )
