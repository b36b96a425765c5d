"""Wires the embedder: Kafka, Triton, Weaviate and pictures from outside."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

import numpy as np

from workers.adapters.kafka import KafkaConsumer, KafkaProducer
from workers.adapters.media import MediaFetcher
from workers.adapters.media_decode import Decoder
from workers.adapters.media_frames import Frames
from workers.adapters.registry import build_codec
from workers.adapters.security import trusting
from workers.adapters.triton import TritonEncoder, served_model_card
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.objects import ObjectStore
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings
from workers.core.lease import Lease
from workers.core.loop import Loop
from workers.domain.priority import Priority
from workers.domain.safety.scoring import load_scoring
from workers.embedder.encoding import Encoding
from workers.embedder.pictures import Pictures
from workers.embedder.remembering import KnownVectors, RememberingEncoder
from workers.embedder.scores import Scorer
from workers.embedder.task import ACCEPTED, Accepted
from workers.embedder.worker import NAME, Embedder, Lane
from workers.process.erasures import ends_with, following_erasures
from workers.process.running import run_worker
from workers.wire.cloudevents import Wire

TOPICS = ("posts", "posts.backfill", "profiles")
_NICENESS = 10
"""Of the threads that decode pictures of backfill, so that those of live posts come first on a busy machine."""


def run(settings: Settings) -> int:
    """Run until SIGTERM. 0 after a clean stop, 3 when a server cannot be reached at start, 4 when a law ended it."""
    settings.required("kafka_bootstrap", "weaviate_url", "triton_url")
    return run_worker(NAME, settings, partial(embedder_loop, settings))


@asynccontextmanager
async def embedder_loop(settings: Settings, lease: Lease) -> AsyncIterator[Loop[Accepted]]:
    """The loop, with Triton and Weaviate reached."""
    card = served_model_card(settings)
    scorer = Scorer(partial(load_scoring, settings.schemas_dir, settings.model_repository, card))
    producer = KafkaProducer(settings)
    wire = Wire(build_codec(settings), f"streamscout/{NAME}", settings.namespace)
    centring = np.array(card.centring_means.visual), np.array(card.centring_means.caption)
    frames = Frames(settings, card, Decoder(settings, card, settings.media_pixels_at_once))
    known = KnownVectors(settings.vector_cache_bytes)
    try:
        async with (
            connect(settings) as client,
            TritonEncoder(str(settings.triton_url), card, tls=trusting(settings, "triton_ca_file")) as encoder,
            MediaFetcher(settings) as media,
            following_erasures(settings, NAME, partial(WholeTopics, settings), wire, producer) as (erasures, follower),
            threads("decode") as decoding,
            threads("decode-backfill", _NICENESS) as yielding,
        ):
            handler = Embedder(
                store=ObjectStore(client, settings.namespace, card.model_version, card.dimensions),
                live=Lane(
                    Pictures(media, frames, decoding),
                    Encoding(RememberingEncoder(encoder, known), *centring),
                ),
                backfill=Lane(
                    Pictures(media, frames, yielding, most=max(1, settings.media_concurrency // 2)),
                    Encoding(RememberingEncoder(encoder.at(Priority.BACKFILL), known), *centring),
                ),
                known=known,
                scorer=scorer,
                wire=wire,
                lease=lease,
                settings=settings,
                model_version=card.model_version,
                erasures=erasures,
            )
            loop: Loop[Accepted] = Loop(
                NAME,
                TOPICS,
                consumer=KafkaConsumer(settings, NAME),
                producer=producer,
                wire=wire,
                accepted=ACCEPTED,
                handler=handler,
                settings=settings,
                lease=lease,
                serial_key=handler.turns.key,
                backfill=("posts.backfill",),
            )
            with ends_with(follower, loop.stop):
                yield loop
    finally:
        producer.close()


@asynccontextmanager
async def threads(name: str, niceness: int = 0) -> AsyncIterator[Executor]:
    """To decode on: more than cores would only hold more pictures in memory. Of Linux each is that much nicer."""
    first = partial(_be_nicer, niceness) if niceness and sys.platform == "linux" else None
    executor = ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix=name, initializer=first)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _be_nicer(by: int) -> None:
    """This thread alone: Linux has a niceness for each."""
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + by))
