"""Wires the outcomes worker: settings, the wire, and Faust."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import structlog

from workers.adapters.kafka import topic_facts
from workers.adapters.registry import build_codec
from workers.adapters.tables import KeyedWorker
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings
from workers.domain.events import CreatorErased, CreatorReinstated, Event, FeedbackSignalled
from workers.domain.ids import signal_id
from workers.domain.topics import topic_name
from workers.outcomes.attribution import Decay
from workers.outcomes.worker import ACCEPTED, Outcomes
from workers.process.erasures import checked_key
from workers.process.logs import configure_logging
from workers.process.running import UNREACHABLE
from workers.wire.cloudevents import SOURCE_TIME, Wire, source_time
from workers.wire.records import Item, OutRecord, Unavailable

log = structlog.get_logger()
NAME = "outcomes"
READS, WRITES = ("matches", "decisions", "outcomes"), "signals"
COPIED = (CreatorErased, CreatorReinstated)
"""A copy lies in every partition of ``outcomes``."""
OWN = (f"{NAME}.rekeyed", f"{NAME}.dead", f"{NAME}.changelog")


class WireEmitter:
    """Records for ``signals``: an event, or the tombstone of a pair that has nothing that counts any more."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __call__(self, item: Item[Event], brand: str, creator: str, signal: FeedbackSignalled | None) -> OutRecord:
        if signal is None:
            return self._wire.tombstone(WRITES, f"{brand}|{creator}")
        name = signal_id(brand, creator, signal.model_dump_json())
        extensions = {SOURCE_TIME: source_time(item.record)}
        return self._wire.record(WRITES, signal, id=str(name), time=datetime.now(UTC), extensions=extensions)


def run(settings: Settings) -> int:
    """Run until SIGTERM: 0 after a clean stop, 3 when a server cannot be reached at start, 4 when a law ended it.

    Raises SettingsError for an erasure key that is not the topic's.
    """
    configure_logging(settings)
    settings.required("kafka_bootstrap")
    try:
        wire = Wire(build_codec(settings), f"/streamscout/{NAME}", settings.namespace)
        facts = topic_facts(settings, [topic_name(settings.namespace, name) for name in (*READS, WRITES, *OWN)])
        key = checked_key(settings, partial(WholeTopics, settings), wire)
    except Unavailable as error:
        log.error("a server cannot be reached", worker=NAME, reason=str(error))  # noqa: TRY400 - it says it all
        return UNREACHABLE
    handler = Outcomes(Decay(settings.landmark, settings.signal_half_life_days), WireEmitter(wire), key)
    return KeyedWorker(
        settings, NAME, READS, ACCEPTED, handler=handler, wire=wire, facts=facts, everywhere=COPIED
    ).run()
