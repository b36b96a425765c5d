"""What both the encoder and its fake promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
import pytest

from tests.fakes.encoder import HashingEncoder
from workers.adapters.triton import TritonEncoder
from workers.adapters.triton_texts import split
from workers.config import Settings
from workers.domain.model_card import load_model_card
from workers.domain.vectors import Array
from workers.embedder.ports import Encoder


@dataclass
class Case:
    """An encoder, the edge of its pictures and the width of its vectors."""

    encoder: Encoder
    size: int
    dimensions: int


@pytest.fixture(params=["hashing", pytest.param("triton", marks=pytest.mark.real)])
def triton(request: pytest.FixtureRequest) -> Settings | None:
    """None for the fake."""
    if request.param == "hashing":
        return None
    stack: Settings = request.getfixturevalue("stack")
    return stack


@pytest.fixture
async def case(triton: Settings | None) -> AsyncIterator[Case]:
    """The fake and the real one."""
    if triton is None:
        yield Case(HashingEncoder(8), 4, 8)
        return
    card = load_model_card(triton.model_repository)
    async with TritonEncoder(str(triton.triton_url), card) as encoder:
        yield Case(encoder, card.image.size, card.dimensions)


def pictures(case: Case, count: int) -> Array:
    """Pictures of noise, each another one."""
    noise = np.random.default_rng(7).integers(0, 256, size=(count, case.size, case.size, 3))
    return noise.astype(np.uint8)


def of_unit_length(vectors: Array) -> bool:
    """To what float16 weights give."""
    return bool(np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3))


async def test_every_picture_becomes_a_vector_of_unit_length(case: Case) -> None:
    """More of them than one request holds, in their order: alone each gives the same."""
    pixels = pictures(case, 70)
    vectors = await case.encoder.encode_images(pixels)
    assert vectors.shape == (70, case.dimensions)
    assert vectors.dtype == np.float32
    assert of_unit_length(vectors)
    for index in (0, 31, 32, 69):
        (alone,) = await case.encoder.encode_images(pixels[index : index + 1])
        assert float(alone @ vectors[index]) > 0.999


async def test_every_text_becomes_a_vector_of_unit_length(case: Case) -> None:
    """In any script, the empty one too; equal texts give equal vectors."""
    texts = ["green tea", "", "抹茶", "café ☕", "green tea"]
    vectors = await case.encoder.encode_texts(texts)
    assert vectors.shape == (len(texts), case.dimensions)
    assert vectors.dtype == np.float32
    assert of_unit_length(vectors)
    assert float(vectors[0] @ vectors[4]) > 0.999


async def test_of_a_long_text_the_end_counts_too(case: Case) -> None:
    """Whatever its script; its vector, not longer than 1, has a direction."""
    for words in ("tea and cake ", "抹茶とケーキ"):
        vectors = await case.encoder.encode_texts([words * 30 + "bicycle", words * 30 + "volcano", words * 2000])
        lengths = np.linalg.norm(vectors, axis=1)
        assert (lengths > 0.1).all()
        assert (lengths < 1.001).all()
        assert float(np.abs(vectors[0] - vectors[1]).max()) > 1e-4


@pytest.mark.real
async def test_triton_shows_the_tokens_that_it_embeds(stack: Settings) -> None:
    """Start, words, end, padding: `streamscout model check` holds them against open_clip's own."""
    card = load_model_card(stack.model_repository)
    async with TritonEncoder(str(stack.triton_url), card) as encoder:
        short, same, cut = await encoder.tokens(["green tea", "  Green TEA ", "tea " * 3000])
        assert await encoder.precision("clip_text") == "f32"
    assert short.shape == (card.text.context_length,)
    assert (short == same).all()
    assert (short > 0).sum() == 4
    assert (short[0], short[3]) == (cut[0], cut[-1])
    assert (cut > 0).all()


@pytest.mark.real
async def test_a_text_that_fills_the_context_is_the_mean_of_its_parts_by_their_tokens(stack: Settings) -> None:
    """Each as if it stood alone; one that the context holds is not cut in two."""
    card = load_model_card(stack.model_repository)
    room = card.text.context_length - 2
    async with TritonEncoder(str(stack.triton_url), card) as encoder:
        text = "tea " * 2 * room + "cake " * 2 * room
        parts = split(text, room)
        held, long, *alone = await encoder.encode_texts([("tea " * (room - 1)).strip(), text, *parts])
        assert float(np.linalg.norm(held)) == pytest.approx(1, abs=1e-3)
        assert len(parts) > 2
        assert np.allclose(long, np.average(alone, axis=0, weights=[len(part.split()) for part in parts]), atol=1e-4)
