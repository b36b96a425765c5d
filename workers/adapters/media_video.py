"""A video's bytes to its keyframes (PyAV, libav): two containers, five codecs, from memory alone.

libav is told which container it is: nothing is guessed, so that no playlist, no list of files and no device is ever
opened; and nothing but what lies in the bytes is read. One thread decodes, frames of bounded size, so many of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image
from PIL.Image import Resampling, Transpose

from workers.adapters.media_boxes import Shown, hidden_tracks
from workers.adapters.media_keyframes import Coded, Run, chosen, runs, signature
from workers.adapters.media_limits import FrameLimits, Spent, most_frames, too_slow
from workers.adapters.media_looks import framed
from workers.domain.media import Frame, InvalidMedia
from workers.domain.model_card import ModelCard
from workers.domain.reasons import Reason

CODECS: Final = {"h264": "H.264", "hevc": "H.265", "vp8": "VP8", "vp9": "VP9", "av1": "AV1"}
_DECODERS: Final = "h264,hevc,vp8,vp9,libdav1d,av1"
_MOV: Final = "mov"
_MATROSKA: Final = "matroska"
_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"moof", b"styp", b"sidx", b"pnot"}
_STILL: Final = {b"avif", b"avis", b"mif1", b"miaf", b"heic", b"heix", b"heif"}
_EBML: Final = b"\x1a\x45\xdf\xa3"
_PACKETS: Final = 4  # of sound and the like, for each frame that is allowed
_HEAD: Final = 1 << 15
_PADDING: Final = 128  # libav's own, of either side
_ROUNDED_UP: Final = 2  # the same where the sides are not known yet
_ODDEST: Final = 8.0
_UNTAGGED_HD: Final = 720
_UNSPECIFIED: Final = 2
_HDR: Final = {16, 18}  # PQ and HLG
_MATRIX: Final = struct.Struct("=5i")
_TURNS: Final = {
    (0, 1, -1, 0): Transpose.ROTATE_270, (-1, 0, 0, -1): Transpose.ROTATE_180, (0, -1, 1, 0): Transpose.ROTATE_90,
    (-1, 0, 0, 1): Transpose.FLIP_LEFT_RIGHT, (1, 0, 0, -1): Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Transpose.TRANSPOSE, (0, -1, -1, 0): Transpose.TRANSVERSE,
}  # fmt: skip


def container_of(data: bytes) -> str | None:
    """``mov`` (MP4, MOV and their kin) or ``matroska`` (WebM), by the first bytes; None for what is neither."""
    if data[:4] == _EBML:
        return _MATROSKA
    kind = data[4:8]
    return _MOV if kind in _BOXES and not (kind == b"ftyp" and data[8:12] in _STILL) else None


def frame_pixels(data: bytes, container: str, limits: FrameLimits, spent: Spent) -> int:
    """Pixels of one frame, by the file's header. Raises InvalidMedia as ``keyframes`` does."""
    with _opened(data, container, limits, spent) as (_, stream):
        return stream.codec_context.width * stream.codec_context.height


def keyframes(data: bytes, container: str, limits: FrameLimits, card: ModelCard, spent: Spent) -> list[Frame]:
    """At least one, in the order of their times, which count from the first frame. Blocks.

    What cannot be decoded is passed over, so that a video that is cut off is what is left of it. Raises InvalidMedia:
    ``media_too_long``, ``media_too_many_pixels``, ``media_too_slow``, ``media_type`` for a file without a video,
    ``media_unsupported`` for another codec, ``media_corrupt`` where no frame can be decoded.
    """
    with _opened(data, container, limits, spent) as (file, stream):
        most = most_frames(stream.codec_context.width, stream.codec_context.height, limits.media_video_pixels)
        coded = _coded(_packets(file, stream, limits, spent))
        ticks = stream.time_base
    if not coded or ticks is None:
        raise InvalidMedia(Reason.MEDIA_CORRUPT, "a video without a frame")
    first = min(frame.at for frame in coded)
    _refuse_longer(float((max(frame.at for frame in coded) - first) * ticks), limits)
    wanted = runs(coded, most)
    seen: dict[int, Frame] = {}
    with _opened(data, container, limits, spent) as (file, stream):
        for frame in _decoded(file, stream, wanted, limits, spent):
            at = int(((frame.pts or 0) - first) * ticks * 1000)
            if at not in seen:
                seen[at] = framed(at, _upright(frame, stream), card)
    if not seen:
        raise InvalidMedia(Reason.MEDIA_CORRUPT, "a video of which no frame can be decoded")
    times = sorted(seen)
    picked = chosen(times, [signature(seen[at].pixels) for at in times], limits.media_keyframes)
    return [seen[times[number]] for number in picked]


@contextmanager
def _opened(
    data: bytes, container: str, limits: FrameLimits, spent: Spent
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file with its video, of an allowed codec, size and length as far as the header tells."""
    hidden = hidden_tracks(data, limits.media_max_video_frames) if container == _MOV else ()
    options = {
        "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
        "codec_whitelist": _DECODERS,
        "protocol_whitelist": "none",
        "max_streams": "64",
        "max_pixels": str(_ROUNDED_UP * limits.media_max_frame_pixels),
        "threads": "1",
        # The header says what is needed; the rest is guessed from frames, of which a few bytes may hold thousands.
        "probesize": str(_HEAD),
        "analyzeduration": "1",
        "fpsprobesize": "0",
    }
    if container == _MOV:
        options |= {"enable_drefs": "0", "use_absolute_path": "0", "advanced_editlist": "0"}
    seconds = limits.media_decode_seconds
    try:
        with av.open(
            Shown(data, hidden, spent.check),
            "r",
            format=container,
            options=options,
            timeout=(seconds, seconds),
            io_open=_closed,
        ) as file:
            yield file, _video(file, bool(hidden), limits)
    except av.error.ExitError as error:
        raise too_slow(seconds) from error
    except (av.error.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise InvalidMedia(Reason.MEDIA_CORRUPT, f"cannot be read: {type(error).__name__} {error}"[:200]) from error


def _closed(*_: object) -> Any:
    raise PermissionError("a video may name no other file")


def _video(file: InputContainer, others: bool, limits: FrameLimits) -> VideoStream:
    videos = [s for s in file.streams.video if not s.disposition & s.disposition.attached_pic]
    if not videos and not others and not len(file.streams):
        raise InvalidMedia(Reason.MEDIA_CORRUPT, "a file whose header is lost")
    if not videos:
        raise InvalidMedia(Reason.MEDIA_TYPE, "a file of sound, text or data, without a video")
    stream = videos[0]
    context = stream.codec_context
    name = "none that is known" if context is None else context.codec.canonical_name
    if name not in CODECS:
        raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, f"a video of codec {name}; {', '.join(CODECS.values())} are read")
    most = limits.media_max_frame_pixels
    if context.width * context.height > most:
        size = f"frames of {context.width} x {context.height} pixels"
        raise InvalidMedia(Reason.MEDIA_TOO_MANY_PIXELS, f"{size}, at most {most} are read")
    if stream.duration is not None and stream.time_base is not None:
        _refuse_longer(float(stream.duration * stream.time_base), limits)
    context.thread_count = 1
    # Room is made for frames of the header's size: what says later that it is larger is not decoded.
    padded = (context.width + _PADDING) * (context.height + _PADDING)
    context.options = {"max_pixels": str(padded), "err_detect": "explode"}
    return stream


def _refuse_longer(seconds: float, limits: FrameLimits) -> None:
    most = limits.media_max_video_seconds
    if seconds > most:
        raise InvalidMedia(Reason.MEDIA_TOO_LONG, f"{seconds:.0f} s, at most {most:g} s are read")


def _packets(
    file: InputContainer, stream: VideoStream, limits: FrameLimits, spent: Spent
) -> Iterator[Packet[VideoStream]]:
    """The coded frames, up to where the file is damaged, if it is."""
    most, frames = limits.media_max_video_frames, 0
    try:
        for number, packet in enumerate(file.demux()):
            if number % 256 == 0:
                spent.check()
            if number > _PACKETS * most + 1 or frames > most:
                raise InvalidMedia(Reason.MEDIA_TOO_LONG, f"more than {most} frames")
            if packet.stream_index == stream.index and packet.size:
                frames += 1
                yield cast("Packet[VideoStream]", packet)
    except av.error.ExitError:
        raise
    except av.error.FFmpegError:
        return


def _coded(packets: Iterable[Packet[VideoStream]]) -> list[Coded]:
    """What says not when it is shown is decoded where others need it, and not looked at."""
    coded: list[Coded] = []
    for packet in packets:
        at = packet.dts if packet.pts is None else packet.pts
        if at is None:
            at = coded[-1].at if coded else 0
        coded.append(Coded(at, packet.is_keyframe))
    return coded


def _decoded(
    file: InputContainer, stream: VideoStream, wanted: Sequence[Run], limits: FrameLimits, spent: Spent
) -> Iterator[VideoFrame]:
    """The frames that the runs are for, whole ones only."""
    ahead = iter(wanted)
    run = next(ahead, None)
    for number, packet in enumerate(_packets(file, stream, limits, spent)):
        if run is None:
            return
        if number < run.first:
            continue
        spent.check()
        yield from _given(stream, packet, run)
        if number == run.last:
            yield from _given(stream, None, run)
            stream.codec_context.flush_buffers()
            run = next(ahead, None)
    if run is not None:
        yield from _given(stream, None, run)


def _given(stream: VideoStream, packet: Packet[VideoStream] | None, run: Run) -> Iterator[VideoFrame]:
    try:
        frames = stream.codec_context.decode(packet)
    except av.error.ExitError:
        raise
    except (av.error.FFmpegError, EOFError):
        return
    yield from (frame for frame in frames if frame.pts in run.wanted and not frame.is_corrupt)


def _upright(frame: VideoFrame, stream: VideoStream) -> Image.Image:
    """As a player shows it: colours as they are tagged, square pixels, turned as the camera was held."""
    options: dict[str, Any] = {}
    if frame.colorspace == _UNSPECIFIED and frame.height >= _UNTAGGED_HD:
        options["src_colorspace"] = "ITU709"
    if any(component.is_alpha for component in frame.format.components):
        clear = Image.fromarray(frame.to_ndarray(format="rgba", **options))
        image = Image.new("RGB", clear.size, (255, 255, 255))
        image.paste(clear, (0, 0), clear)
    else:
        image = Image.fromarray(frame.to_ndarray(format="rgb24", **options))
    aspect = float(stream.sample_aspect_ratio or 1)
    if aspect != 1 and 1 / _ODDEST <= aspect <= _ODDEST:
        # The longer way is made shorter: no more pixels than there were.
        wide, high = (image.width, image.height / aspect) if aspect > 1 else (image.width * aspect, image.height)
        image = image.resize((max(1, round(wide)), max(1, round(high))), Resampling.BICUBIC)
    turn = _turn(frame)
    return image if turn is None else image.transpose(turn)


def _turn(frame: VideoFrame) -> Transpose | None:
    found: Any = frame.side_data.get("DISPLAYMATRIX")
    if found is None or found.buffer_size < _MATRIX.size:
        return None
    a, b, _, c, d = _MATRIX.unpack_from(bytes(found))
    signs = [(value > 0) - (value < 0) for value in (a, b, c, d)]
    return _TURNS.get((signs[0], signs[1], signs[2], signs[3]))
