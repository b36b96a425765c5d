"""What goes in and out of the loop: records of a topic, items, verdicts; and the ports behind which servers stand."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from workers.domain.reasons import InvalidEvent as InvalidEvent

Headers = tuple[tuple[str, bytes], ...]
TopicPartition = tuple[str, int]
EventT = TypeVar("EventT")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record lies. ``topic_id`` is Kafka's own id of the topic, which a re-created topic does not share."""

    topic: str
    partition: int
    offset: int
    topic_id: str = ""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What Kafka knows of a topic: its id, which a re-created topic does not share, partitions, and largest record."""

    id: str
    partitions: int
    max_message_bytes: int = 2 * 1024**2


@dataclass(frozen=True, slots=True)
class InRecord:
    """A record as it was read: bytes, key and headers untouched. ``timestamp_ms`` is Kafka's."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to be written. Without ``partition`` the key decides (murmur2, as Java's clients do)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Item(Generic[EventT]):
    """A decoded event and the record it came from.

    ``attempts`` counts how often it was answered ``Later``; ``refusals``, how often by what is its own (``elsewhere``),
    in other processes too. ``open``: it was answered ``Open``, and comes again to be made final.
    """

    event: EventT
    record: InRecord
    attempts: int = 0
    refusals: int = 0
    open: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The item is dealt with; ``outputs`` are written, and acknowledged, before its offset is committed."""

    outputs: tuple[OutRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Later:
    """Not now. A server of ours is busy or gone: the partition is paused and the item comes again after ``seconds``.

    With ``elsewhere`` it is a resource of this item alone, such as the host of its picture: the item waits and holds no
    other. ``counted`` is False where that resource was not even asked this time.
    """

    seconds: float
    reason: str
    elsewhere: bool = False
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Dead:
    """Never: the item goes to the dead-letter topic. ``reason`` is a code of the closed list, ``detail`` says where."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Open:
    """Stored and searchable, and not final: the item comes again after ``seconds``, or sooner where the worker ends.

    Until then its offset is not settled, and it holds no other item; a newer item of its key that is answered ``Open``
    settles it, and it does not come again.
    """

    seconds: float


Verdict = Done | Later | Dead | Open


@dataclass(frozen=True, slots=True)
class Health:
    """What ``/livez`` and ``/readyz`` answer from."""

    live: bool
    ready: bool
    detail: dict[str, str] = field(default_factory=dict)


class Producer(Protocol):
    """Writes records. A future ends when the broker has acknowledged, or raises ``ProduceFailed``.

    ``OutputRefused`` is for what the record itself is: others that were sent with it are none the worse.
    """

    def send(self, record: OutRecord) -> Future[None]: ...

    def flush(self, seconds: float) -> None: ...


class ProduceFailed(Exception):
    """The broker did not acknowledge a record."""


class OutputRefused(ProduceFailed):
    """Kafka will never take this record, however often it is sent: too large for its topic, or not valid there."""


class Unavailable(Exception):
    """A server is gone or busy. From a handler it is ``Later`` for the whole batch; at start it ends the process."""


def wait_acknowledged(producer: Producer, sent: Iterable[Future[None]], seconds: float) -> None:
    """Until the broker has acknowledged all of ``sent``, each within ``seconds``. Raises Unavailable if it has not."""
    producer.flush(seconds)
    try:
        for future in sent:
            future.result(seconds)
    except (ProduceFailed, TimeoutError) as error:
        raise Unavailable(f"not acknowledged: {error or 'no answer'}") from error


class Listener(Protocol):
    """Told of every change of the assignment, on the polling thread, before it takes effect."""

    def assigned(self, partitions: Collection[TopicPartition]) -> None: ...

    def revoked(self, partitions: Collection[TopicPartition]) -> None: ...

    def lost(self, partitions: Collection[TopicPartition]) -> None: ...


class Consumer(Protocol):
    """Reads topics as a member of a group. One thread calls all of it; ``partitions`` and ``lag`` may any thread ask.

    ``subscribe`` raises ``Unavailable`` when no broker answers or a topic is missing. ``poll`` waits ``seconds`` at
    most. ``silence`` is how many seconds ago the group last confirmed this member. ``commit`` may be repeated: only
    what is news is sent, and with ``wait`` it is acknowledged on return; a note goes with an offset, and
    ``acknowledged`` is the newest that Kafka has of this assignment. ``former`` gives the note that the last owner left
    of each partition, if any, and beside one that is not clean the partition's end; it raises ``Unavailable``.
    ``lag`` counts from the offset that is
    ``settled`` (None: nothing since it was assigned) to the partition's end; None while the end is unknown.
    """

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None: ...

    def partitions(self, topic: str) -> int: ...

    def poll(self, seconds: float) -> InRecord | None: ...

    def silence(self) -> float: ...

    def pause(self, partitions: Collection[TopicPartition]) -> None: ...

    def resume(self, partitions: Collection[TopicPartition]) -> None: ...

    def commit(
        self, offsets: Mapping[TopicPartition, int], wait: bool, notes: Mapping[TopicPartition, str] | None = None
    ) -> None: ...

    def acknowledged(self, partition: TopicPartition) -> str | None: ...

    def former(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, tuple[str | None, int]]: ...

    def lag(self, partition: TopicPartition, settled: int | None) -> int | None: ...

    def close(self) -> None: ...


class Handler(Protocol[EventT]):
    """A worker's part: one verdict per item, in the items' order. Runs on the loop's asyncio thread."""

    def handle(self, batch: Sequence[Item[EventT]]) -> Awaitable[Sequence[Verdict]]: ...
