"""What a medium from outside may turn out to be: frames to embed, unusable for good, or not to be had now."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workers.domain.vectors import Array

_SHOWN = 200
_USER = re.compile(r"^([^:/?#]*:)?//[^/?#]*@")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")


MOST_KEYFRAMES = 8
"""Of one medium: ordinals of visuals are below it."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture, at 0 ms, or a keyframe of what moves, when it is shown; as the encoder wants it, uint8 (S, S, 3).

    ``perceptual_hash`` is of the whole picture; empty for a plain one.
    """

    timestamp_ms: int
    pixels: Array
    perceptual_hash: str = ""


class InvalidMedia(Exception):
    """A medium that cannot be used, now or later. ``reason`` is a ``media_`` code of ``Reason``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class MediaUnavailable(Exception):
    """The host of a medium is busy, slow or gone: try again, after ``after`` seconds where that is known.

    ``asked`` is False where the host was left alone this time: it rests, or too many wait for it already.
    """

    def __init__(self, detail: str, after: float | None = None, *, asked: bool = True) -> None:
        super().__init__(detail)
        self.after = after
        self.asked = asked


def shown_address(url: str) -> str:
    """A stranger's URL as it may be logged: without query and credentials, which may be secrets, and not for ever."""
    bare = _USER.sub(r"\1//", url.split("?", 1)[0].split("#", 1)[0])
    return _CONTROL.sub("_", bare[:_SHOWN])
