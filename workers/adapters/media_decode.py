"""A picture's bytes to the pixels a model takes (Pillow): open_clip's preprocessing, but for strangers' files."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any, Final, Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.Image import Resampling

from workers.domain.media import InvalidMedia
from workers.domain.model_card import ModelCard
from workers.domain.reasons import Reason

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What is read, told by content: never by a name or a header. Of moving pictures the first frame."""

# What Pillow's readers raise for a file that is damaged or cut off.
_DAMAGED: Final = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, RuntimeError,
    struct.error, zlib.error,
)  # fmt: skip
_TOO_MANY: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_LONGEST_STRIP: Final = 8  # sides longer than so many short ones are cropped before they are enlarged
_WHITE: Final = (255, 255, 255, 255)


class DecodeLimits(Protocol):
    """What a picture may cost at most; Settings is one."""

    @property
    def media_max_bytes(self) -> int: ...

    @property
    def media_max_pixels(self) -> int: ...


def decode(data: bytes, limits: DecodeLimits) -> Image.Image:
    """The picture upright, RGB, alpha laid on white. Size and pixels are checked before anything is decoded.

    Raises InvalidMedia: ``media_too_large``, ``media_too_many_pixels``, ``media_type`` or ``media_corrupt``.
    """
    if len(data) > limits.media_max_bytes:
        raise InvalidMedia(Reason.MEDIA_TOO_LARGE, f"{len(data)} bytes, at most {limits.media_max_bytes} are read")
    try:
        image: Image.Image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise InvalidMedia(Reason.MEDIA_TYPE, f"no picture of a known type ({', '.join(FORMATS)})") from error
    except _TOO_MANY as error:
        raise InvalidMedia(Reason.MEDIA_TOO_MANY_PIXELS, str(error)) from error
    except _DAMAGED as error:
        raise InvalidMedia(Reason.MEDIA_CORRUPT, f"cannot be opened: {error}") from error
    if image.width * image.height > limits.media_max_pixels:
        size = f"{image.width} x {image.height} pixels"
        raise InvalidMedia(Reason.MEDIA_TOO_MANY_PIXELS, f"{size}, at most {limits.media_max_pixels} are read")
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
        return _to_rgb(upright)
    except _TOO_MANY as error:
        raise InvalidMedia(Reason.MEDIA_TOO_MANY_PIXELS, str(error)) from error
    except _DAMAGED as error:
        raise InvalidMedia(Reason.MEDIA_CORRUPT, f"{image.format} cannot be decoded: {error}") from error


def to_pixels(image: Image.Image, card: ModelCard) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8 (size, size, 3): resized and cropped as open_clip's evaluation transform does, not yet normalised."""
    size = card.image.size
    method = Resampling.BILINEAR if card.image.interpolation == "bilinear" else Resampling.BICUBIC
    rgb = image if image.mode == "RGB" else _to_rgb(image)
    if card.image.resize_mode == "squash":
        square = rgb.resize((size, size), method)
    elif card.image.resize_mode == "longest":
        square = _fit_longest(rgb, size, method, card.image.fill)
    else:
        square = _fit_shortest(rgb, size, method)
    return np.asarray(square, dtype=np.uint8)


def _fit_shortest(image: Image.Image, size: int, method: Resampling) -> Image.Image:
    """torchvision's Resize(size) and CenterCrop(size), to the rounding of each."""
    short, long = sorted(image.size)
    if long > _LONGEST_STRIP * short:
        return _crop_first(image, size, method)
    other = int(size * long / short)
    width, height = (size, other) if image.width <= image.height else (other, size)
    resized = image if (width, height) == image.size else image.resize((width, height), method)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return resized.crop((left, top, left + size, top + size))


def _crop_first(image: Image.Image, size: int, method: Resampling) -> Image.Image:
    # A strip of 1 x 50,000 pixels would otherwise be enlarged to 200 million before all but its middle is dropped.
    short = min(image.size)
    left, top = (image.width - short) / 2, (image.height - short) / 2
    return image.resize((size, size), method, box=(left, top, left + short, top + short))


def _fit_longest(image: Image.Image, size: int, method: Resampling, fill: int) -> Image.Image:
    """open_clip's ResizeKeepRatio(longest=1) and CenterCropOrPad."""
    ratio = max(image.width / size, image.height / size)
    width, height = max(1, round(image.width / ratio)), max(1, round(image.height / ratio))
    canvas = Image.new("RGB", (size, size), (fill, fill, fill))
    canvas.paste(image.resize((width, height), method), ((size - width) // 2, (size - height) // 2))
    return canvas


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba).convert("RGB")
    return image.convert("RGB")


def _deep_grey(image: Image.Image) -> Image.Image:
    """16-bit and float greys by their range (65,535, or 1 where nothing is above): Pillow's own convert cuts at 255."""
    values = np.asarray(image, dtype=np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    top = 65535.0 if image.mode.startswith("I") else 255.0 if values.max(initial=0.0) > 1.0 else 1.0
    grey = np.clip(values / top * 255.0, 0, 255).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
