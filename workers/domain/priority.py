"""Whose pictures and texts the encoder takes first, and how many may wait for it."""

from __future__ import annotations

from enum import IntEnum


class Priority(IntEnum):
    """Triton's own order: 1 before 2 before 3. Within one, first come first served."""

    SEARCH = 1
    """Somebody waits for the answer."""
    LIVE = 2
    """Posts and profiles as they are published."""
    BACKFILL = 3
    """Posts of the past: whenever nothing else waits."""
