"""Whatever medium a post holds, told by its bytes, to the frames that are embedded: one of a picture, or more."""

from __future__ import annotations

from typing import Final

from workers.adapters.media_decode import Decoder, loaded, opened, scaled_down
from workers.adapters.media_limits import FrameLimits, Spent
from workers.adapters.media_looks import framed
from workers.adapters.media_moving import keyframes_of_picture, may_move
from workers.adapters.media_video import container_of, frame_pixels, keyframes
from workers.domain.media import Frame, InvalidMedia
from workers.domain.model_card import ModelCard
from workers.domain.reasons import Reason

_DECODED_AT_ONCE: Final = 4
"""For how many pictures of its frame's size a video counts: decoders keep 16 frames, of 1.5 to 3 bytes a pixel."""


class Frames:
    """From any number of threads; ``decoder`` decodes the pictures, and its room is for videos too."""

    def __init__(self, limits: FrameLimits, card: ModelCard, decoder: Decoder) -> None:
        self._limits, self._card, self._decoder = limits, card, decoder

    def __call__(self, data: bytes) -> list[Frame]:
        """At least one, in the order of their times. Raises InvalidMedia. Blocks."""
        container = container_of(data)
        if container is not None:
            return self._of_video(data, container)
        image = opened(data, self._limits)
        with self._decoder.room(image.width * image.height):
            if not may_move(data):
                part = scaled_down(image, self._card.image)
                return [framed(0, loaded(image), self._card, part)]
            return keyframes_of_picture(image, self._limits, self._card)

    def _of_video(self, data: bytes, container: str) -> list[Frame]:
        most = self._limits.media_max_video_bytes
        if len(data) > most:
            raise InvalidMedia(Reason.MEDIA_TOO_LARGE, f"a video of {len(data)} bytes, at most {most} are read")
        spent = Spent(self._limits.media_decode_seconds)
        # A frame as large as may be, until its header has been read.
        with self._decoder.room(_DECODED_AT_ONCE * self._limits.media_max_frame_pixels):
            pixels = frame_pixels(data, container, self._limits, spent)
        with self._decoder.room(_DECODED_AT_ONCE * pixels):
            return keyframes(data, container, self._limits, self._card, spent)
