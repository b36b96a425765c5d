"""What an MP4's tables would grow to, before anyone builds them: a few bytes can stand for billions of frames.

libav makes an entry in memory for each frame that a table declares. Here the tables are found and their counts added
up, wherever in the file they lie. Tracks that hold no pictures are hidden from libav: theirs need no reading.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from workers.domain.media import InvalidMedia
from workers.domain.reasons import Reason

_SIZES: Final = (b"stsz", b"stz2")
_LENGTHS: Final = (b"stts", b"ctts")
_PACKED: Final = b"cmov"
_PARTS: Final = 4  # of a fragment's samples: sound and pictures both
_FREE: Final = b"free"
_OTHERS: Final = (b"soun", b"m1a ", b"subp", b"clcp")


def hidden_tracks(data: bytes, most: int) -> tuple[int, ...]:
    """Where the types of the tracks stand that are not pictures': written over by ``free``, libav passes over them.

    Raises InvalidMedia: ``media_too_long`` where the tables of the others declare more than ``most`` frames,
    ``media_unsupported`` for a packed header.
    """
    hidden: list[int] = []
    fragments = 0
    for start, end in _outside_mdat(data):
        if _PACKED in data[start:end]:
            raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, "a movie whose header is packed")
        shut = [(at, stop) for at, stop in _tracks(data, start, end) if not _shows(data, at, stop)]
        hidden += [at + 4 for at, _ in shut]
        for at in _found(data, start, end, (*_SIZES, *_LENGTHS)):
            if not any(first < at < stop for first, stop in shut):
                _refuse_over(most, _declared(data, at, end))
        fragments += sum(_word(data, at + 8) for at in _found(data, start, end, (b"trun",)))
    _refuse_over(most, fragments // _PARTS)
    return tuple(hidden)


def _outside_mdat(data: bytes) -> Iterator[tuple[int, int]]:
    """The parts of the file that are not its media: first and last of each top-level box but ``mdat``."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
        end = len(data) if size < 8 else min(len(data), at + size)
        if kind != b"mdat":
            yield at, end
        at = end


def _tracks(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    for at in _found(data, start, end, (b"trak",)):
        size = _word(data, at - 4)
        yield at - 4, min(end, at - 4 + size) if size >= 8 else end


def _shows(data: bytes, start: int, end: int) -> bool:
    """Whether a track says of itself that it is pictures, and nowhere that it is anything else."""
    handlers = {data[at + 12 : at + 16] for at in _found(data, start, end, (b"hdlr",))}
    return b"vide" in handlers and not handlers & set(_OTHERS)


def _found(data: bytes, start: int, end: int, kinds: tuple[bytes, ...]) -> Iterator[int]:
    """Where these four letters stand, in whatever box: libav looks into boxes that have no business to hold them."""
    for kind in kinds:
        at = data.find(kind, start, end)
        while at >= 0:
            yield at
            at = data.find(kind, at + 4, end)


def _declared(data: bytes, at: int, end: int) -> int:
    """Samples by a table: as it counts them, or as its runs add up."""
    if data[at : at + 4] in _SIZES:
        return _word(data, at + 12)
    start = at + 12
    count = min(_word(data, at + 8), max(0, min(end, len(data)) - start) // 8)
    lengths = np.frombuffer(data[start : start + 8 * count], dtype=">u4")[::2]
    return int(lengths.sum(dtype=np.uint64))


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big") if at + 4 <= len(data) else 0


def _refuse_over(most: int, frames: int) -> None:
    if frames > most:
        raise InvalidMedia(Reason.MEDIA_TOO_LONG, f"{frames} frames by its tables, at most {most} are read")


class Shown:
    """The file as libav may see it: types at ``hidden`` places read as ``free``. No copy of the rest.

    ``ask`` is called before each piece, and may raise: what libav does in between takes as long as a piece allows.
    """

    def __init__(self, data: bytes, hidden: tuple[int, ...], ask: Callable[[], None]) -> None:
        self._view, self._hidden, self._ask, self._at = memoryview(data), hidden, ask, 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes; none at the end."""
        self._ask()
        start = self._at
        end = len(self._view) if size < 0 else min(len(self._view), start + size)
        self._at = max(start, end)
        over = [place for place in self._hidden if place < end and place + len(_FREE) > start]
        if not over:
            return bytes(self._view[start:end])
        piece = bytearray(self._view[start:end])
        for place in over:
            first, last = max(place, start), min(place + len(_FREE), end)
            piece[first - start : last - start] = _FREE[first - place : last - place]
        return bytes(piece)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As files do."""
        self._at = max(0, (0, self._at, len(self._view))[whence] + offset)
        return self._at

    def tell(self) -> int:
        """Where the next bytes come from."""
        return self._at
