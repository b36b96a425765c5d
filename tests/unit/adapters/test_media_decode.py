"""Strangers' pictures become pixels as open_clip's preprocessing makes them, or are refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from PIL.Image import Resampling

from workers.adapters.media_decode import Decoder, decode, to_pixels
from workers.config import REPOSITORY
from workers.domain.media import InvalidMedia
from workers.domain.model_card import ModelCard, load_model_card
from workers.domain.reasons import Reason


@dataclass(frozen=True)
class Limits:
    """Small limits, so that small pictures can be over them."""

    media_max_bytes: int = 1_000_000
    media_max_pixels: int = 400_000


LIMITS = Limits()
RED, GREEN, WHITE = (200, 30, 30), (20, 160, 40), (255, 255, 255)


@pytest.fixture(scope="module")
def card() -> ModelCard:
    """The bundled model's card."""
    return load_model_card(REPOSITORY / "triton_models")


def picture(size: tuple[int, int] = (96, 64), mode: str = "RGB") -> Image.Image:
    """Left half red, right half green."""
    image = Image.new("RGB", size, RED)
    ImageDraw.Draw(image).rectangle((size[0] // 2, 0, *size), fill=GREEN)
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The file's bytes."""
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def refusal(data: bytes, limits: Limits = LIMITS) -> str:
    """The reason for which the bytes are refused."""
    with pytest.raises(InvalidMedia) as caught:
        decode(data, limits)
    return caught.value.reason


def near(pixel: Any, wanted: tuple[int, int, int], by: int = 12) -> bool:
    """Lossy formats move a colour a little."""
    return bool(np.abs(np.asarray(pixel, dtype=int) - wanted).max() <= by)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_every_known_type_is_told_by_content(kind: str) -> None:
    """No name and no header is needed."""
    image = decode(encoded(picture(), kind), LIMITS)
    assert image.mode == "RGB"
    assert image.size == (96, 64)
    assert near(image.getpixel((10, 10)), RED, 30)
    assert near(image.getpixel((85, 50)), GREEN, 30)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"\0" * 999]
)
def test_what_is_no_picture_is_refused_by_type(data: bytes) -> None:
    """Whatever its name said."""
    assert refusal(data) == Reason.MEDIA_TYPE


def test_too_many_bytes_are_refused_before_they_are_looked_at() -> None:
    """Even if they are no picture at all."""
    assert refusal(b"x" * 1_000_001) == Reason.MEDIA_TOO_LARGE


def test_too_many_pixels_are_refused_by_the_header_alone() -> None:
    """A small file may claim to be a huge picture: nothing of it is decoded."""
    assert refusal(encoded(Image.new("1", (5_000, 5_000)), "PNG")) == Reason.MEDIA_TOO_MANY_PIXELS
    bomb = bytearray(encoded(Image.new("1", (8, 8)), "BMP"))
    bomb[18:26] = (60_000).to_bytes(4, "little") * 2
    assert refusal(bytes(bomb)) == Reason.MEDIA_TOO_MANY_PIXELS
    with pytest.raises(InvalidMedia, match=r": more pixels than the 400000 that are read$"):
        decode(bytes(bomb), LIMITS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_a_picture_cut_off_is_corrupt(kind: str) -> None:
    """Half a download is not half a picture."""
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    assert refusal(data[: len(data) // 2]) in {Reason.MEDIA_CORRUPT, Reason.MEDIA_TYPE}


def outcome(data: bytes) -> str:
    """The mode of the picture, or the reason it is refused for."""
    try:
        return decode(data, LIMITS).mode
    except InvalidMedia as error:
        return str(error.reason)


kinds = st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
damages = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=12)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@given(kinds, damages)
def test_a_damaged_file_is_a_picture_or_refused_never_a_crash(kind: str, damage: list[tuple[int, int]]) -> None:
    """Whatever bytes change, the answer is a picture or InvalidMedia."""
    data = bytearray(encoded(picture((24, 16)), kind))
    for place, value in damage:
        data[place % len(data)] = value
    refused = {Reason.MEDIA_TYPE, Reason.MEDIA_CORRUPT, Reason.MEDIA_TOO_MANY_PIXELS}
    assert outcome(bytes(data)) in {"RGB", *refused}


def test_alpha_is_laid_on_white() -> None:
    """A product cut out of its background keeps no black one."""
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.putpixel((3, 3), (*RED, 255))
    for mode in ("RGBA", "LA", "PA"):
        clear = decode(encoded(image.convert("RGBA" if mode == "PA" else mode), "PNG"), LIMITS)
        assert clear.getpixel((10, 10)) == WHITE
    assert decode(encoded(image, "PNG"), LIMITS).getpixel((3, 3)) == RED


def test_a_palette_with_a_clear_colour_is_laid_on_white_too() -> None:
    """GIF and PNG palettes name the colour that is not there."""
    image = Image.new("P", (20, 20), 0)
    image.putpalette([0, 0, 0, *RED])
    image.putpixel((3, 3), 1)
    for kind in ("GIF", "PNG"):
        found = decode(encoded(image, kind, transparency=0), LIMITS)
        assert found.getpixel((10, 10)) == WHITE
        assert found.getpixel((3, 3)) == RED


def test_of_a_moving_picture_the_first_frame_counts() -> None:
    """It is what a feed shows."""
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, GREEN)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert near(decode(data, LIMITS).getpixel((5, 5)), RED)


def test_a_picture_is_turned_as_its_camera_says() -> None:
    """EXIF orientation 6: the sensor's left is the picture's top."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode(encoded(picture(), "JPEG", exif=exif, quality=95), LIMITS)
    assert image.size == (64, 96)
    assert near(image.getpixel((32, 5)), RED)
    assert near(image.getpixel((32, 90)), GREEN)


def test_print_colours_and_bilevel_are_read() -> None:
    """CMYK from a printer's JPEG, greys and black on white."""
    assert near(decode(encoded(picture(mode="CMYK"), "JPEG", quality=95), LIMITS).getpixel((10, 10)), RED, 40)
    assert decode(encoded(Image.new("1", (9, 9), 1), "PNG"), LIMITS).getpixel((4, 4)) == WHITE


def test_sixteen_bit_greys_keep_their_shades() -> None:
    """Half of 65,535 is a middle grey, not white."""
    values = np.full((10, 10), 32_768, dtype=np.uint16)
    pixel = decode(encoded(Image.fromarray(values), "PNG"), LIMITS).getpixel((5, 5))
    assert near(pixel, (128, 128, 128), 1)


def test_the_shortest_side_is_resized_and_the_middle_kept(card: ModelCard) -> None:
    """As torchvision's Resize and CenterCrop do it, to the rounding."""
    image = picture((101, 67))
    pixels = to_pixels(image, card.image)
    assert pixels.shape == (64, 64, 3)
    assert pixels.dtype == np.uint8
    resized = np.asarray(image.resize((int(64 * 101 / 67), 64), Resampling.BICUBIC))
    left = round((resized.shape[1] - 64) / 2)
    assert np.array_equal(pixels, resized[:, left : left + 64])


def test_a_strip_is_not_enlarged_before_it_is_cropped(card: ModelCard) -> None:
    """1 x 100,000 pixels cost no more than any picture."""
    for size in ((1, 100_000), (100_000, 1), (3, 64), (64, 64), (1, 1)):
        assert to_pixels(Image.new("RGB", size, RED), card.image).shape == (64, 64, 3)


@pytest.mark.parametrize(("mode", "corner"), [("longest", (0, 0, 0)), ("squash", RED)])
def test_the_other_ways_to_fit_are_the_cards_choice(card: ModelCard, mode: str, corner: tuple[int, int, int]) -> None:
    """Whole and padded with the fill, or squeezed."""
    image = card.image.model_copy(update={"resize_mode": mode})
    pixels = to_pixels(Image.new("RGB", (200, 50), RED), image)
    assert tuple(pixels[0, 0]) == corner
    assert tuple(pixels[32, 32]) == RED


@pytest.fixture(scope="module")
def fine(card: ModelCard) -> ModelCard:
    """A card that lets JPEGs be decoded at a part of their size."""
    return card.model_copy(update={"image": card.image.model_copy(update={"oversampling": 1.2})})


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("size", [(1051, 531), (531, 1051), (900, 1125), (267, 389)])
def test_a_jpeg_is_decoded_smaller_and_is_the_same_picture(fine: ModelCard, turned: int, size: tuple[int, int]) -> None:
    """However the camera was held, and where its last column is a part of a pixel then."""
    across, down = np.indices(size[::-1])[::-1]
    light = np.stack([127 + 100 * np.sin(across / 40), 127 + 100 * np.sin(down / 30), across / 9 + down / 9], axis=2)
    exif = Image.Exif()
    exif[0x0112] = turned
    data = encoded(Image.fromarray(light.astype(np.uint8)), "JPEG", exif=exif, quality=95, subsampling=0)
    limits = Limits(media_max_pixels=2_000_000)
    small = Decoder(limits, fine, 10_000_000)(data).astype(int)
    whole = to_pixels(decode(data, limits), fine.image).astype(int)
    assert np.abs(small - whole).mean() < 1.5


def test_a_jpeg_that_is_hardly_larger_than_the_model_wants_is_decoded_whole(fine: ModelCard) -> None:
    """Half of it would be too little for the same vector."""
    data = encoded(picture((400, 153)), "JPEG")
    assert np.array_equal(Decoder(LIMITS, fine, 10_000_000)(data), to_pixels(decode(data, LIMITS), fine.image))


def test_a_thin_jpeg_of_which_nothing_would_be_left_is_decoded_whole(fine: ModelCard) -> None:
    """Where the longest side counts, the other may be of a few pixels."""
    longest = fine.model_copy(update={"image": fine.image.model_copy(update={"resize_mode": "longest"})})
    assert Decoder(LIMITS, longest, 10_000_000)(encoded(picture((2000, 4)), "JPEG")).shape == (64, 64, 3)
