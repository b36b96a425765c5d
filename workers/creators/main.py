"""Wires the creators worker: settings, the model's card, the wire, and Faust."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import structlog

from workers.adapters.kafka import topic_facts
from workers.adapters.registry import build_codec
from workers.adapters.tables import KeyedWorker
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings
from workers.creators.facets import FoldSettings
from workers.creators.worker import ACCEPTED, Creators
from workers.domain.events import CreatorUpdated, Event
from workers.domain.model_card import load_model_card
from workers.domain.topics import topic_name
from workers.process.erasures import checked_key
from workers.process.logs import configure_logging
from workers.process.running import UNREACHABLE
from workers.wire.cloudevents import SOURCE_TIME, Wire, source_time
from workers.wire.records import Item, OutRecord, Unavailable

log = structlog.get_logger()
NAME = "creators"
READS, WRITES = "embeddings", "creators"
OWN = (f"{NAME}.rekeyed", f"{NAME}.dead", f"{NAME}.changelog")


def fold_settings(settings: Settings, model_version: str, dimensions: int) -> FoldSettings:
    """The fold's constants for one model."""
    return FoldSettings(
        model_version=model_version,
        dimensions=dimensions,
        facets=settings.fold_facets,
        join=settings.fold_join,
        half_life_days=settings.fold_half_life_days,
        window=settings.fold_window,
        caption_weight=settings.fold_caption,
        landmark=settings.landmark,
        duplicate_weight=settings.fold_duplicate,
        safety_tail=settings.safety_tail,
    )


class WireEmitter:
    """Records for ``creators``; an update carries the time of its source record on."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def updated(self, item: Item[Event], update: CreatorUpdated, event_id: UUID) -> OutRecord:
        extensions = {SOURCE_TIME: source_time(item.record)}
        return self._wire.record(WRITES, update, id=str(event_id), time=datetime.now(UTC), extensions=extensions)

    def erased(self, creator_id: str) -> OutRecord:
        return self._wire.tombstone(WRITES, creator_id)


def run(settings: Settings) -> int:
    """Run until SIGTERM: 0 after a clean stop, 3 when a server cannot be reached at start, 4 when a law ended it.

    Raises SettingsError for an erasure key that is not the topic's.
    """
    configure_logging(settings)
    settings.required("kafka_bootstrap")
    card = load_model_card(settings.model_repository)
    try:
        wire = Wire(build_codec(settings), f"/streamscout/{NAME}", settings.namespace)
        names = [topic_name(settings.namespace, name) for name in (READS, WRITES, *OWN)]
        facts = topic_facts(settings, names)
        key = checked_key(settings, partial(WholeTopics, settings), wire)
    except Unavailable as error:
        log.error("a server cannot be reached", worker=NAME, reason=str(error))  # noqa: TRY400 - it says it all
        return UNREACHABLE
    fold = fold_settings(settings, card.model_version, card.dimensions)
    handler = Creators(fold, WireEmitter(wire), key, settings.fold_cache_bytes)
    return KeyedWorker(settings, NAME, (READS,), ACCEPTED, handler=handler, wire=wire, facts=facts).run()
