"""matches, decisions and outcomes in; signals out. At least once in, counted once; same set of events, same signals."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Protocol

from workers.domain.erasure import ErasureKey
from workers.domain.events import (
    Clicked,
    Converted,
    CreatorBooked,
    CreatorErased,
    CreatorOpened,
    CreatorReinstated,
    CreatorShortlisted,
    Decision,
    Event,
    FeedbackSignalled,
    ImpressionsCounted,
    MatchServed,
    Outcome,
    Refunded,
    ShortlistViewed,
)
from workers.domain.reasons import Reason
from workers.domain.times import FACT_AHEAD
from workers.metrics import ERASED_EVENTS
from workers.outcomes.attribution import Decay, Pair, fold, grown
from workers.outcomes.erasing import brands_told, erase_rows
from workers.outcomes.facts import (
    DECISIONS,
    Claim,
    Fact,
    Served,
    claim_key,
    decode_claim,
    decode_fact,
    decode_served,
    fact_key,
    fact_of,
    match_key,
    named_key,
    named_prefix,
    pair_prefix,
    standing_key,
)
from workers.wire.records import Dead, InRecord, Item, OutRecord
from workers.wire.standing import Standing, standing_after

ACCEPTED: tuple[type[Event], ...] = (
    MatchServed,
    ShortlistViewed,
    CreatorOpened,
    CreatorShortlisted,
    CreatorBooked,
    ImpressionsCounted,
    Clicked,
    Converted,
    Refunded,
    CreatorErased,
    CreatorReinstated,
)
PAIRS_CACHED = 50_000
AHEAD_MS = FACT_AHEAD // timedelta(milliseconds=1)
"""How far ahead of its record an event may lie. Forward decay would let a wrong clock outweigh everything for ever."""


class Table(Protocol):
    """The rows of the event's partition."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]: ...


PairKey = tuple[str, str]
"""Brand and creator."""
Emit = Callable[[Item[Event], str, str, FeedbackSignalled | None], OutRecord]
"""Makes the record of a pair's signal; None where the pair has nothing that counts: a tombstone."""


class Outcomes:
    """Keeps facts in the table and pairs in a bounded cache (a pair's rows are scanned at its first touch).

    ``key``: the rows that stay of an erased creator must not name them.
    """

    def __init__(self, decay: Decay, emit: Emit, key: ErasureKey) -> None:
        self._decay = decay
        self._emit = emit
        self._key = key
        self._pairs: OrderedDict[PairKey, Pair] = OrderedDict()

    def forget(self) -> None:
        """Drop the cache: partitions were taken away, and another process may write their rows."""
        self._pairs.clear()

    def handle(self, item: Item[Event], table: Table) -> list[OutRecord] | Dead:
        """The records that one event leads to; its rows are written."""
        event = item.event
        if isinstance(event, CreatorErased | CreatorReinstated):
            return self._stand(item, event, table)
        if isinstance(event, MatchServed):
            touched, contested = self._keep_match(event, item.record, table)
        elif isinstance(event, (Decision, Outcome)):
            fact = fact_of(event)
            # First of all: a dead letter would keep what is to be forgotten.
            if self._shut_out(fact.creator_id, item.record, table):
                ERASED_EVENTS.labels("outcomes").inc()
                return []
            if 0 < item.record.timestamp_ms < fact.occurred_ms - AHEAD_MS:
                return Dead(Reason.INVALID_EVENT, f"occurred_at: {event.occurred_at} is more than a day ahead")
            touched, contested = self._keep_fact(fact, table)
        else:
            return Dead(Reason.UNEXPECTED_TYPE, f"outcomes does not read {type(event).__name__}")
        records = (self._signal(item, pair, table, contested) for pair in sorted(touched))
        return [record for record in records if record is not None]

    def _stand(self, item: Item[Event], event: CreatorErased | CreatorReinstated, table: Table) -> list[OutRecord]:
        """Erase, or let count what comes from here on. Whatever signal was deleted once is said again as it stands."""
        creator, hashed = event.creator_id, self._key.hash(event.creator_id)
        row = table.get(standing_key(hashed))
        before = None if row is None else Standing.decode(row)
        after = standing_after(before, event, item.record)
        table.put(standing_key(hashed), after.encode())
        if isinstance(event, CreatorReinstated):
            return []
        if after is not before:
            erase_rows(creator, hashed, table)
        pairs = [(brand, creator) for brand in sorted(brands_told(hashed, table))]
        self._drop(set(pairs))
        records = (self._signal(item, pair, table, contested=True) for pair in pairs)
        return [record for record in records if record is not None]

    def _shut_out(self, creator: str, record: InRecord, table: Table) -> bool:
        """Whether the creator is erased, or was after this record."""
        standing = self._standing(creator, table)
        return standing is not None and standing.shuts_out(record)

    def _shown(self, served: Served, table: Table) -> Served:
        """Without those who are erased: a crash can have kept a standing, and not that the name was taken out.

        Else a repeat of the same match, read without the name, would be another list, and the match contested.
        """
        standings = {creator: self._standing(creator, table) for creator in served.creators}
        return Served(tuple(name for name, said in standings.items() if not (said and said.erased)), served.contested)

    def _standing(self, creator: str, table: Table) -> Standing | None:
        row = table.get(standing_key(self._key.hash(creator)))
        return None if row is None else Standing.decode(row)

    def _keep_match(self, match: MatchServed, record: InRecord, table: Table) -> tuple[set[PairKey], bool]:
        """A served match, and the pairs whose decisions name it. An anonymous one never teaches."""
        brand = match.brand_id
        if brand is None:
            return set(), False
        creators = sorted({row.creator_id for row in match.shortlist})
        said = Served(tuple(creator for creator in creators if not self._shut_out(creator, record, table)))
        key = match_key(brand, match.match_id)
        known = table.get(key)
        stays = said if known is None else self._shown(decode_served(known), table).with_also(said)
        table.put(key, stays.encode())
        prefix = named_prefix(brand, match.match_id)
        touched = {(brand, key[len(prefix) :].decode()) for key, _ in table.scan(prefix)}
        if known != stays.encode():
            self._drop(touched)
        return touched, stays.contested

    def _keep_fact(self, fact: Fact, table: Table) -> tuple[set[PairKey], bool]:
        """A decision or outcome under its event id; of two claims on one id the greater wins, in any order.

        What an earlier claim left is taken away again at every repeat: a crash may have come between.
        """
        brand = fact.brand_id
        known = table.get(claim_key(brand, fact.event_id))
        before = None if known is None else decode_claim(known)
        claim = Claim(fact) if before is None else before.with_also(fact)
        stays = claim.fact
        table.put(claim_key(brand, fact.event_id), claim.encode())
        for creator in claim.rivals:
            if creator != stays.creator_id:
                table.delete(fact_key(brand, creator, fact.event_id))
        if stays.kind in DECISIONS and stays.creator_id:
            table.put(named_key(brand, stays.match_id, stays.creator_id), b"1")
        touched = {(brand, creator) for creator in (stays.creator_id, *claim.rivals) if creator}
        key, row = fact_key(brand, stays.creator_id, stays.event_id), stays.encode()
        if claim.rivals:
            self._drop(touched)
        elif table.get(key) is None:
            # Not whether the claim is news: a crash may have kept it and lost this row, and folds since then too.
            self._grow(stays, table)
        table.put(key, row)
        return touched, bool(claim.rivals)

    def _grow(self, fact: Fact, table: Table) -> None:
        """Bring the cached pair up to a fact that is news, or drop it."""
        brand, creator = key = (fact.brand_id, fact.creator_id)
        pair = self._pairs.get(key)

        def converted_at(event_id: str) -> int | None:
            row = table.get(fact_key(brand, creator, event_id))
            conversion = None if row is None else decode_fact(row)
            return conversion.occurred_ms if conversion is not None and conversion.kind == "converted" else None

        if pair is not None and not grown(pair, fact, converted_at, _served(brand, creator, table), self._decay):
            self._drop({key})

    def _drop(self, keys: set[PairKey]) -> None:
        for key in keys:
            self._pairs.pop(key, None)

    def _signal(self, item: Item[Event], key: PairKey, table: Table, contested: bool) -> OutRecord | None:
        """The pair's signal as it stands; nothing while nothing counts, a tombstone where a fact was taken away."""
        brand, creator = key
        signal = self._pair(key, table).signal(brand, creator, self._decay)
        return self._emit(item, brand, creator, signal) if signal is not None or contested else None

    def _pair(self, key: PairKey, table: Table) -> Pair:
        pair = self._pairs.get(key)
        if pair is None:
            facts = (decode_fact(value) for _, value in table.scan(pair_prefix(*key)))
            pair = fold(facts, _served(*key, table), self._decay)
            self._pairs[key] = pair
        self._pairs.move_to_end(key)
        while len(self._pairs) > PAIRS_CACHED:
            self._pairs.popitem(last=False)
        return pair


def _served(brand: str, creator: str, table: Table) -> Callable[[str], bool]:
    """Whether a match was served and showed the creator."""

    def showed(match_id: str) -> bool:
        row = table.get(match_key(brand, match_id))
        return row is not None and creator in decode_served(row).creators

    return showed
