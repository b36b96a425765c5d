"""The topic ``erasures``, read whole before a worker is ready, and followed for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from typing import Protocol

from workers.config import Settings, SettingsError
from workers.core.clock import SystemClock
from workers.domain.erasure import ErasureKey, Erasures, WrongErasureKey
from workers.domain.events import ErasureRecorded
from workers.domain.topics import topic_name
from workers.process.follower import Follower, TopicReader
from workers.wire.cloudevents import Wire
from workers.wire.records import InRecord, InvalidEvent, Producer, Unavailable

TOPIC = "erasures"
READ_SECONDS = 120.0


class WholeReader(Protocol):
    """Topics from their beginnings."""

    def to_the_end(self) -> Iterator[InRecord]: ...

    def close(self) -> None: ...


def erasure_key(settings: Settings) -> ErasureKey:
    """The key of this installation. Raises SettingsError where there is none, or it could be guessed."""
    try:
        return ErasureKey(settings.erasure_secret())
    except ValueError as error:
        raise SettingsError(f"STREAMSCOUT_ERASURE_KEY: {error}") from error


def checked_key(settings: Settings, open_topics: Callable[[list[str]], WholeReader], wire: Wire) -> ErasureKey:
    """The key of this installation, if it is the one under which the topic's erasures were recorded.

    For workers that hear of erasures in the order of their own topics. Raises SettingsError, Unavailable.
    """
    key = erasure_key(settings)
    with closing(open_topics([topic_name(settings.namespace, TOPIC)])) as reader:
        for record in reader.to_the_end():
            try:
                key.check(wire.event(record, (ErasureRecorded,)).creator_hash)
            except InvalidEvent:
                # The followers of the topic make a dead letter of it, or it is a tombstone.
                continue
            except WrongErasureKey as error:
                raise key_is_wrong(error) from error
            # All are of one key: the processes that follow the topic see to that.
            break
    return key


def key_is_wrong(error: WrongErasureKey) -> SettingsError:
    """What a process ends with that could not tell who is erased."""
    return SettingsError(f"STREAMSCOUT_ERASURE_KEY: {error}")


@asynccontextmanager
async def following_erasures(
    settings: Settings, worker: str, open_topics: Callable[[list[str]], TopicReader], wire: Wire, producer: Producer
) -> AsyncIterator[tuple[Erasures, Follower]]:
    """Who is erased, complete on entry and kept up to date; ``follower.ended`` says what reading ended of, if it did.

    Raises SettingsError for a key that is not the topic's, Unavailable where the topic cannot be read.
    """
    erasures = Erasures(erasure_key(settings))
    topic = topic_name(settings.namespace, TOPIC)
    dead_topic = topic_name(settings.namespace, f"{worker}.dead")
    reader = open_topics([topic])
    follower = Follower(
        worker, reader, wire, {topic: erasures}, producer, dead_topic, SystemClock(), settings.retry_seconds
    )
    follower.start()
    try:
        await _read(follower)
        yield erasures, follower
    finally:
        await asyncio.to_thread(follower.stop)


@contextmanager
def ends_with(follower: Follower, stop: Callable[[], None]) -> Iterator[None]:
    """Inside, the end of the reading calls ``stop`` on the event loop; on leaving, what it ended of is raised (law 7).

    A worker that no longer learns who is erased must not go on.
    """
    loop = asyncio.get_running_loop()

    def told(_: object) -> None:
        # The event loop may be closed by now: then nothing goes on.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stop)

    follower.ended.add_done_callback(told)
    yield
    if follower.ended.done():
        raise_end(follower)


async def _read(follower: Follower) -> None:
    if not await asyncio.to_thread(follower.read_whole, READ_SECONDS):
        if follower.ended.done():
            raise_end(follower)
        raise Unavailable(f"the topic {TOPIC} was not read within {READ_SECONDS:g} s")


def raise_end(follower: Follower) -> None:
    """Raise what the reading ended of, if it did."""
    try:
        follower.ended.result(0)
    except WrongErasureKey as error:
        raise key_is_wrong(error) from error
