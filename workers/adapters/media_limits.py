"""What a medium that moves may cost at most."""

from __future__ import annotations

import time
from typing import Protocol

from workers.adapters.media_decode import DecodeLimits
from workers.domain.media import InvalidMedia
from workers.domain.reasons import Reason


class FrameLimits(DecodeLimits, Protocol):
    """Settings is one."""

    @property
    def media_max_video_bytes(self) -> int: ...

    @property
    def media_max_video_seconds(self) -> float: ...

    @property
    def media_max_video_frames(self) -> int: ...

    @property
    def media_max_frame_pixels(self) -> int: ...

    @property
    def media_video_pixels(self) -> int: ...

    @property
    def media_decode_seconds(self) -> float: ...

    @property
    def media_keyframes(self) -> int: ...


LEAST_PIXELS = 1 << 14
"""What a frame counts for at least against ``media_video_pixels``, however small it is."""


def most_frames(width: int, height: int, pixels: int) -> int:
    """How many frames may be decoded for so many pixels; one in any case."""
    return max(1, pixels // max(LEAST_PIXELS, width * height))


class Spent:
    """Processor time of this thread since it was made, the last resort: what it ends is refused, not embedded in part.

    All else is bounded by counts, so that the same bytes give the same keyframes on any machine.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._begun = seconds, time.thread_time()

    def check(self) -> None:
        """Raises InvalidMedia, ``media_too_slow``."""
        if time.thread_time() - self._begun > self._seconds:
            raise too_slow(self._seconds)


def too_slow(seconds: float) -> InvalidMedia:
    """The error of a medium that took longer."""
    return InvalidMedia(Reason.MEDIA_TOO_SLOW, f"more than {seconds:g} s to decode")
