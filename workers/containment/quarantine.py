"""Which event kills the process: it is set aside, and no innocent with it.

What may have been in flight stands in the metadata of a partition's committed offset, the note. A process that stops in
good order writes ``clean``; after any other end, the events that may have been in flight run one by one, and only one
that was alone when the process died counts. Pure: the loop asks, and the polling thread writes the note.
"""

from __future__ import annotations

import json
from asyncio import CancelledError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

DEATHS: Final = 3
CLEAN: Final = "clean"
STORED: Final = "stored"


Span = tuple[int, int]
"""From an offset to before another."""


@dataclass(slots=True)
class Quarantine:
    """Of one partition, from its assignment on. Offsets from ``since`` to ``window`` run alone: they may have killed a
    process; what lies before was stored. So do those of ``span``, which were stored and in flight again, to be made
    final; of this process, those are ``closing``.

    Offsets below ``careful`` were there when it died, and may have begun after its last note: before one of them
    begins, the note that says so must be acknowledged. ``begun`` is behind all that has begun here; ``alone`` is the
    offset that runs alone now; ``suspect`` died ``deaths`` times alone. ``broken``: what was in flight was dropped;
    ``faulty``: by a fault of the code.
    """

    window: int = 0
    careful: int = 0
    suspect: int = -1
    deaths: int = 0
    begun: int = 0
    alone: int | None = None
    broken: bool = False
    faulty: bool = False
    noted: tuple[int, int | None, Span] | None = None
    since: int = 0
    span: Span = (0, 0)
    closing: set[int] = field(default_factory=set)

    def is_suspect(self, offset: int) -> bool:
        """Whether it must run alone."""
        low, high = self.span
        return offset == self.suspect or self.since <= offset < self.window or low <= offset < high

    def is_condemned(self, offset: int) -> bool:
        """Whether it has killed the process as often as it may."""
        return offset == self.suspect and self.deaths >= DEATHS

    def begin(self, offset: int, again: bool = False) -> None:
        """It is about to run, alone if it is a suspect; ``again``: to be made final."""
        self.begun = max(self.begun, offset + 1)
        if again:
            self.closing.add(offset)
        if self.is_suspect(offset):
            self.alone = offset

    def dropped(self, fault: bool) -> None:
        """What was in flight did not end. After a fault, which ends the process, what was alone is held to be it."""
        self.broken, self.faulty = True, self.faulty or fault

    def survived(self, offset: int) -> None:
        """It has ended, and the process has not."""
        if not self.faulty:
            self.alone = None
            self.closing.discard(offset)

    def wants_note(self) -> bool:
        """Whether what is about to run must wait until the note that says so is acknowledged."""
        if self.noted is None:
            return self.begun > 0
        begun, alone, (low, high) = self.noted
        hidden = any(offset < self.careful and not low <= offset < high for offset in self.closing)
        return alone != self.alone or begun < min(self.begun, self.careful) or hidden

    def note(self, settled: int, leaving: bool, stored: int | None = None) -> str:
        """What goes with the commit of offset ``settled``; ``leaving`` in good order says so.

        Everything before ``stored`` can be searched, as others who ask how far this worker is are told too.
        """
        behind = max(self.window, self.begun)
        if leaving and not self.broken and self.alone is None:
            behind = self.window
            if behind <= settled:
                return CLEAN
        said: dict[str, int] = {"open": behind}
        if (stored or 0) > settled:
            said[STORED] = stored or 0
        # A copy, made in one step: the polling thread asks while the loop goes on.
        if closing := tuple(self.closing):
            said |= {"low": min(closing), "high": max(closing) + 1}
        if self.alone is not None:
            deaths = self.deaths if self.suspect == self.alone else 0
            said |= {"suspect": self.alone, "deaths": deaths + 1, "alone": 1}
        elif self.suspect >= settled:
            said |= {"suspect": self.suspect, "deaths": self.deaths}
        return json.dumps(said)

    def acknowledged(self, note: str | None) -> None:
        """Kafka has this note of ours."""
        said = _read(note)
        if "open" in said:
            self.noted = said["open"], said.get("suspect") if "alone" in said else None, _span(said)


@contextmanager
def in_flight(
    places: Sequence[tuple[Quarantine, int, bool]], blameless: tuple[type[BaseException], ...]
) -> Iterator[None]:
    """What a batch does to the quarantine of each of its items, by offset, and whether it is there to be made final.

    An end by one of ``blameless`` accuses nobody, a cancelled batch was dropped, any other exception is a fault.
    """
    for quarantine, offset, again in places:
        quarantine.begin(offset, again)
    try:
        yield
    except blameless:
        raise
    except BaseException as error:
        for quarantine, _, _ in places:
            quarantine.dropped(fault=not isinstance(error, CancelledError))
        raise
    finally:
        for quarantine, offset, _ in places:
            quarantine.survived(offset)


def arrested(note: str | None, end: int) -> Quarantine:
    """As the note of the former owner says; ``end`` is the partition's end now."""
    said = _read(note)
    if "open" not in said:
        return Quarantine()
    suspect, deaths, since = said.get("suspect", -1), said.get("deaths", 0), said.get(STORED, 0)
    return Quarantine(said["open"], end, suspect, deaths, since=since, span=_span(said))


def stored_by(note: str | None) -> int:
    """The offset before which everything can be searched, as a note says; 0 where it says nothing of it."""
    return _read(note).get(STORED, 0)


def _span(said: dict[str, int]) -> Span:
    return said.get("low", 0), said.get("high", 0)


def _read(note: str | None) -> dict[str, int]:
    """The numbers of a note; none of one that is not ours."""
    try:
        said = json.loads(note or "{}")
    except ValueError:
        return {}
    return {k: v for k, v in said.items() if isinstance(v, int)} if isinstance(said, dict) else {}
