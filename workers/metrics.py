"""Every metric, in one place. Times are in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

Stage = Literal["handle", "fetch", "encode", "store", "outputs", "query", "rank"]
_STAGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_FRESH = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

# Events dealt with, by worker and verdict (done: searchable, though exact values may follow; later, dead,
# delayed: written to the retry topic, misplaced: forwarded to their own key and partition).
EVENTS = Counter("streamscout_events", "Events by verdict", ["worker", "verdict"])
# Dead letters by worker and reason, a code of the closed list.
DEAD_LETTERS = Counter("streamscout_dead_letters", "Dead letters by reason", ["worker", "reason"])
# Records written to topics and acknowledged.
OUTPUTS = Counter("streamscout_outputs", "Records written", ["worker", "topic"])
# How long each stage of the work took, per batch or request.
STAGE_SECONDS = Histogram("streamscout_stage_seconds", "Duration of a stage", ["worker", "stage"], buckets=_STAGES)
# Items in a batch that went to the handler.
BATCH_ITEMS = Histogram("streamscout_batch_items", "Items in a batch", ["worker"], buckets=_ITEMS)
# Items in memory that wait for a batch.
QUEUE_ITEMS = Gauge("streamscout_queue_items", "Items waiting in memory", ["worker"])
# Records between what is searchable and the partition's end.
LAG = Gauge("streamscout_lag_records", "Records not yet searchable", ["worker", "topic", "partition"])
# From the source event's Kafka timestamp until the worker had stored it (the indexer's: event to searchable).
FRESHNESS_SECONDS = Histogram("streamscout_freshness_seconds", "Age when stored", ["worker"], buckets=_FRESH)
# Partitions that wait for a busy or absent server.
PAUSED_PARTITIONS = Gauge("streamscout_paused_partitions", "Partitions waiting for a server", ["worker"])
# 1 while the worker is paused over too many dead letters, or lets a few events through to see; else 0.
BREAKER_OPEN = Gauge("streamscout_breaker_open", "Paused over too many dead letters", ["worker"])
# Posts and profiles whose vectors were found and read back instead of encoded again.
REUSED = Counter("streamscout_embeddings_reused", "Vectors read back instead of encoded", ["worker"])
# Pictures and texts whose vector was known from one with the same pixels or words, by kind (picture, text).
REMEMBERED = Counter("streamscout_vectors_remembered", "Vectors of equal content", ["kind"])
# Memory that those vectors take in the embedder.
CACHED_BYTES = Gauge("streamscout_vector_cache_bytes", "Memory of known vectors")
# Texts longer than their pieces may hold, whose end was not embedded.
CUT_TEXTS = Counter("streamscout_texts_cut", "Texts whose end was not embedded")
# Events that were dropped because their creator is erased, or was erased after them.
ERASED_EVENTS = Counter("streamscout_erased_events", "Events of erased creators", ["worker"])
# Objects that the indexer wrote, by collection; vector: moved (HNSW inserts it anew), or kept (byte-identical).
INDEXED = Counter("streamscout_indexed_objects", "Objects written by the indexer", ["collection", "vector"])
# Match and search requests by call and HTTP status.
REQUESTS = Counter("streamscout_requests", "HTTP requests", ["call", "status"])
# Duration of a match or search request.
REQUEST_SECONDS = Histogram("streamscout_request_seconds", "Duration of a request", ["call"], buckets=_STAGES)
# Signals that the match API holds in memory.
SIGNALS = Gauge("streamscout_signals", "Signals known to the match API")


@contextmanager
def stage(worker: str, name: Stage) -> Iterator[None]:
    """Measure one stage of a worker."""
    with STAGE_SECONDS.labels(worker, name).time():
        yield
