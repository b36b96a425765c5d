"""Hostile and odd picture files, each with the verdict that is expected of it. Made here, the same bytes each time.

``python -m tests.hostile.files FOLDER`` writes them out, to look at or to try on something else.
"""

from __future__ import annotations

import gzip
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Transpose

RED, GREEN, BLUE, YELLOW = (210, 30, 30), (30, 150, 60), (40, 60, 200), (230, 210, 40)
WHITE, GREY = (255, 255, 255), (128, 128, 128)
SIZE = (48, 32)
Colour = tuple[int, int, int]
CORNERS = (RED, GREEN, BLUE, YELLOW)


@dataclass(frozen=True)
class Good:
    """A picture: its size upright, and its colours at the middles of the four quarters, give or take ``by``."""

    size: tuple[int, int] = SIZE
    quarters: tuple[Colour, Colour, Colour, Colour] = CORNERS
    by: int = 40


Verdict = Good | str
"""A picture as a person would expect it, or the code it is refused with."""
TYPE, CORRUPT, PIXELS, BYTES = "media_type", "media_corrupt", "media_too_many_pixels", "media_too_large"


@dataclass(frozen=True)
class Odd:
    """A file and what is expected of it."""

    name: str
    make: Callable[[], bytes]
    verdict: Verdict


def card(mode: str = "RGB") -> Image.Image:
    """Red, green, blue and yellow quarters, so that every turn and mirroring shows."""
    return Image.frombytes("RGB", SIZE, _rows().tobytes()).convert(mode)


def _rows() -> np.ndarray[Any, np.dtype[np.uint8]]:
    rows = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
    half_down, half_right = SIZE[1] // 2, SIZE[0] // 2
    rows[:half_down, :half_right], rows[:half_down, half_right:] = RED, GREEN
    rows[half_down:, :half_right], rows[half_down:, half_right:] = BLUE, YELLOW
    return rows


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The file's bytes."""
    stream = BytesIO()
    if kind in ("JPEG", "AVIF", "MPO"):
        options = {"quality": 92, **options}
    image.save(stream, kind, **options)
    return stream.getvalue()


# As cameras, editors and hosts write them.

_HELD = {
    1: None, 2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_90, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_270,
}  # fmt: skip


def held(kind: str, orientation: int) -> bytes:
    """The card as a camera stores it that is held so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = _HELD[orientation]
    return saved(card() if turn is None else card().transpose(turn), kind, exif=exif)


def with_exif(exif: bytes) -> bytes:
    """A JPEG of the card with these bytes as its EXIF."""
    return saved(card(), "JPEG", exif=exif)


def jpeg_segment(data: bytes, marker: int, body: bytes, times: int = 1) -> bytes:
    """With a segment put behind the start of the file."""
    return data[:2] + (b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body) * times + data[2:]


def clear(kind: str, mode: str = "RGBA", **options: Any) -> bytes:
    """The left half of the card, and nothing on the right."""
    image = card("RGBA")
    image.paste((0, 0, 0, 0), (SIZE[0] // 2, 0, *SIZE))
    return saved(image if mode == "RGBA" else image.convert(mode), kind, **options)


def clear_palette(kind: str) -> bytes:
    """Two colours, one of them not there."""
    image = Image.new("P", SIZE, 0)
    image.putpalette([0, 0, 0, *RED])
    image.paste(1, (0, 0, SIZE[0] // 2, SIZE[1]))
    return saved(image, kind, transparency=0)


HALF_CLEAR = Good(quarters=(RED, WHITE, BLUE, WHITE))
RED_AND_CLEAR = Good(quarters=(RED, WHITE, RED, WHITE))
MID_GREY = Good(quarters=(GREY,) * 4, by=2)


def moving(kind: str) -> bytes:
    """The card, then black."""
    return saved(card(), kind, save_all=True, append_images=[Image.new("RGB", SIZE)] * 3, duration=50)


def mpo() -> bytes:
    """A phone's JPEG with a second picture behind it."""
    return saved(card(), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])


# PNG, chunk by chunk.


def chunk(kind: bytes, body: bytes) -> bytes:
    """With its length and check sum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int = SIZE[0],
    height: int = SIZE[1],
    depth: int = 8,
    colour: int = 2,
    rows: bytes | None = None,
    before: bytes = b"",
    interlaced: int = 0,
) -> bytes:
    """A PNG of any header; ``rows`` are unpacked scanlines with their filter bytes (else the card's)."""
    if rows is None:
        rows = b"".join(b"\0" + row.tobytes() for row in _rows())
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + before + data + chunk(b"IEND", b"")


def interlaced() -> bytes:
    """Adam7: seven coarser pictures, one after the other."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    whole = _rows()
    rows = b"".join(b"\0" + row.tobytes() for top, left, down, right in passes for row in whole[top::down, left::right])
    return png(rows=rows, interlaced=1)


def deep(colour: int, samples: int) -> bytes:
    """16 bits a sample, all of them half of 65,535."""
    row = b"\0" + struct.pack(">H", 32768) * samples * SIZE[0]
    return png(depth=16, colour=colour, rows=row * SIZE[1])


def deep_colours() -> bytes:
    """The card at 16 bits a sample."""
    return png(depth=16, rows=b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in _rows()))


def text_bomb() -> bytes:
    """A comment of a few kilobytes that unpacks to 64 MB."""
    return png(before=chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(64_000_000), 9)))


def many_texts() -> bytes:
    """Comments that unpack to 900 kB each, a hundred of them."""
    return png(before=chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(900_000), 9)) * 100)


def data_bomb() -> bytes:
    """The card's rows, and then 256 MB more than the picture has room for."""
    rows = b"".join(b"\0" + row.tobytes() for row in _rows())
    return png(rows=rows + bytes(256_000_000))


def bad_sum() -> bytes:
    """One bit of the data turned, the check sum not."""
    data = bytearray(png())
    data[data.index(b"IDAT") + 6] ^= 1
    return bytes(data)


# Headers that claim more than there is.


def patched(data: bytes, *changes: tuple[int, bytes]) -> bytes:
    """With bytes replaced."""
    changed = bytearray(data)
    for place, value in changes:
        changed[place : place + len(value)] = value
    return bytes(changed)


def jpeg_sized(width: int, height: int, **options: Any) -> bytes:
    """A JPEG whose frame header says another size."""
    data = saved(card(), "JPEG", **options)
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return patched(data, (frame + 5, struct.pack(">HH", height, width)))


def scans(times: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = saved(card(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * times + data[-2:]


def gif_frame_beyond() -> bytes:
    """A screen of 1 x 1, and on it a frame of 65,535 x 65,535."""
    data = saved(card("P"), "GIF")
    frame = data.index(b"\x2c", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    return patched(data, (6, struct.pack("<HH", 1, 1)), (frame + 5, struct.pack("<HH", 65535, 65535)))


def avif_sized(width: int, height: int) -> bytes:
    """An AVIF whose container says another size."""
    data = saved(card(), "AVIF")
    return patched(data, (data.index(b"ispe") + 8, struct.pack(">II", width, height)))


def webp_extended(width: int, height: int) -> bytes:
    """A WebP canvas of that size, with the card's frame."""
    frame = saved(card(), "WEBP")[12:]
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    body = b"WEBP" + canvas + (height - 1).to_bytes(3, "little") + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp_sized(width: int, height: int) -> bytes:
    """A BMP whose header says another size."""
    return patched(saved(card(), "BMP"), (18, struct.pack("<ii", width, height)))


def upside_down_bmp() -> bytes:
    """Rows from the top, which a negative height says."""
    data = saved(card().transpose(Transpose.FLIP_TOP_BOTTOM), "BMP")
    return patched(data, (22, struct.pack("<i", -SIZE[1])))


# What is no picture of ours.


def tiff_bomb() -> bytes:
    """10 x 10 pixels in one tile of 24,000 x 24,000: half a gigabyte for whoever reads it."""
    tile = zlib.compress(bytes(1_000_000), 9)
    fields = [
        (256, 1, 10), (257, 1, 10), (258, 1, 8), (259, 1, 8), (262, 1, 1), (277, 1, 1), (322, 1, 24000),
        (323, 1, 24000), (324, 1, 134), (325, 1, len(tile)),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, 4, count, value) for tag, count, value in fields)
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + directory + bytes(4) + tile


def gzipped_svg() -> bytes:
    """What some hosts serve as .svgz."""
    return gzip.compress(SVG, mtime=0)


SVG = b"""<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"""
XXE = b"""<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg">&x;</svg>"""
HTML = b"<!doctype html><title>Log in</title><script>alert(1)</script>"
STRANGE: Mapping[str, bytes] = {
    "nothing": b"",
    "one-byte": b"\xff",
    "words": b"hello",
    "zeros": bytes(4096),
    "svg": SVG,
    "svg-entities": XXE,
    "svg-with-bom": b"\xef\xbb\xbf\n  " + SVG,
    "html": HTML,
    "javascript": b"GIF89b=1;alert(1)//",
    "shell": b"#!/bin/sh\nrm -rf /\n",
    "json": b'{"error": "expired"}',
    "pdf": b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) run\n",
    "zip": b"PK\x03\x04" + bytes(60),
    "elf": b"\x7fELF" + bytes(60),
    "mp4": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + bytes(60),
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60),
    "webm": b"\x1aE\xdf\xa3" + bytes(60),
    "wmf": b"\xd7\xcd\xc6\x9a" + bytes(60),
    "xbm": b"#define a_width 8\n#define a_height 1\nstatic char a_bits[] = { 0x00 };\n",
    "ppm": b"P6 2 2 255 " + bytes(12),
    "ppm-huge": b"P6 99999 99999 255 ",
    "fits": b"SIMPLE  =                    T" + bytes(60),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(60),
    "riff-wave": b"RIFF\x24\0\0\0WAVEfmt " + bytes(60),
}
READERS_WE_DO_NOT_ASK = ("TIFF", "ICO", "ICNS", "JPEG2000", "PCX", "TGA", "SGI", "DDS", "PPM")
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")


def noise(kind: str) -> bytes:
    """A picture that does not get small: its second half holds something."""
    values = np.random.default_rng(7).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    return saved(Image.fromarray(values), kind)


def half(kind: str) -> bytes:
    """Half of a download."""
    data = noise(kind)
    return data[: len(data) // 2]


def files() -> Iterator[Odd]:
    """All of them."""
    yield from _everyday()
    yield from _clear_and_deep()
    yield from _laden()
    yield from _bombs()
    yield from _broken()
    for name, data in STRANGE.items():
        yield Odd(f"no-picture-{name}", lambda data=data: data, TYPE)  # type: ignore[misc]
    for kind in READERS_WE_DO_NOT_ASK:
        yield Odd(f"reader-not-asked-{kind.lower()}", partial(saved, card(), kind), TYPE)
    yield Odd("no-picture-svgz", gzipped_svg, TYPE)
    yield Odd("no-picture-tiff-bomb", tiff_bomb, TYPE)


def _everyday() -> Iterator[Odd]:
    for kind in KINDS:
        yield Odd(f"plain-{kind.lower()}", partial(saved, card(), kind), Good(by=90 if kind == "GIF" else 40))
    yield Odd("jpeg-progressive", lambda: saved(card(), "JPEG", progressive=True), Good())
    yield Odd("jpeg-print-colours", lambda: saved(card("CMYK"), "JPEG"), Good())
    greys = tuple((v, v, v) for v in (card("L").getpixel(at) for at in ((9, 9), (40, 9), (9, 25), (40, 25))))
    yield Odd("jpeg-grey", lambda: saved(card("L"), "JPEG"), Good(quarters=greys))  # type: ignore[arg-type]
    yield Odd("jpeg-two-pictures", mpo, Good())
    yield Odd("webp-lossless", lambda: saved(card(), "WEBP", lossless=True), Good(by=0))
    yield Odd("png-interlaced", interlaced, Good(by=0))
    yield Odd("png-palette", lambda: saved(card().quantize(4), "PNG"), Good(by=4))
    yield Odd(
        "png-two-bits",
        lambda: png(depth=2, colour=0, rows=(b"\0" + b"\xaa" * 12) * 32),
        Good(by=50, quarters=((170,) * 3,) * 4),
    )
    yield Odd("png-bilevel", lambda: saved(Image.new("1", SIZE, 1), "PNG"), Good(quarters=(WHITE,) * 4, by=0))
    yield Odd("bmp-upside-down", upside_down_bmp, Good(by=0))
    yield Odd("bmp-palette", lambda: saved(card().quantize(4), "BMP"), Good(by=4))
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        yield Odd(f"moving-{kind.lower()}", partial(moving, kind), Good(by=90 if kind == "GIF" else 40))
    for orientation in range(1, 9):
        yield Odd(f"jpeg-held-{orientation}", partial(held, "JPEG", orientation), Good())
    for kind in ("PNG", "WEBP", "AVIF"):
        yield Odd(f"{kind.lower()}-held-6", partial(held, kind, 6), Good())
        yield Odd(f"{kind.lower()}-held-7", partial(held, kind, 7), Good())
    yield Odd("tiny", lambda: saved(Image.new("RGB", (1, 1), RED), "PNG"), Good((1, 1), (RED,) * 4, 0))
    for size in ((1, 60_000), (60_000, 1)):
        yield Odd(
            f"strip-{size[0]}x{size[1]}",
            lambda size=size: saved(Image.new("RGB", size, RED), "PNG"),  # type: ignore[misc]
            Good(size, (RED,) * 4, 0),
        )


def _clear_and_deep() -> Iterator[Odd]:
    for kind in ("PNG", "WEBP", "AVIF"):
        yield Odd(f"clear-{kind.lower()}", partial(clear, kind), HALF_CLEAR)
    for kind in ("PNG", "GIF"):
        yield Odd(f"clear-palette-{kind.lower()}", partial(clear_palette, kind), RED_AND_CLEAR)
    grey_half = Good(quarters=((84,) * 3, WHITE, (70,) * 3, WHITE), by=20)
    yield Odd("clear-grey", lambda: clear("PNG", "LA"), grey_half)
    yield Odd(
        "clear-colour-key",
        lambda: png(before=chunk(b"tRNS", struct.pack(">HHH", *GREEN))),
        Good(quarters=(RED, WHITE, BLUE, YELLOW), by=0),
    )
    yield Odd("deep-grey", lambda: deep(0, 1), MID_GREY)
    yield Odd("deep-colours", deep_colours, Good(by=1))
    # Half grey, half there, on white: three quarters.
    yield Odd("deep-grey-half-clear", lambda: deep(4, 2), Good(quarters=((191,) * 3,) * 4, by=3))
    yield Odd("deep-colours-half-clear", lambda: deep(6, 4), Good(quarters=((191,) * 3,) * 4, by=3))


def _laden() -> Iterator[Odd]:
    """Sound pictures with something else in them, which is not looked at."""
    yield Odd("exif-damaged", lambda: with_exif(b"Exif\0\0" + b"II*\0\xff\xff\xff\xff"), Good())
    yield Odd("exif-noise", lambda: with_exif(b"Exif\0\0" + bytes(range(256)) * 20), Good())
    yield Odd("exif-held-99", lambda: with_exif(b"Exif\0\0" + _exif(3, 1, struct.pack("<HH", 99, 0))), Good())
    yield Odd("exif-held-in-words", lambda: with_exif(b"Exif\0\0" + _exif(2, 4, b"six\0")), Good())
    yield Odd("exif-huge", lambda: jpeg_segment(saved(card(), "JPEG"), 0xE1, b"Exif\0\0" + bytes(65_000), 60), Good())
    yield Odd("exif-held-many-times", lambda: with_exif(b"Exif\0\0" + _exif(5, 8000, bytes(64_000))), Good())
    yield Odd("colour-profile-of-noise", lambda: saved(card(), "JPEG", icc_profile=bytes(range(256)) * 99), Good())
    yield Odd("png-colour-profile-of-noise", lambda: saved(card(), "PNG", icc_profile=b"junk" * 999), Good(by=0))
    yield Odd("jpeg-then-html", lambda: saved(card(), "JPEG") + HTML, Good())
    yield Odd("jpeg-then-zip", lambda: saved(card(), "JPEG") + STRANGE["zip"], Good())
    yield Odd("jpeg-comment-script", lambda: jpeg_segment(saved(card(), "JPEG"), 0xFE, HTML), Good())
    yield Odd("gif-comment-script", lambda: saved(card(), "GIF", comment=HTML), Good(by=90))
    yield Odd("png-unknown-chunks", lambda: png(before=chunk(b"evIl", SVG) * 500), Good(by=0))
    yield Odd("png-more-data-than-rows", data_bomb, Good(by=0))
    yield Odd("png-without-end", lambda: png()[:-12], Good(by=0))


def _exif(kind: int, count: int, value: bytes) -> bytes:
    """One field, the orientation, of any type and length."""
    inline = value if len(value) == 4 else struct.pack("<I", 26)
    return b"II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, kind, count) + inline + bytes(4) + value


def _bombs() -> Iterator[Odd]:
    yield Odd("bytes-beyond", lambda: saved(card(), "JPEG") + bytes(20_000_001), BYTES)
    yield Odd("bomb-png", lambda: png(60_000, 60_000), PIXELS)
    yield Odd("bomb-png-just-beyond", lambda: png(50_001, 1_000), PIXELS)
    yield Odd("bomb-png-largest", lambda: png(2**31 - 1, 2**31 - 1), PIXELS)
    yield Odd("bomb-jpeg", lambda: jpeg_sized(65_500, 65_500), PIXELS)
    yield Odd("bomb-jpeg-progressive", lambda: jpeg_sized(65_500, 65_500, progressive=True), PIXELS)
    yield Odd("bomb-jpeg-scans", lambda: scans(500), PIXELS)
    yield Odd("bomb-gif", lambda: patched(saved(card(), "GIF"), (6, b"\xff\xff\xff\xff")), PIXELS)
    yield Odd("bomb-gif-frame", gif_frame_beyond, PIXELS)
    yield Odd("bomb-bmp", lambda: bmp_sized(60_000, 60_000), PIXELS)
    yield Odd("bomb-webp", lambda: webp_extended(16_383, 16_383), PIXELS)
    yield Odd("bomb-avif", lambda: avif_sized(16_000, 16_000), PIXELS)
    yield Odd("bomb-text", text_bomb, CORRUPT)
    yield Odd("bomb-texts", many_texts, CORRUPT)


def _broken() -> Iterator[Odd]:
    for kind in KINDS:
        yield Odd(f"half-{kind.lower()}", partial(half, kind), TYPE if kind == "AVIF" else CORRUPT)
        yield Odd(
            f"start-{kind.lower()}", lambda kind=kind: noise(kind)[:24], TYPE if kind in ("GIF", "AVIF") else CORRUPT
        )  # type: ignore[misc]
    # The tables of the standard are taken then, and these are they.
    yield Odd("jpeg-no-tables", lambda: saved(card(), "JPEG").replace(b"\xff\xc4", b"\xff\xfe"), Good())
    yield Odd("jpeg-no-frame", lambda: saved(card(), "JPEG").replace(b"\xff\xc0", b"\xff\xfe"), TYPE)
    yield Odd("jpeg-no-width", lambda: jpeg_sized(0, 32), TYPE)
    yield Odd("png-no-width", lambda: png(0, 32), TYPE)
    yield Odd("png-check-sum", bad_sum, CORRUPT)
    yield Odd("png-no-data", lambda: png(rows=b""), CORRUPT)
    yield Odd("png-half-the-rows", lambda: png(rows=b"".join(b"\0" + row.tobytes() for row in _rows()[:16])), CORRUPT)
    yield Odd("png-a-byte-too-few", lambda: png(rows=((b"\0" + bytes(144)) * 32)[:-1]), CORRUPT)
    yield Odd("png-interlaced-first-pass-alone", lambda: png(rows=(b"\0" + bytes(18)) * 4, interlaced=1), CORRUPT)
    yield Odd("png-depth-3", lambda: png(depth=3), TYPE)
    yield Odd("png-no-palette", lambda: png(colour=3, rows=(b"\0" + bytes(48)) * 32), CORRUPT)
    yield Odd("gif-code-size", lambda: _gif_code_size(13), CORRUPT)
    yield Odd("webp-noise", lambda: patched(saved(card(), "WEBP"), (30, bytes(range(60, 120)))), CORRUPT)
    yield Odd("webp-canvas-and-frame-differ", lambda: webp_extended(480, 320), CORRUPT)
    yield Odd("bmp-depth-3", lambda: patched(saved(card(), "BMP"), (28, b"\3\0")), CORRUPT)
    yield Odd("bmp-packing-99", lambda: patched(saved(card(), "BMP"), (30, b"\x63\0\0\0")), CORRUPT)
    yield Odd("bmp-no-width", lambda: bmp_sized(0, 32), TYPE)
    yield Odd("avif-noise", _avif_noise, CORRUPT)


def _gif_code_size(bits: int) -> bytes:
    data = saved(card("P"), "GIF")
    frame = data.index(b"\x2c", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    return patched(data, (frame + 10, bytes([bits])))


def _avif_noise() -> bytes:
    data = saved(card(), "AVIF")
    return patched(data, (data.index(b"mdat") + 4, bytes(range(100))))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for odd in files():
        (folder / odd.name).write_bytes(odd.make())
        print(odd.name, odd.verdict)
