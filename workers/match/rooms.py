"""What the calls use, handed in by ``main``, or by a test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from workers.core.clock import Clock
from workers.domain.erasure import Erasures
from workers.domain.feedback import Prior
from workers.match.access import Gate
from workers.match.lookalikes import LookAlikeFinder
from workers.match.lookup import Lookup
from workers.match.matching import Matcher
from workers.match.ports import Brands, Outbox, QueryEncoder, Signals
from workers.match.search import Searcher
from workers.wire.records import Health


@dataclass(frozen=True, slots=True)
class Rooms:
    """One of each."""

    searcher: Searcher
    matcher: Matcher
    lookalikes: LookAlikeFinder
    lookup: Lookup
    brands: Brands
    signals: Signals
    erasures: Erasures
    outbox: Outbox
    encoder: QueryEncoder
    prior: Prior
    clock: Clock
    live: Callable[[], bool]
    health: Callable[[], Awaitable[Health]]
    media_root: Path | None
    media_max_bytes: int
    body_max_bytes: int
    gate: Gate
