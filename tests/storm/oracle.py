"""The right end state, from the list of events alone. Shares ``workers/domain`` with the workers and nothing else.

Every rule here is stated once and applied to whole sets: no order, no repetition and no time of arrival enters, save
for what lies before or after a creator's reinstatement.

- Erasure: nothing that names the creator counts, whenever it came; once it is reinstated, what came after that does.
- Post: of its events the one of the greatest (revision, removal, SHA-256 of type and canonical data) stands.
- Visuals: one of a picture, one of each scene of a film; a film weighs as much as a picture.
- Profile: the greatest (revision, SHA-256 of the announcement without its bio's vector).
- A post some of whose visuals were shown by earlier posts of its creator's window weighs less.
- Safety: of each category the mean over the worst part of what was scored; known where half of the output was.
- Creator: the fold of ``shared/representation.md`` over its posts; its revision is the sum of what stands.
- Fact (decision, outcome): of what one event id of a brand says, the greatest BLAKE2b of the row's JSON stands.
- Served match: of two shortlists under one id the greater sorted list of creators stands.
- Signal: a decision counts if its match showed the creator; an outcome if its campaign was booked from such a match. A
  refund weighs what its conversion weighed. Weights are whole multiples of 2^-32.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Protocol

import numpy as np
import orjson

from tests.storm.safety import Output, safety_of
from workers.domain.events import (
    Converted,
    CreatorBooked,
    CreatorErased,
    CreatorProfiled,
    CreatorReinstated,
    CreatorUpdated,
    Decision,
    Event,
    Facet,
    FeedbackSignalled,
    MatchServed,
    Outcome,
    PostPublished,
    PostRemoved,
    ProfileEmbedded,
    Refunded,
    Statistics,
)
from workers.domain.ids import facet_id
from workers.domain.parse import canonical_data
from workers.domain.vectors import Array, to_bytes, unit, unit_mean

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY_MS = 86_400_000
PostEvent = PostPublished | PostRemoved


class Vectors(Protocol):
    """Where content's centred vectors, float32 (d,), come from; None for text that is empty."""

    def visuals(self, post: PostPublished, position: int) -> list[Array]:
        """Of a picture one, of what moves one for each keyframe."""
        ...

    def looks(self, post: PostPublished) -> Sequence[str]:
        """How each visual looks; empty for a plain one."""
        ...

    def caption(self, post: PostPublished) -> Array | None: ...

    def bio(self, profile: CreatorProfiled) -> Array | None: ...

    def safety(self, post: PostPublished) -> tuple[Mapping[str, float], int]:
        """The post's scores by category, and the revision of the scoring."""
        ...


@dataclass(frozen=True)
class Constants:
    """The settings that the end state depends on."""

    model_version: str
    facets: int
    join: float
    half_life_days: float
    window: int
    caption_weight: float
    landmark: datetime
    duplicate_weight: float
    safety_tail: float
    signal_half_life_days: float


@dataclass
class EndState:
    """What must be stored. Posts that are removed stand as their removal."""

    posts: dict[str, PostEvent] = field(default_factory=dict)
    updates: dict[str, CreatorUpdated] = field(default_factory=dict)
    signals: dict[str, FeedbackSignalled] = field(default_factory=dict)


def end_state(events: Iterable[Event], vectors: Vectors, constants: Constants) -> EndState:
    """The end state of a set of good events."""
    seen = of_the_living(events)
    posts = standing_posts(seen)
    profiles = standing_profiles(seen, constants.model_version)
    creators = {event.creator_id for event in posts.values()} | profiles.keys()
    updates = {}
    for creator in sorted(creators):
        own = [post for post in posts.values() if post.creator_id == creator]
        updates[creator] = update_of(creator, own, profiles.get(creator), vectors, constants)
    return EndState(posts, updates, {signal.key(): signal for signal in signals_of(seen, constants)})


def of_the_living(events: Iterable[Event]) -> list[Event]:
    """Without what was ever said of a creator that is erased; of one that is reinstated, without what came before."""
    seen = list(events)
    said: dict[str, tuple[datetime, bool]] = {}
    counts_from: dict[str, float] = {}
    for place, event in enumerate(seen):
        if isinstance(event, CreatorErased | CreatorReinstated):
            rank = event.requested_at, isinstance(event, CreatorErased)
            if rank > said.get(event.creator_id, (datetime.min.replace(tzinfo=UTC), False)):
                said[event.creator_id] = rank
                counts_from[event.creator_id] = inf if rank[1] else min(place, counts_from.get(event.creator_id, 0))
    return [
        _without(event, {creator for creator, start in counts_from.items() if place < start})
        for place, event in enumerate(seen)
        if place >= counts_from.get(getattr(event, "creator_id", ""), 0)
    ]


def _without(event: Event, gone: Collection[str]) -> Event:
    """A shortlist forgets who is erased."""
    if not isinstance(event, MatchServed) or not gone:
        return event
    return event.model_copy(update={"shortlist": tuple(row for row in event.shortlist if row.creator_id not in gone)})


def post_hash(event: PostEvent) -> str:
    """The tie-break of two events of one post and revision."""
    return hashlib.sha256(event.type_name().encode() + b"\n" + canonical_data(event)).hexdigest()


def standing_posts(events: Iterable[Event]) -> dict[str, PostEvent]:
    """The event that stands, of each post."""
    found: dict[str, PostEvent] = {}
    for event in events:
        if isinstance(event, PostPublished | PostRemoved):
            found[event.post_id] = max(
                found.get(event.post_id, event),
                event,
                key=lambda each: (each.revision, isinstance(each, PostRemoved), post_hash(each)),
            )
    return found


def standing_profiles(events: Iterable[Event], model_version: str) -> dict[str, CreatorProfiled]:
    """The profile that stands, of each creator."""

    def rank(event: CreatorProfiled) -> tuple[int, bytes]:
        said = ProfileEmbedded(
            creator_id=event.creator_id,
            revision=event.revision,
            model_version=model_version,
            profile=event.profile(),
        )
        return event.revision, hashlib.sha256(canonical_data(said)).digest()[:8]

    found: dict[str, CreatorProfiled] = {}
    for event in events:
        if isinstance(event, CreatorProfiled):
            found[event.creator_id] = max(found.get(event.creator_id, event), event, key=rank)
    return found


ALT_WEIGHT = 0.5
TAG = re.compile(r"(?<![\w&/])#([A-Za-z0-9_]+)")
"""The storm's own tags are of these letters."""


def text_of(caption: str, hashtags: Iterable[str]) -> str:
    """The text that is embedded: the caption, and those hashtags that are not in it, each as its words."""
    there = {word.casefold() for word in TAG.findall(caption)}
    tags = dict.fromkeys(tag.lstrip("#").strip() for tag in hashtags)
    said = TAG.sub(lambda tag: spelt(tag[1]), caption.strip())
    return " ".join([said, *(spelt(tag) for tag in tags if tag and tag.casefold() not in there)]).strip()


def spelt(tag: str) -> str:
    """Capitals begin words, where two small letters stand before."""
    return re.sub(r"(?<=[a-z]{2})(?=[A-Z])", " ", tag)


def said_by(post: PostPublished) -> dict[str, float]:
    """The texts of a post with their weights: caption and hashtags 1, distinct alt texts together a half."""
    caption = text_of(post.caption, post.hashtags)
    alts = dict.fromkeys((media.alt_text or "").strip() for media in post.media)
    alt = "\n".join(each for each in alts if each and each not in caption)
    return {text: weight for text, weight in ((caption, 1.0), (alt, ALT_WEIGHT)) if text}


# The creator: a fold in one fixed order.


@dataclass
class Group:
    """A facet while it is folded: posts that joined it, their vectors, the sums of w·x and w."""

    opened_by: str
    post_ids: list[str]
    vectors: list[Array]
    total: Array
    weight: float
    last_ms: int

    def exemplar(self) -> str:
        """The post nearest the centre; of equals, the one that joined first."""
        wide = np.stack(self.vectors).astype(np.float64)
        cosines = (wide * self.total).sum(axis=-1) / np.sqrt((wide * wide).sum(axis=-1))
        return self.post_ids[int(np.argmax(cosines))]


def item_vector(post: PostPublished, vectors: Vectors, constants: Constants) -> Array | None:
    """x = unit((1-a)·visual + a·caption), or the one there is, as float16; None for a post without either."""
    media = [vectors.visuals(post, position) for position in range(len(post.media))]
    pictures = [unit_mean(frames) if len(frames) > 1 else frames[0] for frames in media]
    visual = unit_mean(pictures).astype(np.float32).astype(np.float64) if pictures else None
    text = vectors.caption(post)
    caption = None if text is None else text.astype(np.float64)
    if visual is None and caption is None:
        return None
    if visual is None or caption is None:
        return unit(caption if visual is None else visual).astype(np.float16)
    blend = (1.0 - constants.caption_weight) * visual + constants.caption_weight * caption
    return unit(blend).astype(np.float16)


def milliseconds(at: datetime) -> int:
    return (at - EPOCH) // MILLISECOND


def weight_of(at_ms: int, constants: Constants) -> float:
    """Forward decay on the landmark."""
    days = (at_ms - milliseconds(constants.landmark)) / DAY_MS
    return float(2.0 ** max(-400.0, min(400.0, days / constants.half_life_days)))


def originality(hashes: Sequence[str], shown: Sequence[str], constants: Constants) -> float:
    """What a post counts some of whose visuals differ in at most 45 bits from what was shown before it."""
    before = [int(each, 16) for each in shown if each]
    again = sum(any((int(each, 16) ^ other).bit_count() <= 45 for other in before) for each in hashes if each)
    return 1.0 - (1.0 - constants.duplicate_weight) * (again / len(hashes)) if again else 1.0


def update_of(
    creator: str, posts: list[PostEvent], profile: CreatorProfiled | None, vectors: Vectors, constants: Constants
) -> CreatorUpdated:
    """What ``creators`` must say of a creator."""
    removed = sum(isinstance(post, PostRemoved) for post in posts)
    live = [post for post in posts if isinstance(post, PostPublished)]
    live.sort(key=lambda post: (post.published_at, post.post_id))
    start = constants.window * max(0, len(posts) // constants.window - 1)
    groups: list[Group] = []
    recency: Array | None = None
    shown: list[str] = []
    output: list[Output] = []
    for post in live[max(0, start - removed) :]:
        x, scores = item_vector(post, vectors, constants), vectors.safety(post)[0]
        at = milliseconds(post.published_at)
        weight = weight_of(at, constants) * originality(vectors.looks(post), shown, constants)
        if x is not None or scores:
            output.append(Output(post, weight, scores))
        if x is not None:
            weighted = weight * x.astype(np.float64)
            recency = weighted if recency is None else recency + weighted
            join_or_open(groups, Group(post.post_id, [post.post_id], [x], weighted, weight, at), constants)
        shown += vectors.looks(post)
    bio = vectors.bio(profile) if profile else None
    return CreatorUpdated(
        creator_id=creator,
        revision=sum(post.revision for post in posts) + (profile.revision if profile else 0),
        model_version=constants.model_version,
        posts=len(live),
        facets=tuple(published(creator, groups, constants.model_version)),
        recency_mean=None if recency is None or not recency.any() else to_bytes(unit(recency)),
        bio=None if bio is None else to_bytes(bio),
        profile=profile.profile() if profile else None,
        last_published_at=live[-1].published_at if live else None,
        safety_revision=sum(vectors.safety(post)[1] for post in live),
        **safety_of(output, constants.safety_tail),
    )


def join_or_open(groups: list[Group], new: Group, constants: Constants) -> None:
    """Into the nearest facet if its cosine reaches the threshold, else a facet of its own; then merge down to K."""
    x = new.vectors[0].astype(np.float64)
    cosines = [cosine(group.total, x) for group in groups]
    if groups and max(cosines) >= constants.join:
        absorb(groups[int(np.argmax(cosines))], new)
        return
    groups.append(new)
    while len(groups) > constants.facets:
        pairs = [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups))]
        i, j = min(pairs, key=lambda pair: ward(groups[pair[0]], groups[pair[1]]))
        heavy, light = (i, j) if groups[i].weight >= groups[j].weight else (j, i)
        absorb(groups[heavy], groups[light])
        del groups[light]


def absorb(group: Group, other: Group) -> None:
    group.post_ids += other.post_ids
    group.vectors += other.vectors
    group.total = group.total + other.total
    group.weight += other.weight
    group.last_ms = max(group.last_ms, other.last_ms)


def cosine(a: Array, b: Array) -> float:
    lengths = np.sqrt((a * a).sum()) * np.sqrt((b * b).sum())
    return float((a * b).sum() / lengths) if lengths > 0 else 0.0


def ward(a: Group, b: Group) -> float:
    apart = a.total / a.weight - b.total / b.weight
    return float(a.weight * b.weight / (a.weight + b.weight) * (apart * apart).sum())


def published(creator: str, groups: list[Group], model_version: str) -> list[Facet]:
    """Facets by share, greatest first."""
    whole = sum(group.weight for group in groups)
    facets = []
    for group in groups:
        length = np.sqrt((group.total * group.total).sum())
        facets.append(
            Facet(
                facet_id=str(facet_id(creator, group.opened_by, model_version)),
                share=min(1.0, group.weight / whole),
                posts=len(group.post_ids),
                vector=to_bytes(group.total / length),
                exemplar_post_id=group.exemplar(),
                last_at=EPOCH + group.last_ms * MILLISECOND,
            )
        )
    return sorted(facets, key=lambda facet: (-facet.share, facet.facet_id))


# Signals: sums of whole numbers over the facts that count.

KINDS = {
    "ShortlistViewed": "viewed",
    "CreatorOpened": "opened",
    "CreatorShortlisted": "shortlisted",
    "CreatorBooked": "booked",
    "ImpressionsCounted": "impressions",
    "Clicked": "clicked",
    "Converted": "converted",
    "Refunded": "refunded",
}
SUMS = {"clicked": "clicks", "converted": "conversions", "refunded": "refunds"}
ONE = 1 << 32


def claim_rank(event: Decision | Outcome) -> bytes:
    """Which of two facts under one event id stands."""
    row = {
        "kind": KINDS[type(event).__name__],
        "event_id": event.event_id,
        "brand_id": event.brand_id,
        "creator_id": getattr(event, "creator_id", ""),
        "occurred_ms": milliseconds(event.occurred_at),
        "campaign_id": getattr(event, "campaign_id", ""),
        "match_id": getattr(event, "match_id", ""),
        "count": getattr(event, "impressions", 1),
        "value_micros": micros(event),
        "currency": getattr(event, "currency", ""),
        "refunds": getattr(event, "refunds", None) or "",
    }
    return hashlib.blake2b(orjson.dumps(row, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def micros(event: Decision | Outcome) -> int:
    return round(getattr(event, "value", 0.0) * 1_000_000)


def signals_of(events: Iterable[Event], constants: Constants) -> Iterable[FeedbackSignalled]:
    """Every pair of a brand and a creator of which anything counts."""
    facts: dict[tuple[str, str], Decision | Outcome] = {}
    shown: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in events:
        if isinstance(event, MatchServed) and event.brand_id is not None:
            key = event.brand_id, event.match_id
            shown[key] = max(shown[key], sorted({row.creator_id for row in event.shortlist}))
        elif isinstance(event, (Decision, Outcome)):
            fact = event.brand_id, event.event_id
            facts[fact] = max(facts.get(fact, event), event, key=claim_rank)
    pairs: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for stands in facts.values():
        pairs[stands.brand_id, getattr(stands, "creator_id", "")].append(stands)
    for (brand, creator), rows in sorted(pairs.items()):
        signal = signal_of(brand, creator, rows, shown, constants) if creator else None
        if signal is not None:
            yield signal


def signal_of(
    brand: str, creator: str, rows: list[Any], shown: Mapping[tuple[str, str], list[str]], constants: Constants
) -> FeedbackSignalled | None:
    """The sums of what counts; None where nothing does."""

    def served(row: Decision) -> bool:
        return creator in shown.get((brand, row.match_id), ())

    campaigns = {row.campaign_id for row in rows if isinstance(row, CreatorBooked) and served(row)}
    sold_at = {row.event_id: row.occurred_at for row in rows if isinstance(row, Converted)}
    counted = [row for row in rows if (served(row) if isinstance(row, Decision) else row.campaign_id in campaigns)]
    if not counted:
        return None
    sums: dict[str, int] = defaultdict(int)
    for row in counted:
        at = sold_at.get(row.refunds, row.occurred_at) if isinstance(row, Refunded) and row.refunds else row.occurred_at
        age = milliseconds(at) - milliseconds(constants.landmark)
        weight = round(ONE * 2.0 ** min(age / (constants.signal_half_life_days * DAY_MS), 900.0))
        kind = KINDS[type(row).__name__]
        sums[SUMS.get(kind, kind)] += weight * getattr(row, "impressions", 1)
        sums["value"] += weight * micros(row) * (-1 if isinstance(row, Refunded) else 1)
    floats = {name: total / ONE for name, total in sums.items()} | {"value": sums["value"] / (ONE * 1_000_000)}
    return FeedbackSignalled(
        brand_id=brand,
        creator_id=creator,
        statistics=Statistics(landmark=constants.landmark, half_life_days=constants.signal_half_life_days, **floats),
        events=len(counted),
        last_at=max(row.occurred_at for row in counted),
    )
