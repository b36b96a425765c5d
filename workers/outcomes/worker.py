"""matches, decisions and outcomes in; signals out. At least once in, counted once; same set of events, same signals."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol

import orjson

from workers.domain.events import (
    Clicked,
    Converted,
    CreatorBooked,
    CreatorOpened,
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
from workers.outcomes.attribution import Decay, Pair, extends, fold, leaves
from workers.outcomes.facts import (
    DECISIONS,
    Fact,
    claim_key,
    decode_fact,
    fact_key,
    fact_of,
    match_key,
    pair_prefix,
    waiting_key,
    waiting_prefix,
)
from workers.wire.records import Dead, Item, OutRecord

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
)
PAIRS_CACHED = 50_000


class Table(Protocol):
    """The rows of the event's partition."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]: ...


Emit = Callable[[Item[Event], str, str, FeedbackSignalled | None], OutRecord]
"""Makes the record of a pair's signal; None where the pair has nothing that counts: a tombstone."""


class Outcomes:
    """Keeps facts in the table and pairs in a bounded cache (a pair's rows are scanned at its first touch)."""

    def __init__(self, decay: Decay, emit: Emit) -> None:
        self._decay = decay
        self._emit = emit
        self._pairs: OrderedDict[tuple[str, str], Pair] = OrderedDict()

    def forget(self) -> None:
        """Drop the cache: partitions were taken away, and another process may write their rows."""
        self._pairs.clear()

    def handle(self, item: Item[Event], table: Table) -> list[OutRecord] | Dead:
        """The records that one event leads to; its rows are written."""
        event = item.event
        if isinstance(event, MatchServed):
            touched = self._keep_match(event, table)
        elif isinstance(event, (Decision, Outcome)):
            touched = self._keep_fact(fact_of(event), table)
        else:
            return Dead(Reason.UNEXPECTED_TYPE, f"outcomes does not read {type(event).__name__}")
        replaced = len(touched) > 1
        records = (self._signal(item, pair, table, replaced) for pair in sorted(touched))
        return [record for record in records if record is not None]

    def _keep_match(self, match: MatchServed, table: Table) -> set[tuple[str, str]]:
        """A served match, and the pairs whose decisions waited for it. An anonymous one never teaches."""
        brand = match.brand_id
        if brand is None:
            return set()
        table.put(match_key(brand, match.match_id), orjson.dumps([row.creator_id for row in match.shortlist]))
        prefix = waiting_prefix(brand, match.match_id)
        waiting = [key[len(prefix) :].decode() for key, _ in table.scan(prefix)]
        for creator in waiting:
            self._pairs.pop((brand, creator), None)
        return {(brand, creator) for creator in waiting}

    def _keep_fact(self, fact: Fact, table: Table) -> set[tuple[str, str]]:
        """A decision or outcome under its event id; of two claims on one id the greater wins, in any order."""
        claim = claim_key(fact.brand_id, fact.event_id)
        known = table.get(claim)
        earlier = decode_fact(known) if known is not None else None
        touched = {(fact.brand_id, fact.creator_id)}
        if earlier is not None and earlier != fact:
            touched.add((earlier.brand_id, earlier.creator_id))
            if earlier.rank() > fact.rank():
                fact = earlier
            else:
                table.delete(fact_key(earlier))
        pair = self._pairs.get((fact.brand_id, fact.creator_id))
        table.put(claim, fact.encode())
        table.put(fact_key(fact), fact.encode())
        if fact.kind in DECISIONS and table.get(match_key(fact.brand_id, fact.match_id)) is None:
            table.put(waiting_key(fact.brand_id, fact.match_id, fact.creator_id), b"1")
        if earlier is None and pair is not None and extends(pair, fact):
            pair.add(fact, self._decay, fact.occurred_ms)
        elif earlier != fact and not (earlier is None and pair is not None and leaves(pair, fact)):
            for key in touched:
                self._pairs.pop(key, None)
        return {pair_key for pair_key in touched if pair_key[1]}

    def _signal(self, item: Item[Event], key: tuple[str, str], table: Table, replaced: bool) -> OutRecord | None:
        """The pair's signal as it stands; nothing while nothing counts, a tombstone where a fact was taken away."""
        pair = self._pair(key, table)
        brand, creator = key
        if not pair.events:
            return self._emit(item, brand, creator, None) if replaced else None
        signal = FeedbackSignalled(
            brand_id=brand,
            creator_id=creator,
            statistics=pair.statistics(self._decay),
            events=pair.events,
            last_at=datetime.fromtimestamp(pair.last_ms / 1000, UTC),
        )
        return self._emit(item, brand, creator, signal)

    def _pair(self, key: tuple[str, str], table: Table) -> Pair:
        pair = self._pairs.get(key)
        if pair is None:
            brand, creator = key

            def served(match_id: str) -> bool:
                row = table.get(match_key(brand, match_id))
                return row is not None and creator in orjson.loads(row)

            facts = [decode_fact(value) for _, value in table.scan(pair_prefix(brand, creator))]
            pair = fold(facts, served, self._decay)
            self._pairs[key] = pair
        self._pairs.move_to_end(key)
        while len(self._pairs) > PAIRS_CACHED:
            self._pairs.popitem(last=False)
        return pair
