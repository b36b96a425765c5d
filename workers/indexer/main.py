"""The indexer's process: wires Kafka and Weaviate to the worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from workers.adapters.kafka import KafkaConsumer, KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.objects import ObjectStore
from workers.config import Settings
from workers.core.lease import Lease
from workers.core.loop import Loop
from workers.domain.events import CreatorUpdated
from workers.domain.model_card import load_model_card
from workers.indexer.worker import WORKER, Indexer
from workers.process.running import run_worker
from workers.wire.cloudevents import Wire

TOPIC = "creators"


def run(settings: Settings) -> int:
    """Index until SIGTERM; the exit code. Raises SettingsError where an address is not set."""
    settings.required("kafka_bootstrap", "weaviate_url")
    return run_worker(WORKER, settings, partial(indexer_loop, settings))


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
        )
        producer = KafkaProducer(settings)
        try:
            yield Loop(
                WORKER,
                [TOPIC],
                consumer=KafkaConsumer(settings, WORKER),
                producer=producer,
                wire=wire,
                accepted=(CreatorUpdated,),
                handler=indexer,
                settings=settings,
                lease=lease,
                tombstones=True,
            )
        finally:
            producer.close()
