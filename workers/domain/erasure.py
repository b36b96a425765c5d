"""Who is erased, known by keyed hashes alone: without the key nobody can tell whose a hash is, or confirm a guess."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from workers.domain.events import CreatorErased, CreatorReinstated, ErasureRecorded
from workers.domain.events.envelope import Event

MIN_KEY_BYTES: Final = 16
_KEY_ID_LENGTH: Final = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NEVER = (-1, False)


class WrongErasureKey(Exception):
    """A hash was made with another key than this process has: it could not tell who is erased."""


class ErasureKey:
    """HMAC-SHA256 under a secret. Every hash begins with the key's own id, so that a wrong key is seen."""

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError for a secret that could be guessed."""
        if len(secret) < MIN_KEY_BYTES:
            raise ValueError(f"a key of {len(secret)} bytes; {MIN_KEY_BYTES} are the least")
        self._secret = secret
        self.id = self._digest("\x00the id of this key")[:_KEY_ID_LENGTH]

    def hash(self, creator_id: str) -> str:
        """``<key id>-<64 hexadecimal digits>``."""
        return f"{self.id}-{self._digest(creator_id)}"

    def check(self, creator_hash: str) -> None:
        """Raise WrongErasureKey unless the hash was made with this key."""
        if not creator_hash.startswith(f"{self.id}-"):
            raise WrongErasureKey(f"the erasures were recorded under key {creator_hash[:8]!r}; this one is {self.id!r}")

    def _digest(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), "sha256").hexdigest()


def milliseconds(time: datetime) -> int:
    """Unix milliseconds of an aware time, exactly."""
    return (time - _EPOCH) // _MILLISECOND


def rank_of(event: CreatorErased | CreatorReinstated | ErasureRecorded) -> tuple[int, bool]:
    """Of all that was said of a creator, the greatest rank stands: the latest; at one moment an erasure."""
    if isinstance(event, ErasureRecorded):
        return milliseconds(event.recorded_at), event.erased
    return milliseconds(event.requested_at), isinstance(event, CreatorErased)


class Erasures:
    """The topic ``erasures`` in memory: what was last said of each creator. Any thread may use it."""

    accepted: type[Event] = ErasureRecorded

    def __init__(self, key: ErasureKey) -> None:
        self.key = key
        self._ranks: dict[str, tuple[int, bool]] = {}
        self._lock = Lock()
        self._forgets: list[Callable[[], None]] = []

    def forgets(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` at every erasure that is heard of from now on, in the thread that hears of it."""
        self._forgets.append(forget)

    def put(self, event: Event) -> None:
        """Take over what a record says, unless something later is known. Raises WrongErasureKey."""
        assert isinstance(event, ErasureRecorded)
        self.key.check(event.creator_hash)
        with self._lock:
            known = self._ranks.get(event.creator_hash, _NEVER)
            self._ranks[event.creator_hash] = max(known, rank_of(event))
        if event.erased:
            for forget in self._forgets:
                forget()

    def drop(self, key: str) -> None:
        """Forget a hash: its key was deleted."""
        with self._lock:
            self._ranks.pop(key, None)

    def rank(self, creator_id: str) -> tuple[int, bool]:
        """When the creator's standing was last said (Unix milliseconds, -1 for never), and whether it is erased."""
        return self._ranks.get(self.key.hash(creator_id), _NEVER) if self._ranks else _NEVER

    def erased(self, creator_id: str) -> bool:
        """Whether the creator is erased and was not reinstated since."""
        return self.rank(creator_id)[1]

    def __len__(self) -> int:
        return len(self._ranks)


def recorded(event: CreatorErased | CreatorReinstated, key: ErasureKey) -> ErasureRecorded:
    """What the topic ``erasures`` says of an event."""
    erased = isinstance(event, CreatorErased)
    return ErasureRecorded(creator_hash=key.hash(event.creator_id), erased=erased, recorded_at=event.requested_at)
