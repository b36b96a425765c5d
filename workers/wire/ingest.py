"""Events from outside onto Kafka: what ``streamscout publish`` and the HTTP calls share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from datetime import UTC, datetime

from workers.domain.events import CreatorErased, CreatorReinstated, Event
from workers.domain.ids import published_id
from workers.domain.parse import canonical_data, parse_event
from workers.domain.reasons import FieldError, InvalidEvent, Reason
from workers.domain.times import check_occurred, check_times
from workers.wire.cloudevents import ASKED_BY, Wire
from workers.wire.erasing import Erasing
from workers.wire.records import OutRecord, ProduceFailed, Producer

_ID_LENGTH = 256
MAX_EVENT_BYTES = 1_000_000
"""A source topic takes records of 1 MiB; what is over the event itself is for its key and headers."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """``accepted``: CloudEvents ids that the broker has acknowledged, in input order; the rest by index of the input.

    ``events`` are those of ``accepted``. ``errors``: what is wrong with an item. ``undelivered``: why an item that is
    right was not acknowledged.
    """

    accepted: tuple[str, ...]
    errors: Mapping[int, InvalidEvent]
    undelivered: Mapping[int, str]
    events: tuple[Event, ...] = ()


def admit(topic: str, raw: object, now: datetime) -> tuple[str, Event]:
    """The CloudEvents id and the event of one item, ``now`` being when it is published. Raises InvalidEvent.

    Without an ``id`` of its own an item is named after its content, so that a repeat is the same CloudEvent.
    """
    event = parse_event(topic, raw)
    check_times(event, now)
    # The outcomes worker would make a dead letter of it: told here, it can still be mended.
    check_occurred(event, now)
    given = raw.get("id") if isinstance(raw, Mapping) else None
    if given is None:
        return str(published_id(topic, event.type_name(), canonical_data(event))), event
    if not isinstance(given, str) or not 0 < len(given) <= _ID_LENGTH or not given.isprintable():
        message = f"must be a printable text of 1 to {_ID_LENGTH} characters, or left out"
        raise InvalidEvent(Reason.INVALID_EVENT, f"id: {message}", (FieldError("id", message),))
    return given, event


def _within_size(record: OutRecord) -> OutRecord:
    """Each field is bounded, and twenty alternative texts of the longest are still more than a topic takes."""
    size = len(record.value or b"")
    if size > MAX_EVENT_BYTES:
        raise InvalidEvent(Reason.INVALID_EVENT, f"the event is {size} bytes long; {MAX_EVENT_BYTES} are the most")
    return record


def _also(event: Event, erasing: Erasing | None, now: datetime) -> list[OutRecord]:
    if erasing is not None:
        return erasing.records(event, now)
    if isinstance(event, CreatorErased | CreatorReinstated):
        where = "DELETE /v1/creators/{id}" if isinstance(event, CreatorErased) else "POST /v1/posts"
        detail = f"{type(event).__name__} goes through the API, {where}: it is written to three topics"
        raise InvalidEvent(Reason.UNEXPECTED_TYPE, f"type: {detail}", (FieldError("type", detail),))
    return []


def ingest(
    topic: str,
    raws: Iterable[object],
    wire: Wire,
    producer: Producer,
    *,
    strict: bool = False,
    time: datetime | None = None,
    seconds: float = 30.0,
    erasing: Erasing | None = None,
    asked_by: str | None = None,
) -> IngestReport:
    """Validate JSON objects for ``topic`` and write the good ones; blocks until acknowledged, ``seconds`` at most.

    ``strict``: nothing is written if any item is wrong. ``erasing``: what else an erasure writes; without it, erasures
    and reinstatements are refused, because half of one would be worse than none. ``asked_by``: who asks for one.
    Raises RegistryUnavailable before anything is written.
    """
    ready: dict[int, tuple[str, Event, list[OutRecord]]] = {}
    errors: dict[int, InvalidEvent] = {}
    now = time or datetime.now(UTC)
    for index, raw in enumerate(raws):
        try:
            name, event = admit(topic, raw, now)
            also = _also(event, erasing, now)
            says = {ASKED_BY: asked_by} if asked_by is not None and also else None
            record = wire.record(topic, event, id=name, time=now, extensions=says)
            ready[index] = name, event, [*also, _within_size(record)]
        except InvalidEvent as error:
            errors[index] = error
    if strict and errors:
        return IngestReport((), errors, {})
    sent = {index: [producer.send(record) for record in records] for index, (_, _, records) in ready.items()}
    producer.flush(seconds)
    unacknowledged = wait([each for futures in sent.values() for each in futures], timeout=0.1).not_done
    undelivered = {}
    for index, futures in sent.items():
        if not unacknowledged.isdisjoint(futures):
            undelivered[index] = f"not acknowledged within {seconds:g} s"
            continue
        try:
            for future in futures:
                future.result()
        except ProduceFailed as error:
            undelivered[index] = str(error)
    taken = [row for index, row in ready.items() if index not in undelivered]
    accepted, events = tuple(name for name, _, _ in taken), tuple(event for _, event, _ in taken)
    return IngestReport(accepted, errors, undelivered, events)
