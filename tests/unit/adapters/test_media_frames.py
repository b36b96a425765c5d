"""Videos and moving pictures become keyframes with their times, told by content, or are refused for a reason."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.hostile.files import card as quarters
from tests.hostile.files import saved
from tests.videos import ENCODERS, SCENES, filmed, moving, plain, video
from workers.adapters.media_decode import Decoder
from workers.adapters.media_frames import Frames
from workers.adapters.media_limits import LEAST_PIXELS
from workers.config import REPOSITORY
from workers.domain.media import Frame, InvalidMedia
from workers.domain.model_card import load_model_card

CARD = load_model_card(REPOSITORY / "triton_models")
MIDDLE = CARD.image.size // 2
NEAR = 14
"""How far a codec may be from a colour."""


@dataclass(frozen=True)
class Limits:
    """Small limits, so that small videos can be over them."""

    media_max_bytes: int = 200_000
    media_max_pixels: int = 400_000
    media_max_video_bytes: int = 400_000
    media_max_video_seconds: float = 60.0
    media_max_video_frames: int = 1000
    media_max_frame_pixels: int = 100_000
    media_video_pixels: int = 200_000_000
    media_decode_seconds: float = 20.0
    media_keyframes: int = 8


LIMITS = Limits()
_GIF_HEAD = 13 + 768


def frames(data: bytes, **limits: Any) -> list[Frame]:
    """The keyframes, under the small limits or others."""
    own = replace(LIMITS, **limits)
    return Frames(own, CARD, Decoder(own, CARD, 1_000_000))(data)


def refusal(data: bytes, **limits: Any) -> str:
    """The reason for which the bytes are refused."""
    with pytest.raises(InvalidMedia) as caught:
        frames(data, **limits)
    return caught.value.reason


def shows(frame: Frame, colour: tuple[int, int, int], by: int = NEAR) -> bool:
    """Whether the middle of a frame has this colour."""
    return bool(np.abs(frame.pixels[MIDDLE, MIDDLE].astype(int) - colour).max() <= by)


@pytest.mark.parametrize("codec", ENCODERS)
def test_each_codec_shows_each_scene_with_its_time(codec: str) -> None:
    """Four plain scenes of a second each; a codec may let one run over into the next for a moment."""
    found = frames(video(codec=codec))
    assert [frame.pixels.shape for frame in found] == [(CARD.image.size, CARD.image.size, 3)] * len(found)
    for second, colour in enumerate(SCENES[:4]):
        of_scene = [frame for frame in found if shows(frame, colour)]
        assert of_scene, (codec, second)
        assert all(second * 1000 <= frame.timestamp_ms < second * 1000 + 1000 for frame in of_scene)


@pytest.mark.parametrize("form", ["mp4", "mov", "fragments", "matroska"])
def test_each_container_is_read(form: str) -> None:
    """The same stream, packed in four ways."""
    assert [frame.timestamp_ms for frame in frames(video(form=form))] == [0, 1000, 2000, 3000]


@pytest.mark.parametrize(("codec", "pixels"), [("H.265", "yuv420p10le"), ("H.264", "yuv444p"), ("VP9", "yuva420p")])
def test_deep_and_full_colours_and_transparency_are_decoded(codec: str, pixels: str) -> None:
    """Ten bits a colour, no subsampling, a plane of alpha beside the picture."""
    found = frames(video(codec=codec, pixels=pixels))
    assert [shows(frame, colour) for frame, colour in zip(found, SCENES, strict=False)] == [True] * len(found)
    assert len(found) == 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_moving_pictures_show_each_scene_with_its_time(kind: str) -> None:
    """The same choice as of a video's frames."""
    found = frames(moving(kind))
    assert [frame.timestamp_ms for frame in found] == [0, 500, 1000, 1500]
    assert all(shows(frame, colour) for frame, colour in zip(found, SCENES, strict=False))


def test_a_still_picture_is_one_frame_at_no_time() -> None:
    """By the pictures' own decoder: a GIF, WebP or PNG that does not move too."""
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"):
        (frame,) = frames(saved(quarters(), kind))
        assert frame.timestamp_ms == 0


def test_there_are_no_more_keyframes_than_the_setting() -> None:
    """Twelve scenes, of which the eight, or three, most different are kept."""
    assert len(frames(video(SCENES))) == 8
    assert len(frames(video(SCENES), media_keyframes=3)) == 3
    assert len(frames(moving("GIF", SCENES), media_keyframes=3)) == 3


def test_the_same_bytes_give_the_same_keyframes() -> None:
    """To the last bit."""
    for data in (video(SCENES, codec="VP9"), moving("WEBP", SCENES)):
        one, other = frames(data), frames(data)
        assert [frame.timestamp_ms for frame in one] == [frame.timestamp_ms for frame in other]
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, other, strict=True))


def test_a_phone_held_upright_is_shown_upright() -> None:
    """Its frames lie on their side, and the file says by how much they are to be turned."""
    lying = [quarters().resize((96, 64), Image.Resampling.NEAREST)]
    for turned, way in (
        (90, Image.Transpose.ROTATE_90),
        (-90, Image.Transpose.ROTATE_270),
        (180, Image.Transpose.ROTATE_180),
    ):
        (frame,) = frames(filmed(lying, turned=turned))
        upright = frames(saved(lying[0].transpose(way), "PNG"))[0]
        assert np.abs(frame.pixels.astype(int) - upright.pixels.astype(int)).mean() < 8, turned


def test_square_pixels_are_made_of_others() -> None:
    """Frames half as wide as they are shown: a round thing is round."""
    round_thing = Image.new("RGB", (128, 64), (255, 255, 255))
    round_thing.paste((200, 20, 20), (32, 0, 96, 64))
    narrow = filmed([round_thing.resize((64, 64))], options=(("aspect", "2:1"),))
    (frame,) = frames(_with_aspect(narrow))
    (wanted,) = frames(saved(round_thing, "PNG"))
    assert np.abs(frame.pixels.astype(int) - wanted.pixels.astype(int)).mean() < 8


def _with_aspect(data: bytes) -> bytes:
    """An MP4 whose pixels are said to be twice as wide as high: a ``pasp`` of 2 to 1."""
    at = data.index(b"pasp") + 4
    return data[:at] + struct.pack(">II", 2, 1) + data[at + 8 :]


def test_a_video_cut_off_is_what_is_left_of_it() -> None:
    """Half of a file whose header comes first; of one whose header is lost nothing is left."""
    whole = video(SCENES, form="fragments", options=(("g", "5"),))
    found = frames(whole[: len(whole) // 2])
    assert 2 <= len(found) <= 7
    assert shows(found[0], SCENES[0])
    assert refusal(video()[:1500]) == "media_corrupt"


def test_a_video_over_a_limit_is_refused_for_it() -> None:
    """Bytes, pixels, seconds, frames: each by its own reason."""
    film = video()
    assert refusal(film, media_max_video_bytes=2000) == "media_too_large"
    assert refusal(film, media_max_frame_pixels=96 * 64 - 1) == "media_too_many_pixels"
    assert refusal(film, media_max_video_seconds=2.0) == "media_too_long"
    assert refusal(film, media_max_video_frames=39) == "media_too_long"
    assert refusal(video(codec="VP9"), media_max_video_frames=39) == "media_too_long"
    assert refusal(film, media_decode_seconds=1e-9) == "media_too_slow"
    assert refusal(moving("GIF"), media_decode_seconds=1e-9) == "media_too_slow"
    assert len(frames(film, media_max_video_frames=40, media_max_frame_pixels=96 * 64)) == 4


def test_of_a_moving_picture_only_so_much_is_looked_at() -> None:
    """Two frames' worth of pixels: what lies behind is not decoded, and the picture is not refused."""
    found = frames(moving("GIF"), media_video_pixels=16 * 2 * LEAST_PIXELS)
    assert [frame.timestamp_ms for frame in found] == [0, 500]


def test_a_gif_whose_frame_reaches_beyond_it_is_what_comes_before() -> None:
    """Pillow would make the picture as large as that frame says, in memory: some hundred bytes could be gigabytes."""
    small, as_large, large = (_gif(side, number) for number, side in enumerate((10, 10, 3000)))
    assert len(frames(small[:-1] + as_large[_GIF_HEAD:])) == 2
    (found,) = frames(small[:-1] + large[_GIF_HEAD:])
    assert shows(found, (0, 0, 0))


def _gif(side: int, grey: int) -> bytes:
    """Of one frame, with a table of 256 colours and nothing else before it."""
    image = Image.new("P", (side, side), grey)
    image.putpalette([level // 3 * 100 % 256 for level in range(768)])
    stream = BytesIO()
    image.save(stream, "GIF", optimize=False)
    return stream.getvalue()


def test_a_video_is_looked_at_within_its_pixels() -> None:
    """One scene's worth: the first frame in any case."""
    assert len(frames(video(), media_video_pixels=10 * LEAST_PIXELS)) == 1
    assert len(frames(video(), media_video_pixels=4096)) == 1


def test_plain_frames_are_one_keyframe() -> None:
    """A picture that stands still for ten seconds."""
    assert [frame.timestamp_ms for frame in frames(filmed([plain(SCENES[0])], seconds=10))] == [0]
