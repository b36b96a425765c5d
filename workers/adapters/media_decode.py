"""A picture's bytes to the pixels a model takes (Pillow): open_clip's preprocessing, but for strangers' files.

Only pixels are believed: colour profiles, comments and scripts beside them are never looked at. What a picture may cost
is known before it is decoded: its pixels, its scans, and how many pixels are being decoded elsewhere in this process.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final, Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.Image import Resampling, Transpose

from workers.adapters.media_png import has_every_row
from workers.domain.media import InvalidMedia
from workers.domain.model_card import ImageInput, ModelCard
from workers.domain.reasons import Reason

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
"""What is read, and by which of Pillow's readers: told by content, never by a name or a header (decision 0006)."""

TOO_MANY: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_SCAN: Final = b"\xff\xda\x00"  # with its header's length, which is 14 at most
_MOST_SCANS: Final = 100
_SCANNED_AT_MOST: Final = 20  # times the pixels allowed: a scan of a few bytes costs as much time as a whole one
_ORIENTATION: Final = 0x0112
_MOST_EXIF: Final = 1 << 18
_UPRIGHT: Final = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
}  # fmt: skip
UNREADABLE: Final = (
    OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, RuntimeError, AttributeError,
    AssertionError, struct.error, zlib.error,
)  # fmt: skip
_SIDEWAYS: Final = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)
_FROM_RIGHT: Final = (Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.ROTATE_270, Transpose.TRANSVERSE)
_FROM_BELOW: Final = (Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.TRANSVERSE, Transpose.ROTATE_90)
_BAND: Final = 4_000_000  # pixels laid on white at a time
_WHITE: Final = (255, 255, 255)

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels and their fractions."""


class DecodeLimits(Protocol):
    """What a picture may cost at most; Settings is one."""

    @property
    def media_max_bytes(self) -> int: ...

    @property
    def media_max_pixels(self) -> int: ...


class Decoder:
    """What the embedder and the match API do to every picture; from any number of threads.

    At most ``at_once`` pixels are in decoding at a time, or one picture. Measured on 24 million pixels of each kind, a
    pixel takes 4 bytes (JPEG, PNG) to 11 (16-bit PNG), and 16 as WEBP.
    """

    def __init__(self, limits: DecodeLimits, card: ModelCard, at_once: int) -> None:
        self._limits, self._wanted, self._at_once = limits, card.image, at_once
        self._pixels, self._change = 0, threading.Condition()

    def __call__(self, data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """uint8 (size, size, 3). Raises InvalidMedia. Blocks."""
        image = opened(data, self._limits)
        with self.room(image.width * image.height):
            part = scaled_down(image, self._wanted)
            return to_pixels(loaded(image), self._wanted, part)

    @contextmanager
    def room(self, pixels: int) -> Iterator[None]:
        """Wait until so many pixels may be in decoding beside what is; they are until the block ends."""
        with self._change:
            self._change.wait_for(lambda: not self._pixels or self._pixels + pixels <= self._at_once)
            self._pixels += pixels
        try:
            yield
        finally:
            with self._change:
                self._pixels -= pixels
                self._change.notify_all()


def decode(data: bytes, limits: DecodeLimits) -> Image.Image:
    """The picture upright, RGB, alpha laid on white; of a moving picture the first frame.

    Bytes, pixels and scans are checked before anything is decoded. Raises InvalidMedia: ``media_too_large``,
    ``media_too_many_pixels``, ``media_type`` or ``media_corrupt``.
    """
    return loaded(opened(data, limits))


def opened(data: bytes, limits: DecodeLimits) -> Image.Image:
    """The header alone, and whether a PNG's data reach its last row."""
    if len(data) > limits.media_max_bytes:
        raise InvalidMedia(Reason.MEDIA_TOO_LARGE, f"{len(data)} bytes, at most {limits.media_max_bytes} are read")
    try:
        image: Image.Image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise InvalidMedia(Reason.MEDIA_TYPE, f"no picture of a known type ({', '.join(FORMATS)})") from error
    except TOO_MANY as error:
        most = min(limits.media_max_pixels, Image.MAX_IMAGE_PIXELS or limits.media_max_pixels)
        raise InvalidMedia(Reason.MEDIA_TOO_MANY_PIXELS, f"more pixels than the {most} that are read") from error
    except Exception as error:  # whatever a reader raises at a stranger's bytes, it is the bytes that are wrong
        raise InvalidMedia(Reason.MEDIA_CORRUPT, f"cannot be opened: {_said(error)}") from error
    pixels = image.width * image.height
    if pixels > limits.media_max_pixels:
        size = f"{image.width} x {image.height} pixels"
        raise InvalidMedia(Reason.MEDIA_TOO_MANY_PIXELS, f"{size}, at most {limits.media_max_pixels} are read")
    scans = data.count(_SCAN) if image.format in ("JPEG", "MPO") else 1
    if scans > _MOST_SCANS or scans * pixels > _SCANNED_AT_MOST * limits.media_max_pixels:
        raise InvalidMedia(Reason.MEDIA_TOO_MANY_PIXELS, f"{scans} scans of {image.width} x {image.height} pixels")
    if image.format == "PNG" and not _whole_png(data):
        raise InvalidMedia(Reason.MEDIA_CORRUPT, "PNG cannot be decoded: its data end before its last row")
    return image


def _whole_png(data: bytes) -> bool:
    try:
        return has_every_row(data)
    except UNREADABLE as error:
        raise InvalidMedia(Reason.MEDIA_CORRUPT, f"PNG cannot be decoded: {_said(error)}") from error


def scaled_down(image: Image.Image, wanted: ImageInput) -> Box | None:
    """Have a JPEG decoded at a half, a quarter or an eighth, where that leaves the vector what it is.

    Where the picture lies in what will be decoded, once that is upright: its last column and row may be less than a
    pixel wide. None where all is decoded.
    """
    side = max(image.size) if wanted.resize_mode == "longest" else min(image.size)
    least = wanted.oversampling * wanted.size
    # A side of less than a pixel is no picture: a thin one is decoded whole.
    scale = next((scale for scale in (8, 4, 2) if side >= least * scale and min(image.size) >= scale), 1)
    width, height = image.width / scale, image.height / scale
    if scale == 1 or image.format != "JPEG" or image.draft(None, (int(width), int(height))) is None:
        return None
    across, down = image.width - width, image.height - height
    turn = _UPRIGHT.get(_orientation(image))
    if turn in _SIDEWAYS:
        width, height, across, down = height, width, down, across
    left, top = across * (turn in _FROM_RIGHT), down * (turn in _FROM_BELOW)
    return left, top, left + width, top + height


def loaded(image: Image.Image) -> Image.Image:
    """Upright, RGB, alpha laid on white, of what ``opened`` gave, at the frame it stands at. Raises InvalidMedia."""
    try:
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        rgb = _to_rgb(image)
    except TOO_MANY as error:
        raise InvalidMedia(Reason.MEDIA_TOO_MANY_PIXELS, "a frame of more pixels than are read") from error
    except Exception as error:  # as above; not BaseException: a worker that is told to end does
        raise InvalidMedia(Reason.MEDIA_CORRUPT, f"{image.format} cannot be decoded: {_said(error)}") from error
    return rgb if turn is None else rgb.transpose(turn)


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error}"[:200]


def _orientation(image: Image.Image) -> int:
    """How the camera was held, 1 to 8. A picture whose EXIF is damaged is none the worse for it."""
    if len(image.info.get("exif", b"")) > _MOST_EXIF:
        return 1
    try:
        said = image.getexif().get(_ORIENTATION, 1)
        return said if isinstance(said, int) else 1
    except UNREADABLE:
        return 1


def to_pixels(image: Image.Image, wanted: ImageInput, box: Box | None = None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8 (size, size, 3): resized and cropped as open_clip's evaluation transform does, not yet normalised.

    ``box`` (left, top, right, bottom): the picture's part of ``image``, in fractions of pixels; all of it otherwise.
    """
    size, gap = wanted.size, wanted.oversampling
    method = Resampling.BILINEAR if wanted.interpolation == "bilinear" else Resampling.BICUBIC
    rgb = image if image.mode == "RGB" else _to_rgb(image)
    whole = box or (0.0, 0.0, float(image.width), float(image.height))
    if wanted.resize_mode == "squash":
        square = rgb.resize((size, size), method, whole, gap)
    elif wanted.resize_mode == "longest":
        square = _fit_longest(rgb, size, method, whole, gap, wanted.fill)
    else:
        square = rgb.resize((size, size), method, _middle(whole, size), gap)
    return np.asarray(square, dtype=np.uint8)


def _middle(whole: Box, size: int) -> Box:
    """What torchvision's Resize(size) and CenterCrop(size) keep, to the rounding of each; nothing else is resized."""
    left, top, right, bottom = whole
    short, long = sorted((right - left, bottom - top))
    other = int(size * long / short)
    width, height = (size, other) if right - left <= bottom - top else (other, size)
    across, down = (right - left) / width, (bottom - top) / height
    left, top = left + round((width - size) / 2) * across, top + round((height - size) / 2) * down
    return left, top, left + size * across, top + size * down


def _fit_longest(image: Image.Image, size: int, method: Resampling, whole: Box, gap: float, fill: int) -> Image.Image:
    """open_clip's ResizeKeepRatio(longest=1) and CenterCropOrPad."""
    across, down = whole[2] - whole[0], whole[3] - whole[1]
    ratio = max(across / size, down / size)
    width, height = max(1, round(across / ratio)), max(1, round(down / ratio))
    canvas = Image.new("RGB", (size, size), (fill, fill, fill))
    canvas.paste(image.resize((width, height), method, whole, gap), ((size - width) // 2, (size - height) // 2))
    return canvas


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I") or image.has_transparency_data:
        return _in_bands(image)
    return image.convert("RGB")


def _in_bands(image: Image.Image) -> Image.Image:
    """Band by band, so that a large picture is in memory once as it was and once as RGB, and no third time."""
    canvas = Image.new("RGB", image.size, _WHITE)
    rows = max(1, _BAND // max(1, image.width))
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        if band.mode.startswith("I"):
            canvas.paste(_deep_grey(band), (0, top))
        else:
            clear = band.convert("RGBA")
            canvas.paste(clear, (0, top), clear)
    return canvas


def _deep_grey(image: Image.Image) -> Image.Image:
    """16-bit greys by their range: Pillow's own convert cuts at 255."""
    values = np.asarray(image, dtype=np.float64)
    grey = np.clip(values / 65535.0 * 255.0, 0, 255).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
