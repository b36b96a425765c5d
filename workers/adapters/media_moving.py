"""A picture that moves (GIF, WebP, APNG, AVIF) to its keyframes (Pillow), by the same choice as a video's."""

from __future__ import annotations

from typing import Any, Final

from PIL import Image

from workers.adapters.media_decode import TOO_MANY, UNREADABLE, loaded
from workers.adapters.media_keyframes import LOOKS, chosen, signature
from workers.adapters.media_limits import FrameLimits, Spent, most_frames
from workers.adapters.media_looks import framed
from workers.domain.media import Frame, InvalidMedia
from workers.domain.model_card import ModelCard

_SHORTEST_MS: Final = 11
_USUAL_MS: Final = 100
_DEARER: Final = 16  # a pixel of a frame that is laid over the one before it, 60 ns in a GIF, than one of a video
_ANIMATED_WEBP: Final = 0x02


def may_move(data: bytes) -> bool:
    """Whether a file of pictures may hold more than one to be shown after another, by its first bytes."""
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X":
        return bool(data[20:21] and data[20] & _ANIMATED_WEBP)
    if data[:4] == b"\x89PNG":
        return b"acTL" in data[: data.find(b"IDAT") if b"IDAT" in data else 0]
    return data[:4] == b"GIF8" or data[4:12] == b"ftypavis"


def keyframes_of_picture(image: Image.Image, limits: FrameLimits, card: ModelCard) -> list[Frame]:
    """Of what ``opened`` gave: the keyframes with the times at which browsers show them.

    The first frame must be sound. It goes on until one is not, or reaches beyond the picture (in a GIF one may, and
    Pillow makes the picture larger), or a 16th of ``media_video_pixels`` are decoded: what lies behind that is not
    looked at. Blocks. Raises InvalidMedia as ``loaded`` does, and ``media_too_slow``.
    """
    spent = Spent(limits.media_decode_seconds)
    most = most_frames(image.width, image.height, limits.media_video_pixels // _DEARER)
    looks: list[Frame] = []
    size = image.size
    at, every = 0, 1
    for number in range(most):
        spent.check()
        try:
            if number:
                image.seek(number)
            if image.size != size:
                break
            if number % every == 0:
                looks.append(framed(at, loaded(image), card))
            else:
                image.load()
        except EOFError:
            break
        except (InvalidMedia, *TOO_MANY, *UNREADABLE):
            if number == 0:
                raise
            break
        at += _shown_ms(image.info.get("duration"))
        if len(looks) > LOOKS:
            looks, every = looks[::2], 2 * every
    picked = chosen(
        [look.timestamp_ms for look in looks], [signature(look.pixels) for look in looks], limits.media_keyframes
    )
    return [looks[number] for number in picked]


def _shown_ms(said: Any) -> int:
    """How long browsers show a frame: what says hardly anything or nothing gets a tenth of a second."""
    sane = isinstance(said, int | float) and _SHORTEST_MS <= said <= 1 << 31
    return int(said) if sane else _USUAL_MS
