"""Which dead letters are meant: by id, worker, reason, key and time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from workers.dead_letters.box import Known

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(\d{1,6})([smhdw])")


@dataclass(frozen=True, slots=True)
class Choice:
    """Whatever is empty, or None, chooses nothing away. Of the death: ``since`` included, ``until`` not."""

    ids: frozenset[str] = frozenset()
    workers: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    keys: frozenset[bytes] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def given(self) -> bool:
        """Whether anything is chosen by."""
        return self != Choice()

    def means(self, known: Known) -> bool:
        """Whether a letter is meant."""
        letter = known.letter
        return (
            (not self.ids or letter.id in self.ids)
            and (not self.workers or letter.worker in self.workers)
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.keys or letter.key in self.keys)
            and (self.since is None or letter.died_at >= self.since)
            and (self.until is None or letter.died_at < self.until)
        )


def moment(text: str, now: datetime) -> datetime:
    """A time as people write it: ISO 8601 (without an offset it is UTC), or how long ago: ``90s``, ``2h``, ``1d12h``.

    Raises ValueError.
    """
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        try:
            return now - sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
        except OverflowError as error:
            raise ValueError(f"{text!r} is before the calendar begins") from error
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is neither a time (2026-05-04T18:30) nor a duration (90s, 30m, 2h, 7d)") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
