"""Hostile and odd videos, each with the verdict that is expected of it. Made here, by PyAV's encoders and by hand.

``python -m tests.hostile.videos COUNT SEED`` decodes that many damaged ones in this process: whether it lives, and how
much memory it took, is what ``tests/unit/adapters/test_hostile_videos.py`` looks at.
"""

from __future__ import annotations

import resource
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from io import BytesIO
from typing import Any

import av
import numpy as np
from PIL import Image

from tests.hostile.mutations import mutated
from tests.videos import ENCODERS, SCENES, moving, plain, video
from workers.adapters.media_decode import Decoder
from workers.adapters.media_frames import Frames
from workers.config import REPOSITORY, Settings
from workers.domain.media import InvalidMedia
from workers.domain.model_card import load_model_card

TYPE, CORRUPT, PIXELS, LONG, OTHER = (
    "media_type", "media_corrupt", "media_too_many_pixels", "media_too_long", "media_unsupported",
)  # fmt: skip
Verdict = str | list[int]
"""The code it is refused with, or the times of its keyframes in milliseconds."""


@dataclass(frozen=True)
class OddVideo:
    """A file and what is expected of it."""

    name: str
    make: Callable[[], bytes]
    verdict: Verdict


def embedder() -> Frames:
    """As the worker has it, by its default settings."""
    card, settings = load_model_card(REPOSITORY / "triton_models"), Settings()
    return Frames(settings, card, Decoder(settings, card, settings.media_pixels_at_once))


def videos() -> Iterator[OddVideo]:
    """All of them."""
    four = [0, 1000, 2000, 3000]
    yield OddVideo("sound beside the pictures", partial(_with_sound, "mp4"), four)
    yield OddVideo("sound beside, in fragments", partial(_with_sound, "fragments"), [0, 1021, 2021, 3021])
    yield OddVideo("sound beside, in Matroska", partial(_with_sound, "matroska"), four)
    yield OddVideo("sound alone", partial(_sound, "mp4", "aac"), TYPE)
    yield OddVideo("sound alone, WebM", partial(_sound, "webm", "libopus"), TYPE)
    yield OddVideo("subtitles alone", partial(_matroska, b"", codec=b"S_TEXT/UTF8", kind=b"\x11"), TYPE)
    yield OddVideo("another codec", _mpeg4, OTHER)
    yield OddVideo("a codec that nobody knows", partial(_matroska, b"", codec=b"V_NONSENSE"), OTHER)
    for name, data in PLAYLISTS.items():
        yield OddVideo(name, partial(bytes, data), TYPE)
    yield OddVideo("pictures that lie in another file", _elsewhere, CORRUPT)
    yield OddVideo("a packed header", partial(bytes, _box(b"moov", _box(b"cmov", b"\0" * 40))), OTHER)
    yield OddVideo("a header alone", partial(bytes, video()[: video().index(b"mdat") - 4]), CORRUPT)
    yield OddVideo("a first box that is all", partial(bytes, struct.pack(">I4s", 0, b"moov")), CORRUPT)
    yield OddVideo("boxes that hold themselves", partial(bytes, _box(b"moov", b"") * 5000), CORRUPT)
    # What the tables say, and what libav would make of it.
    many = struct.pack(">II", 1, 100_000_000)
    yield OddVideo("a hundred million samples of one byte", partial(_put, b"stsz", 8, many), LONG)
    yield OddVideo("four billion samples by their lengths", partial(_put, b"stts", 12, b"\xff\xff\xff\xf0"), LONG)
    yield OddVideo("four billion samples in a strange box", _strange_table, LONG)
    yield OddVideo("a hundred million samples of a fragment", partial(_put, b"trun", 8, many[4:], "fragments"), LONG)
    yield OddVideo("four billion samples of sound", _sound_table, four)
    yield OddVideo("no length of any sample", partial(_put, b"stts", 16, b"\0\0\0\0"), [0])
    yield OddVideo("256 frames a block, of no bytes", partial(_matroska, _laced(b"") * 50_000), CORRUPT)
    yield OddVideo("256 frames a block, of one byte", partial(_matroska, _laced(b"\0") * 2000), LONG)
    # Sizes.
    yield OddVideo("16 million pixels a frame", partial(_film, [0], (4096, 4096)), PIXELS)
    yield OddVideo("the same, which says 64 x 64", _says_small, PIXELS)
    yield OddVideo("one pixel by the header", partial(_matroska, b"", size=(1, 1)), CORRUPT)
    yield OddVideo("no pixel by the header", partial(_matroska, b"", size=(0, 0)), CORRUPT)
    # Times.
    day = 86_400
    yield OddVideo("a frame a day", partial(_film, [0, day, 2 * day], base=Fraction(1)), LONG)
    yield OddVideo("a frame a day, Matroska", partial(_film, [0, day], base=Fraction(1), form="matroska"), LONG)
    uneven = [0, 7, 9000, 90_001, 1_234_567]
    yield OddVideo("uneven times", partial(_film, uneven, base=Fraction(1, 90_000)), [0, 100, 1000, 13_717])
    early = [-50, -20, -10, 0, 30]
    yield OddVideo("times before the beginning", partial(_film, early), [0, 3000, 4000, 5000, 8000])
    yield OddVideo("times that Matroska cannot say", partial(_film, early, form="matroska"), [0, 3000])
    # What is called a picture and moves for ever.
    yield OddVideo("half a million frames of a pixel", partial(_long_gif, 500_000, (1, 1)), [0, 2560])
    yield OddVideo("two thousand frames of a million pixels", partial(_long_gif, 2000, (1000, 1000)), [0, 40])


PLAYLISTS = {
    "a playlist (HLS)": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1/1.ts\n#EXT-X-ENDLIST\n",
    "a playlist of files": b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
    "a list of files (concat)": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "a manifest (DASH)": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
    "a session (SDP)": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "raw H.264": b"\0\0\0\1\x67\x42\0\x0a\xf8\x41\xa2\0\0\0\1\x68\xce\x38\x80",
    "a transport stream": (b"\x47\x40\0\x10" + b"\0" * 184) * 20,
    "an AVI": b"RIFF\x40\0\0\0AVI LIST\x30\0\0\0hdrl",
}


def _film(
    times: Sequence[int], size: tuple[int, int] = (64, 64), base: Fraction = Fraction(1, 10), form: str = "mp4"
) -> bytes:
    """A scene at each time, in units of ``base``."""
    made = BytesIO()
    with av.open(made, "w", format=form, container_options={"avoid_negative_ts": "disabled"}) as file:
        stream: Any = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = *size, "yuv420p", 1
        stream.time_base = stream.codec_context.time_base = base
        for number, at in enumerate(times):
            frame = av.VideoFrame.from_image(Image.new("RGB", size, SCENES[number]))
            frame.pts, frame.time_base = at, base
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return made.getvalue()


def _with_sound(form: str) -> bytes:
    made = BytesIO()
    fragments = {"movflags": "+frag_keyframe+empty_moov"} if form == "fragments" else {}
    with av.open(made, "w", format="mp4" if fragments else form, container_options=fragments) as file:
        sound: Any = file.add_stream("aac", rate=48_000)
        shown: Any = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        shown.width, shown.height, shown.pix_fmt, shown.thread_count = 96, 64, "yuv420p", 1
        for number in range(40):
            file.mux(sound.encode(_silence(number, 4800)))
            file.mux(shown.encode(av.VideoFrame.from_image(plain(SCENES[number // 10]))))
        file.mux(sound.encode(None))
        file.mux(shown.encode(None))
    return made.getvalue()


def _silence(number: int, samples: int, kind: str = "fltp") -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.float32), format=kind, layout="mono")
    frame.sample_rate, frame.pts = 48_000, number * samples
    return frame


def _sound(form: str, codec: str) -> bytes:
    made = BytesIO()
    with av.open(made, "w", format=form) as file:
        sound: Any = file.add_stream(codec, rate=48_000)
        for number in range(20):
            file.mux(sound.encode(_silence(number, 1024, "fltp" if codec == "aac" else "flt")))
        file.mux(sound.encode(None))
    return made.getvalue()


def _mpeg4() -> bytes:
    made = BytesIO()
    with av.open(made, "w", format="mp4") as file:
        stream: Any = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_image(plain(SCENES[0]))))
        file.mux(stream.encode(None))
    return made.getvalue()


def _put(kind: bytes, offset: int, value: bytes, form: str = "mp4") -> bytes:
    """A sound file with other bytes so far behind the type of a box."""
    data = video(form=form)
    at = data.index(kind) + offset
    return data[:at] + value + data[at + len(value) :]


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _strange_table() -> bytes:
    """A second table of sizes, at the end of the track, in a box that has no business to hold one."""
    data = video()
    table = _box(b"udta", _box(b"stsz", struct.pack(">III", 0, 1, 4_000_000_000)))
    return _grown(data, table, (b"moov", b"trak"))


def _grown(data: bytes, more: bytes, boxes: Sequence[bytes]) -> bytes:
    """With ``more`` at the end of the innermost of nested boxes, of which each is counted larger."""
    whole = bytearray(data)
    for kind in boxes:
        at = whole.index(kind) - 4
        (size,) = struct.unpack_from(">I", whole, at)
        struct.pack_into(">I", whole, at, size + len(more))
    end = at + size
    return bytes(whole[:end]) + more + bytes(whole[end:])


def _sound_table() -> bytes:
    """The track of sound declares four billion samples; that of pictures is as it was."""
    data = _with_sound("mp4")
    at = data.index(b"stsz", data.index(b"smhd"))
    return data[: at + 8] + struct.pack(">II", 1, 4_000_000_000) + data[at + 16 :]


def _elsewhere() -> bytes:
    """The track's data are said to lie in a file of this machine, as QuickTime says it: by an alias."""
    path = b"/etc/passwd"
    name = bytes(10) + b"\1v" + bytes(26) + bytes(12) + b"\6passwd" + bytes(57) + bytes(16)
    alias = _box(b"alis", bytes(4) + name + bytes(20) + struct.pack(">HH", 2, len(path)) + path + b"\xff\xff\0\0")
    data = video()
    at = data.index(b"url ") - 4
    moved = _grown(data, alias[12:], (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"))
    return moved[:at] + alias + moved[at + len(alias) :]


def _says_small() -> bytes:
    data = _film([0], (4096, 4096))
    at = data.index(b"avc1", data.index(b"stsd"))
    return data[: at + 28] + struct.pack(">HH", 64, 64) + data[at + 32 :]


def _element(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">Q", len(body) | 1 << 56) + body


def _matroska(
    blocks: bytes, *, size: tuple[int, int] = (64, 64), codec: bytes = b"V_VP9", kind: bytes = b"\1"
) -> bytes:
    """A file of one track and one cluster, by hand."""
    head = _element(b"\x1a\x45\xdf\xa3", _element(b"\x42\x82", b"webm"))
    sides = _element(b"\xb0", struct.pack(">H", size[0])) + _element(b"\xba", struct.pack(">H", size[1]))
    own = b"".join(_element(name, b"\1") for name in (b"\xd7", b"\x73\xc5")) + _element(b"\x83", kind)
    track = _element(b"\xae", own + _element(b"\x86", codec) + _element(b"\xe0", sides))
    cluster = _element(b"\x1f\x43\xb6\x75", _element(b"\xe7", b"\0") + blocks)
    return head + _element(b"\x18\x53\x80\x67", _element(b"\x16\x54\xae\x6b", track) + cluster)


def _laced(frame: bytes) -> bytes:
    """A block of 256 equal frames."""
    return _element(b"\xa3", b"\x81\0\0\x84\xff" + 256 * frame)


def _long_gif(count: int, size: tuple[int, int]) -> bytes:
    """Black and white in turn at first, then always the same."""
    made, frames = BytesIO(), [Image.new("P", size, number) for number in range(2)]
    for frame in frames:
        frame.putpalette([0, 0, 0, 255, 255, 255] + [0] * 762)
    frames[0].save(made, "GIF", save_all=True, append_images=frames[1:], duration=20, loop=0)
    data = made.getvalue()
    last = data.rindex(b"\x21\xf9")
    return data[:last] + data[last:-1] * count + b"\x3b"


def sound_videos() -> list[bytes]:
    """Small ones of each codec and container, and what moves."""
    films = [video(codec=codec) for codec in ENCODERS]
    forms = [video(form=form) for form in ("mov", "fragments", "matroska")]
    return [*films, *forms, *(moving(kind) for kind in ("GIF", "WEBP", "PNG", "AVIF"))]


def main(count: int, seed: int) -> int:
    """Prints how many of each verdict there were, and by how many KiB the process grew over its first hundred."""
    frames, verdicts, first = embedder(), dict[str, int](), 0
    for number, data in enumerate(mutated(count, seed, sound_videos())):
        try:
            told = f"{len(frames(data))} keyframes"
        except InvalidMedia as error:
            told = error.reason
        verdicts[told] = verdicts.get(told, 0) + 1
        if number == min(100, count // 2):
            first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(sorted(verdicts.items()))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
