"""Wires the match API: Kafka, Triton, Weaviate, pictures from outside, and the HTTP server."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
import structlog
import uvicorn

from workers.adapters.kafka import KafkaProducer, topic_facts
from workers.adapters.kafka_membership import KafkaFailed
from workers.adapters.media import MediaFetcher
from workers.adapters.media_decode import Decoder
from workers.adapters.registry import build_codec
from workers.adapters.security import trusting
from workers.adapters.triton import TritonEncoder, served_model_card
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.queries import WeaviateIndex
from workers.adapters.whole_topic import WholeTopics
from workers.config import Settings, SettingsError
from workers.core.clock import Clock, SystemClock
from workers.domain.erasure import Erasures
from workers.domain.feedback import Prior
from workers.domain.model_card import ModelCard
from workers.domain.priority import Priority
from workers.domain.topics import topic_name
from workers.domain.vectors import Array
from workers.match.access import EVERYTHING, Gate, Keyring
from workers.match.app import create_app
from workers.match.dead_posts import LETTERS, DeadPosts, PostLetters
from workers.match.encoding import CentredQueries
from workers.match.keys import KeyFileError, Scope, read_keys
from workers.match.lookalikes import LookAlikeFinder
from workers.match.lookup import Lookup
from workers.match.matching import Constants, Matcher
from workers.match.outbox import KafkaOutbox
from workers.match.ports import WORKER
from workers.match.readiness import Readiness, server_checks, view_check
from workers.match.rooms import Rooms
from workers.match.search import Searcher
from workers.match.throttle import Throttle
from workers.match.view import BrandView, SignalView
from workers.match.visible import VisibleDeadPosts, VisibleIndex, VisibleSignals
from workers.metrics import SIGNALS
from workers.process.erasures import TOPIC as ERASURES
from workers.process.erasures import erasure_key, raise_end
from workers.process.follower import Follower, RecordView, View
from workers.process.logs import configure_logging
from workers.process.presence import presence
from workers.process.running import CLEAN, ENDED_BY_A_LAW, UNREACHABLE
from workers.wire.cloudevents import Wire
from workers.wire.erasing import COPIED, Erasing
from workers.wire.records import ProduceFailed, Unavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wired:
    """The rooms, and the thread that keeps their views."""

    rooms: Rooms
    follower: Follower


class FetchedPictures:
    """Pictures by address and as pixels, with the limits of settings and the sizes of the model's card."""

    def __init__(self, media: MediaFetcher, settings: Settings, card: ModelCard) -> None:
        self._media, self._decoder = media, Decoder(settings, card, settings.media_pixels_at_once)

    async def fetch(self, url: str) -> bytes:
        """A picture's bytes."""
        return await self._media.fetch(url)

    def to_pixels(self, data: bytes) -> Array:
        """uint8 [S, S, 3]."""
        return self._decoder(data)


class Server(uvicorn.Server):
    """uvicorn, with signals left to the process: it would raise them again after its own clean end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield


def run(settings: Settings) -> int:
    """Serve until SIGTERM. 0 after a clean stop, 3 when a server cannot be reached at start, 4 when a law ended it."""
    settings.required("kafka_bootstrap", "weaviate_url", "triton_url")
    check_access(settings)
    erasure_key(settings)
    configure_logging(settings)
    log.info("starting", worker=WORKER, **settings.masked())
    try:
        asyncio.run(_until_stopped(settings))
    except Unavailable as error:
        log.error("a server cannot be reached", worker=WORKER, reason=str(error))  # noqa: TRY400 - the message says it all
        return UNREACHABLE
    except (ProduceFailed, KafkaFailed) as error:
        log.error("ended by a law", worker=WORKER, law=type(error).__name__, reason=str(error))  # noqa: TRY400
        return ENDED_BY_A_LAW
    log.info("stopped", worker=WORKER)
    return CLEAN


async def _until_stopped(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serving(settings, stopped) as url:
        log.info("serving", worker=WORKER, url=url)
        await stopped.wait()


@asynccontextmanager
async def serving(settings: Settings, stopped: asyncio.Event) -> AsyncIterator[str]:
    """The API's address, for as long as the block lasts. Sets ``stopped`` when a part of it ends by itself.

    Raises Unavailable where a server cannot be reached at start, and on leaving what the follower ended of.
    """
    async with wired(settings) as parts:
        listener = listening(settings.api_host, settings.api_port)
        host, port = listener.getsockname()[:2]
        url = f"http://{host}:{port}"
        server = Server(
            uvicorn.Config(
                create_app(parts.rooms),
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=int(settings.shutdown_seconds),
            )
        )
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.call_soon_threadsafe(stopped.set)

        parts.follower.start(on_end=ended)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        task.add_done_callback(lambda _: stopped.set())
        try:
            with presence(settings.data_dir, WORKER, url):
                yield url
        finally:
            server.should_exit = True
            await task
            await asyncio.to_thread(parts.follower.stop)
        raise_end(parts.follower)


def listening(host: str, port: int) -> socket.socket:
    """A listener whose connections send at once (Linux hands the option on).

    asyncio sets it only where the socket names its protocol, which ``create_server``'s does not: the body of every
    answer waited 40 ms for the client's word that it had the head.
    """
    listener = socket.create_server((host, port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[Wired]:
    """The rooms over the real servers."""
    card = served_model_card(settings)
    means = card.centring_means
    wire = Wire(build_codec(settings), f"streamscout/{WORKER}", settings.namespace)
    producer = KafkaProducer(settings, linger_ms=0.0)
    try:
        async with (
            connect(settings) as client,
            TritonEncoder(
                str(settings.triton_url), card, tls=trusting(settings, "triton_ca_file"), priority=Priority.SEARCH
            ) as encoder,
            MediaFetcher(settings) as media,
        ):
            queries = CentredQueries(
                encoder,
                FetchedPictures(media, settings, card),
                {"query": np.array(means.query), "visual": np.array(means.visual)},
                card.model_version,
            )
            erasures = Erasures(erasure_key(settings))
            index = WeaviateIndex(client, settings.namespace, card.model_version)
            yield _rooms(settings, VisibleIndex(index, erasures), queries, wire, producer, erasures)
    finally:
        producer.close()


ANONYMOUS = {"nothing": frozenset[Scope](), "search": frozenset({Scope.SEARCH}), "everything": EVERYTHING}


def check_access(settings: Settings) -> None:
    """Raise SettingsError where nobody could get in, or the file of keys is not one."""
    if settings.api_keys_file is None:
        if settings.api_anonymous == "nothing":
            raise SettingsError(
                "STREAMSCOUT_API_KEYS_FILE is not set (make a key with `streamscout keys create NAME --scope search`), "
                "and STREAMSCOUT_API_ANONYMOUS opens nothing: nobody could use this API"
            )
        return
    try:
        read_keys(settings.api_keys_file)
    except KeyFileError as error:
        raise SettingsError(f"STREAMSCOUT_API_KEYS_FILE: {error}") from error


def _gate(settings: Settings, clock: Clock) -> Gate:
    throttle = Throttle(settings.api_rate_per_second, settings.api_burst)
    return Gate(Keyring(settings.api_keys_file), ANONYMOUS[settings.api_anonymous], throttle, clock)


def _rooms(
    settings: Settings,
    index: VisibleIndex,
    queries: CentredQueries,
    wire: Wire,
    producer: KafkaProducer,
    erasures: Erasures,
) -> Wired:
    clock = SystemClock()
    brands, every_signal = BrandView(), SignalView()
    signals = VisibleSignals(every_signal, erasures)
    SIGNALS.set_function(lambda: every_signal.count)
    dead_posts = DeadPosts()
    views: dict[str, View | RecordView] = {
        topic_name(settings.namespace, "brands"): brands,
        topic_name(settings.namespace, "signals"): every_signal,
        topic_name(settings.namespace, ERASURES): erasures,
        topic_name(settings.namespace, "embedder.dead"): PostLetters(dead_posts),
        topic_name(settings.namespace, "dead.resolutions"): dead_posts,
    }
    dead_topic = topic_name(settings.namespace, f"{WORKER}.dead")
    reader = WholeTopics(settings, tuple(views), last={topic_name(settings.namespace, "embedder.dead"): LETTERS})
    follower = Follower(WORKER, reader, wire, views, producer, dead_topic, clock, settings.retry_seconds)
    copied = topic_name(settings.namespace, COPIED)
    partitions = topic_facts(settings, [copied])[copied].partitions
    outbox = KafkaOutbox(wire, producer, Erasing(wire, erasures.key, partitions))
    prior = Prior(settings.prior_clicks_per_impression, settings.prior_conversions_per_click, settings.prior_strength)
    constants = Constants(settings.share_temperature, prior)
    checks = {"views": view_check(follower.ready.is_set), **server_checks(index, queries)}

    def live() -> bool:
        return not follower.ended.done()

    rooms = Rooms(
        searcher=Searcher(index, queries),
        matcher=Matcher(index, queries, brands, signals, outbox, constants, clock, lambda: str(uuid4()), erasures),
        lookalikes=LookAlikeFinder(index, queries, constants.temperature, clock),
        lookup=Lookup(index, queries, VisibleDeadPosts(dead_posts, erasures)),
        brands=brands,
        signals=signals,
        erasures=erasures,
        outbox=outbox,
        encoder=queries,
        prior=prior,
        clock=clock,
        live=live,
        health=Readiness(checks, live, clock).health,
        media_root=settings.media_root,
        media_max_bytes=settings.media_max_bytes,
        body_max_bytes=settings.api_max_body_bytes,
        gate=_gate(settings, clock),
    )
    return Wired(rooms, follower)
