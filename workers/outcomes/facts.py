"""Facts as rows: what is kept of each event, under which key, and which of two claims on one event id wins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import orjson

from workers.domain.events import (
    Clicked,
    Converted,
    CreatorBooked,
    CreatorOpened,
    CreatorShortlisted,
    Decision,
    ImpressionsCounted,
    Outcome,
    Refunded,
    ShortlistViewed,
)

Kind = Literal["viewed", "opened", "shortlisted", "booked", "impressions", "clicked", "converted", "refunded"]
_KINDS: dict[type[Decision | Outcome], Kind] = {
    ShortlistViewed: "viewed",
    CreatorOpened: "opened",
    CreatorShortlisted: "shortlisted",
    CreatorBooked: "booked",
    ImpressionsCounted: "impressions",
    Clicked: "clicked",
    Converted: "converted",
    Refunded: "refunded",
}
DECISIONS: tuple[Kind, ...] = ("viewed", "opened", "shortlisted", "booked")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SEPARATOR = b"\x1f"


@dataclass(frozen=True, slots=True)
class Fact:
    """One decision or outcome. ``value_micros`` is money in millionths of ``currency``, so that sums are exact.

    A ``viewed`` decision speaks of a whole shortlist: its ``creator_id`` is empty.
    """

    kind: Kind
    event_id: str
    brand_id: str
    creator_id: str
    occurred_ms: int
    campaign_id: str = ""
    match_id: str = ""
    count: int = 1
    value_micros: int = 0
    currency: str = ""
    refunds: str = ""

    def encode(self) -> bytes:
        """The row's value: JSON with sorted keys, so equal facts are equal bytes."""
        return orjson.dumps({name: getattr(self, name) for name in self.__slots__}, option=orjson.OPT_SORT_KEYS)

    def rank(self) -> bytes:
        """Two claims on one event id: the one of the greater rank is the fact, whichever came first."""
        return hashlib.blake2b(self.encode(), digest_size=16).digest()


def decode_fact(value: bytes) -> Fact:
    """A fact from its row's value."""
    return Fact(**orjson.loads(value))


@dataclass(frozen=True, slots=True)
class Claim:
    """Which fact an event id stands for, and ``rivals``: the creators of whom it said something else, sorted.

    They are kept for ever: after a crash nobody knows whether their rows and signals were corrected.
    """

    fact: Fact
    rivals: tuple[str, ...] = ()

    def with_also(self, other: Fact) -> Claim:
        """The claim when ``other`` is said too: the greater rank is the fact, whichever came first."""
        if other == self.fact:
            return self
        winner, loser = (self.fact, other) if self.fact.rank() > other.rank() else (other, self.fact)
        return Claim(winner, tuple(sorted({*self.rivals, loser.creator_id})))

    def encode(self) -> bytes:
        """The row's value."""
        return orjson.dumps([self.rivals, self.fact.encode().decode()])


def decode_claim(value: bytes) -> Claim:
    """A claim from its row's value."""
    rivals, fact = orjson.loads(value)
    return Claim(decode_fact(fact.encode()), tuple(rivals))


@dataclass(frozen=True, slots=True)
class Served:
    """Whom a match showed; ``contested`` when two matches of one id showed different creators."""

    creators: tuple[str, ...]
    contested: bool = False

    def with_also(self, other: Served) -> Served:
        """The greater list stands, whichever came first."""
        if other.creators == self.creators:
            return self
        return Served(max(self.creators, other.creators), contested=True)

    def encode(self) -> bytes:
        """The row's value."""
        return orjson.dumps([self.contested, self.creators])


def decode_served(value: bytes) -> Served:
    """A served match from its row's value."""
    contested, creators = orjson.loads(value)
    return Served(tuple(creators), contested)


def fact_of(event: Decision | Outcome) -> Fact:
    """What is kept of a decision or an outcome."""
    value = getattr(event, "value", 0.0)
    return Fact(
        kind=_KINDS[type(event)],
        event_id=event.event_id,
        brand_id=event.brand_id,
        creator_id=getattr(event, "creator_id", ""),
        occurred_ms=(event.occurred_at - _EPOCH) // _MILLISECOND,
        campaign_id=getattr(event, "campaign_id", ""),
        match_id=getattr(event, "match_id", ""),
        count=getattr(event, "impressions", 1),
        value_micros=round(value * 1_000_000),
        currency=getattr(event, "currency", ""),
        refunds=getattr(event, "refunds", None) or "",
    )


def _key(kind: bytes, *parts: str) -> bytes:
    return _SEPARATOR.join((kind, *(part.encode() for part in parts)))


def parts_of(key: bytes) -> list[str]:
    """A key's kind and parts, as they were put together."""
    return [part.decode() for part in key.split(_SEPARATOR)]


def standing_key(creator_hash: str) -> bytes:
    """The row that says whether a creator is erased: it stays, and names them by the keyed hash alone."""
    return _key(b"s", creator_hash)


def told_prefix(creator_hash: str) -> bytes:
    """The brands whose signals of an erased creator were deleted."""
    return _key(b"t", creator_hash, "")


def told_key(creator_hash: str, brand_id: str) -> bytes:
    """One such brand."""
    return told_prefix(creator_hash) + brand_id.encode()


def claim_key(brand_id: str, event_id: str) -> bytes:
    """The row that says which fact an event id stands for."""
    return _key(b"e", brand_id, event_id)


def pair_prefix(brand_id: str, creator_id: str) -> bytes:
    """All facts of a brand and a creator."""
    return _key(b"p", brand_id, creator_id, "")


def fact_key(brand_id: str, creator_id: str, event_id: str) -> bytes:
    """A fact's row, under its pair."""
    return pair_prefix(brand_id, creator_id) + event_id.encode()


def match_key(brand_id: str, match_id: str) -> bytes:
    """The row of a served match."""
    return _key(b"m", brand_id, match_id)


def named_prefix(brand_id: str, match_id: str) -> bytes:
    """The creators whose decisions name a match."""
    return _key(b"n", brand_id, match_id, "")


def named_key(brand_id: str, match_id: str, creator_id: str) -> bytes:
    """One creator of whom a decision names a match."""
    return named_prefix(brand_id, match_id) + creator_id.encode()
