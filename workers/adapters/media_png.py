"""Whether a PNG's data hold every row: Pillow takes a stream that ends early, and ends well, for black pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

_SIGNATURE: Final = 8
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: the first column and row of each pass, and its steps."""
_AT_A_TIME: Final = 1 << 18


def has_every_row(data: bytes) -> bool:
    """Whether the data of a PNG that Pillow opened unpack to as many bytes as its header needs.

    In bounded memory, and no further than that many. Raises zlib.error for a broken stream.
    """
    chunks = _chunks(data)
    needed = _needed(next((body for kind, body in chunks if kind == b"IHDR"), memoryview(b"")))
    stream = zlib.decompressobj()
    begun = False
    for kind, body in chunks:
        if kind == b"IDAT":
            begun, packed = True, bytes(body)
            while needed > 0 and not stream.eof:
                unpacked = stream.decompress(packed, _AT_A_TIME)
                needed -= len(unpacked)
                packed = stream.unconsumed_tail
                if not packed and len(unpacked) < _AT_A_TIME:
                    break
        elif begun:
            break
    return needed <= 0


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kinds and bodies; the last may be cut short."""
    view, at = memoryview(data), _SIGNATURE
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, view[at + 8 : at + 8 + length]
        at += 12 + length


def _needed(header: memoryview) -> int:
    """Bytes of all scanlines, each with its filter byte."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header[:13])
    bits = depth * _SAMPLES[colour]
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    needed = 0
    for left, top, right, down in passes:
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            needed += rows * (1 + (columns * bits + 7) // 8)
    return int(needed)
