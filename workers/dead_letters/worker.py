"""The story of `dead`: read every letter, choose, put back or give up, and say so once the broker has it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Literal, Protocol, TypeVar

from workers.core.clock import Clock
from workers.dead_letters.box import Box, Known
from workers.dead_letters.choosing import Choice
from workers.dead_letters.pace import Pace
from workers.dead_letters.replaying import Rules, asked_about, refusal, replay
from workers.domain.events import DeadLetterResolved
from workers.domain.topics import DEAD, Topic, topic_name
from workers.wire.cloudevents import Wire
from workers.wire.records import InRecord, InvalidEvent, OutRecord, Position, ProduceFailed, Producer

RESOLUTIONS: Final = "dead.resolutions"
LOAD_BYTES: Final = 64 * 1024 * 1024
LOAD_LETTERS: Final = 20_000
"""What is held in memory at once: the rest is read again when its turn comes."""
WINDOW: Final = 100
"""Replays that are sent before their acknowledgements are waited for."""
ACKNOWLEDGED_SECONDS: Final = 30.0

Place = tuple[str, int, int]
Told = Callable[[str, int, int | None], None]
"""Told what is done, how many of it so far, and of how many in all where that is known."""
SKEW: Final = timedelta(hours=1)
"""How far the clocks of workers may be apart: what died since a time is looked for from so much before it."""
T = TypeVar("T")


class Whole(Protocol):
    """Every record of some topics (full names) up to their present ends; of those in ``since``, what came since then.

    Raises Unavailable.
    """

    def __call__(self, topics: Sequence[str], since: Mapping[str, datetime], /) -> Generator[InRecord, None, None]: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter: ``chosen`` where nothing was to be done yet, ``detail`` where it was not done."""

    known: Known
    result: Literal["replayed", "dropped", "chosen", "refused", "failed"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The first letters that are meant, how many there are, and how many more an operator has dealt with."""

    shown: list[Known]
    count: int
    hidden: int


class DeadLetters:
    """``topics``: all that are listed. ``unreadable``: records of ``dead.resolutions`` that are no resolutions."""

    def __init__(
        self,
        whole: Whole,
        wire: Wire,
        producer: Producer,
        topics: Sequence[Topic],
        namespace: str,
        clock: Clock,
        told: Told,
    ) -> None:
        self._whole, self._wire, self._producer, self._clock, self._told = whole, wire, producer, clock, told
        self.topics = {topic_name(namespace, topic.name): topic for topic in topics}
        self._workers = {
            name: topic.name.removesuffix(DEAD) for name, topic in self.topics.items() if topic.name.endswith(DEAD)
        }
        self._resolutions = topic_name(namespace, RESOLUTIONS)
        self.unreadable = 0

    @property
    def workers(self) -> set[str]:
        """Those that have dead letters."""
        return set(self._workers.values())

    def choose(self, choice: Choice, most: int | None = None) -> list[Known]:
        """The letters that are meant, in the order in which the events first lay; the first ``most`` of them.

        Those that an operator dealt with only if they are named by their ids.
        """
        with closing(self._read(choice)) as box:
            meant = (each for each in box.letters() if choice.means(each))
            return list(islice((each for each in meant if choice.ids or each.state == "dead"), most))

    def listed(self, choice: Choice, resolved: bool = False, most: int | None = None) -> Listing:
        """The same for reading: with ``resolved`` those too that were replayed or dropped."""
        shown: list[Known] = []
        count = hidden = 0
        with closing(self._read(choice)) as box:
            for known in filter(choice.means, box.letters()):
                if not resolved and known.state != "dead":
                    hidden += 1
                    continue
                count += 1
                if most is None or len(shown) < most:
                    shown.append(known)
        return Listing(shown, count, hidden)

    def record(self, known: Known) -> InRecord | None:
        """The newest copy with its value; None where its time on the topic is over by now."""
        return self._records([known]).get(_place(known.letter.position))

    def replay(self, chosen: Sequence[Known], rules: Rules, pace: Pace, dry_run: bool = False) -> list[Outcome]:
        """Put letters back, in order. Stops where the broker takes none of a window: it is gone."""
        newest = self._newest(asked_about(chosen, self.topics))
        refused = [Outcome(known, "refused", why) for known in chosen if (why := refusal(known, rules, newest))]
        without = {id(outcome.known) for outcome in refused}
        allowed = [known for known in chosen if id(known) not in without]
        if dry_run:
            return [*refused, *(Outcome(known, "chosen") for known in allowed)]
        return [*refused, *self._put_back(allowed, pace)]

    def drop(self, chosen: Sequence[Known], why: str, dry_run: bool = False) -> list[Outcome]:
        """Give letters up for ever."""
        outcomes = []
        for known in chosen:
            if known.state == "dropped":
                outcomes.append(Outcome(known, "refused", "it was dropped already"))
            elif dry_run:
                outcomes.append(Outcome(known, "chosen"))
        meant = [known for known in chosen if known.state != "dropped" and not dry_run]
        for window in _windows(meant, WINDOW):
            outcomes += self._said([(known, self._resolved(known, "dropped", why)) for known in window], "dropped")
            self._told("dropped", len(outcomes), len(chosen))
        return outcomes

    def _read(self, choice: Choice) -> Box:
        box = Box()
        topics = [name for name, worker in self._workers.items() if not choice.workers or worker in choice.workers]
        since = {} if choice.since is None else dict.fromkeys(topics, choice.since - SKEW)
        with closing(self._whole([*topics, self._resolutions], since)) as records:
            for number, record in enumerate(records, 1):
                topic = record.position.topic
                if topic == self._resolutions:
                    self._resolve(box, record)
                else:
                    box.put(record, self._workers[topic])
                self._told("records read", number, None)
        return box

    def _resolve(self, box: Box, record: InRecord) -> None:
        if self._wire.is_tombstone(record):
            box.forget((record.key or b"").decode("utf-8", "replace"))
            return
        try:
            # Under whatever key: it says itself which letter of which worker it settles.
            box.resolve(self._wire.event(record, (DeadLetterResolved,)))
        except InvalidEvent:
            self.unreadable += 1

    def _newest(self, asked: set[tuple[str, bytes]]) -> dict[tuple[str, bytes], InRecord]:
        """The last record of each compacted topic and key; of equal keys on two partitions the later one."""
        topics = sorted({topic for topic, _ in asked})
        newest: dict[tuple[str, bytes], InRecord] = {}
        if not topics:
            return newest
        with closing(self._whole(topics, {})) as records:
            for record in records:
                name = record.position.topic, record.key or b""
                known = newest.get(name)
                if name in asked and (known is None or record.timestamp_ms >= known.timestamp_ms):
                    newest[name] = record
        return newest

    def _records(self, load: Sequence[Known]) -> dict[Place, InRecord]:
        """The newest copies with their values."""
        wanted = {_place(known.letter.position) for known in load}
        since: dict[str, datetime] = {}
        for letter in (known.letter for known in load):
            topic = letter.position.topic
            since[topic] = min(letter.died_at, since.get(topic, letter.died_at))
        found: dict[Place, InRecord] = {}
        with closing(self._whole(sorted(since), since)) as records:
            for record in records:
                if (place := _place(record.position)) in wanted:
                    found[place] = record
                    if len(found) == len(wanted):
                        break
        return found

    def _put_back(self, allowed: Sequence[Known], pace: Pace) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for load in _loads(allowed):
            records = self._records(load)
            for window in _windows(load, WINDOW):
                done, gone = self._send(window, records, pace)
                outcomes += done
                if gone:
                    rest = allowed[len(outcomes) :]
                    return [*outcomes, *(Outcome(known, "failed", "not tried after that") for known in rest)]
        return outcomes

    def _send(
        self, window: Sequence[Known], records: Mapping[Place, InRecord], pace: Pace
    ) -> tuple[list[Outcome], bool]:
        """Copies first; once they are acknowledged, that they were replayed: a crash between leaves a letter listed.

        Also whether the broker took none of them.
        """
        sent: list[tuple[Known, OutRecord, Future[None]]] = []
        outcomes = []
        for known in window:
            record = records.get(_place(known.letter.position))
            if record is None:
                outcomes.append(Outcome(known, "failed", "its record is gone: its time on the topic is over"))
                continue
            # Made before the copy goes: where the registry is gone, nothing was done.
            resolution = self._resolved(known, "replayed", None)
            pace.turn()
            sent.append((known, resolution, self._producer.send(replay(record, known))))
            self._told("replayed", len(sent), len(window))
        self._producer.flush(ACKNOWLEDGED_SECONDS)
        taken = []
        for known, resolution, future in sent:
            if why := _failure(future):
                outcomes.append(Outcome(known, "failed", why))
            else:
                taken.append((known, resolution))
        return [*outcomes, *self._said(taken, "replayed")], bool(sent) and not taken

    def _said(
        self, resolutions: Sequence[tuple[Known, OutRecord]], result: Literal["replayed", "dropped"]
    ) -> list[Outcome]:
        """Write what was done; a letter of which that could not be said stays listed."""
        sent = [(known, self._producer.send(record)) for known, record in resolutions]
        self._producer.flush(ACKNOWLEDGED_SECONDS)
        outcomes = []
        for known, future in sent:
            why = _failure(future)
            detail = f"{result}, but it stays listed: {why}" if result == "replayed" else why
            outcomes.append(Outcome(known, "failed", detail or "") if why else Outcome(known, result))
        return outcomes

    def _resolved(self, known: Known, action: Literal["replayed", "dropped"], why: str | None) -> OutRecord:
        replays = known.replays + (action == "replayed")
        event = DeadLetterResolved(
            dead_id=known.letter.id,
            worker=known.letter.worker,
            action=action,
            resolved_at=self._clock.now(),
            why=why,
            replays=replays,
        )
        name = f"{known.letter.id}-{action}-{replays}"
        return self._wire.record(RESOLUTIONS, event, id=name, time=event.resolved_at)


def _failure(future: Future[None]) -> str | None:
    """Why a record was not acknowledged; None where it was."""
    try:
        future.result(ACKNOWLEDGED_SECONDS)
    except ProduceFailed as error:
        return str(error)
    except TimeoutError:
        return f"not acknowledged within {ACKNOWLEDGED_SECONDS:g} s"
    return None


def _place(position: Position) -> Place:
    return position.topic, position.partition, position.offset


def _windows(letters: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(letters), size):
        yield letters[start : start + size]


def _loads(letters: Sequence[Known]) -> Iterator[Sequence[Known]]:
    """As many letters at once as memory may hold; one at least."""
    load: list[Known] = []
    size = 0
    for known in letters:
        if load and (size + known.size > LOAD_BYTES or len(load) == LOAD_LETTERS):
            yield load
            load, size = [], 0
        load.append(known)
        size += known.size
    if load:
        yield load
