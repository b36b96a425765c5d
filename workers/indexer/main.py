"""The indexer's process: wires Kafka and Weaviate to the worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from workers.adapters.kafka import KafkaConsumer, KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.listing import ObjectListing
from workers.adapters.weaviate.objects import ObjectStore
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings
from workers.core.lease import Lease
from workers.core.loop import Loop
from workers.domain.events import CreatorUpdated
from workers.domain.model_card import load_model_card
from workers.indexer.settling import Thresholds
from workers.indexer.sweep import sweep
from workers.indexer.worker import WORKER, Indexer, Settling
from workers.process.erasures import ends_with, following_erasures
from workers.process.running import run_worker
from workers.wire.cloudevents import Wire

log = structlog.get_logger()
TOPIC = "creators"


def run(settings: Settings) -> int:
    """Index until SIGTERM; the exit code. Raises SettingsError where an address is not set."""
    settings.required("kafka_bootstrap", "weaviate_url")
    return run_worker(WORKER, settings, partial(indexer_loop, settings))


def settling_of(settings: Settings) -> Settling:
    """How much of a change waits, and for how long."""
    thresholds = Thresholds(settings.indexer_moved, settings.indexer_share, settings.indexer_safety)
    return Settling(thresholds, settings.indexer_settle_seconds, settings.indexer_creators)


@asynccontextmanager
async def indexer_loop(settings: Settings, lease: Lease) -> AsyncIterator[Loop[CreatorUpdated | None]]:
    """The loop with its servers. Raises StoreUnavailable and RegistryUnavailable where they do not answer."""
    card = load_model_card(settings.model_repository)
    wire = Wire(build_codec(settings), f"streamscout/{WORKER}", settings.namespace)
    async with connect(settings) as client:
        indexer = Indexer(
            ObjectStore(client, settings.namespace, card.model_version, dimensions=card.dimensions),
            lease,
            model_version=card.model_version,
            dimensions=card.dimensions,
            min_share=settings.facet_min_share,
            retry_seconds=settings.retry_seconds,
            settling=settling_of(settings),
        )
        producer = KafkaProducer(settings)
        reading = following_erasures(settings, WORKER, partial(WholeTopics, settings), wire, producer)
        try:
            async with reading as (erasures, follower):
                swept = await sweep(ObjectListing(client, settings.namespace, card.model_version), erasures, indexer)
                log.info("erased creators swept", worker=WORKER, creators=swept)
                loop: Loop[CreatorUpdated | None] = Loop(
                    WORKER,
                    [TOPIC],
                    consumer=KafkaConsumer(settings, WORKER),
                    producer=producer,
                    wire=wire,
                    accepted=(CreatorUpdated,),
                    handler=indexer,
                    settings=settings.model_copy(
                        update={
                            "batch_size": settings.indexer_batch_size,
                            "batches_in_flight": settings.indexer_batches_in_flight,
                        }
                    ),
                    lease=lease,
                    tombstones=True,
                    released=indexer.released,
                )
                with ends_with(follower, loop.stop):
                    yield loop
        finally:
            producer.close()
