"""All dead letters, each once: copies of one event are one letter, and what was done about it stands beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from workers.domain.events import DeadLetterResolved
from workers.wire.letters import Letter, read_letter
from workers.wire.records import InRecord

State = Literal["dead", "replayed", "dropped"]
_Identity = tuple[str, str, bytes]


@dataclass(frozen=True, slots=True)
class Known:
    """A dead letter by its newest copy. ``size``: bytes of its value. ``copies``: how often it lies there."""

    letter: Letter
    size: int
    copies: int
    resolution: DeadLetterResolved | None

    @property
    def state(self) -> State:
        """``dead`` unless an operator replayed or dropped it and it has not died again since."""
        letter, resolution = self.letter, self.resolution
        if resolution is None or not resolution.covers(letter.worker, letter.replays):
            return "dead"
        return resolution.action

    @property
    def replays(self) -> int:
        """How often it was replayed, by what its headers and what its resolution say."""
        said = self.resolution.replays if self.resolution else 0
        return max(self.letter.replays, said)


class Box:
    """Folds the topics, in any order of reading. Values are not kept, only what they are known by.

    An id that a stranger's headers claim stands beside the real one, never over it: copies have the same bytes.
    """

    def __init__(self) -> None:
        self._letters: dict[_Identity, Letter] = {}
        self._sizes: dict[_Identity, int] = {}
        self._copies: dict[_Identity, int] = {}
        self._resolutions: dict[str, DeadLetterResolved] = {}

    def put(self, record: InRecord, worker: str) -> None:
        """Take a record of ``<worker>.dead`` over."""
        letter = read_letter(record, worker)
        value = record.value or b""
        identity = (worker, letter.id, blake2b(value, digest_size=16).digest())
        known = self._letters.get(identity)
        if known is None or _age(letter) >= _age(known):
            self._letters[identity] = letter
        self._sizes[identity] = len(value)
        self._copies[identity] = self._copies.get(identity, 0) + 1

    def resolve(self, resolution: DeadLetterResolved) -> None:
        """Take a resolution over; the topic has one partition, so that the last is the newest."""
        self._resolutions[resolution.dead_id] = resolution

    def forget(self, dead_id: str) -> None:
        """A resolution's key was deleted."""
        self._resolutions.pop(dead_id, None)

    def letters(self) -> Iterator[Known]:
        """Every letter, in the order in which the events first lay."""
        for identity in sorted(self._letters, key=lambda each: _place(self._letters[each])):
            letter = self._letters[identity]
            resolution = self._resolutions.get(letter.id)
            yield Known(letter, self._sizes[identity], self._copies[identity], resolution)


def _age(letter: Letter) -> tuple[int, float, int, int]:
    """Lives before times: what was replayed more often died later, whatever a clock says."""
    return letter.replays, letter.died_at.timestamp(), letter.position.offset, letter.position.partition


def _place(letter: Letter) -> tuple[str, int, int, str, str]:
    origin = letter.origin
    return origin.topic, origin.partition, origin.offset, letter.worker, letter.id
