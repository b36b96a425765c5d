"""What a picture from outside may turn out to be: unusable for good, or not to be had now."""

from __future__ import annotations


class InvalidMedia(Exception):
    """A picture that cannot be used, now or later. ``reason`` is a code of the closed list of dead letters.

    ``media_gone``, ``media_forbidden``, ``media_too_large``, ``media_unsupported`` or ``media_invalid``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class MediaUnavailable(Exception):
    """The host of a picture is busy, slow or gone: try again later."""
