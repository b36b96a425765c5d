"""Equal content has one vector, and whoever is erased is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from tests.fakes.encoder import HashingEncoder
from tests.unit.embedder.conftest import House, published
from tests.unit.embedder.test_erasing import at, erased, give
from workers.domain.erasure import recorded
from workers.domain.ids import visual_id
from workers.domain.vectors import Array
from workers.embedder.remembering import ENTRY_BYTES, KnownVectors, RememberingEncoder
from workers.metrics import REMEMBERED
from workers.wire.records import Unavailable

PIXELS = np.arange(3 * 12, dtype=np.uint8).reshape(3, 2, 2, 3)


class RestlessEncoder(HashingEncoder):
    """Answers in other last bits each time, as an engine may that computes in batches."""

    async def encode_images(self, pixels: Array) -> Array:
        """Off by a little more each time."""
        vectors = await super().encode_images(pixels)
        return vectors + np.float32(1e-6) * self.images

    async def encode_texts(self, texts: Sequence[str]) -> Array:
        """The same."""
        vectors = await super().encode_texts(texts)
        return vectors + np.float32(1e-6) * self.texts


async def test_equal_pixels_have_the_same_vector_whatever_batch_they_came_in() -> None:
    """To the last bit, and the encoder sees them once; other pixels are others."""
    encoder = RestlessEncoder()
    remembering = RememberingEncoder(encoder, KnownVectors(1 << 20))
    first = await remembering.encode_images(PIXELS[[0, 1, 0]])
    second = await remembering.encode_images(PIXELS[[2, 1, 0]])
    assert encoder.images == 3
    assert (first[0] == first[2]).all()
    assert (first[1] == second[1]).all()
    assert (first[0] == second[2]).all()
    assert not (second[0] == second[1]).all()


async def test_equal_texts_have_the_same_vector_too() -> None:
    """Hits are counted by kind."""
    encoder, before = RestlessEncoder(), REMEMBERED.labels("text")._value.get()
    remembering = RememberingEncoder(encoder, KnownVectors(1 << 20))
    first = await remembering.encode_texts(["tea", "茶", "tea"])
    second = await remembering.encode_texts(["茶"])
    assert encoder.texts == 2
    assert (first[1] == second[0]).all()
    assert REMEMBERED.labels("text")._value.get() == before + 2


async def test_two_batches_at_once_end_with_one_vector() -> None:
    """Both ask, since neither waits for the other; whoever is answered first stands."""
    encoder, known = RestlessEncoder(), KnownVectors(1 << 20)
    both = [RememberingEncoder(encoder, known).encode_images(PIXELS[:1]) for _ in range(2)]
    first, second = await asyncio.gather(*both)
    assert (first == second).all()


async def test_without_memory_equal_content_of_one_request_still_has_one_vector() -> None:
    """The setting may be 0."""
    remembering = RememberingEncoder(RestlessEncoder(), KnownVectors(0))
    first = await remembering.encode_images(PIXELS[[0, 0]])
    assert (first[0] == first[1]).all()


async def test_nothing_asked_is_nothing_answered() -> None:
    """With the shape of something."""
    remembering = RememberingEncoder(HashingEncoder(8), KnownVectors(0))
    assert (await remembering.encode_texts([])).shape == (0, 8)
    assert (await remembering.encode_images(PIXELS[:0])).shape == (0, 8)


async def test_what_fails_is_not_kept() -> None:
    """The next one asks again."""
    encoder, known = HashingEncoder(), KnownVectors(1 << 20)
    encoder.gone = True
    with pytest.raises(Unavailable):
        await RememberingEncoder(encoder, known).encode_images(PIXELS)
    assert len(known) == 0


def test_the_least_lately_used_go_first() -> None:
    """Beyond the bytes that are allowed."""
    known = KnownVectors(2 * (ENTRY_BYTES + 32))
    for name in (b"a", b"b"):
        known.keep({("text", name): np.zeros(8, dtype=np.float32)})
    known.find([("text", b"a")])
    known.keep({("text", b"c"): np.zeros(8, dtype=np.float32)})
    assert set(known.find([("text", name) for name in (b"a", b"b", b"c")])) == {("text", b"a"), ("text", b"c")}


async def test_a_picture_posted_by_two_has_one_vector(house: House) -> None:
    """Whoever was first: posts come in any order."""
    await house.give(published(post_id="p1", creator_id="c1"))
    await house.give(published(post_id="p2", creator_id="c2"))
    assert (house.encoder.images, house.encoder.texts) == (1, 1)
    vectors = [stored.vectors["visual"].tobytes() for stored in house.store.all("Visual").values()]
    assert len(vectors) == 2
    assert len(set(vectors)) == 1


async def test_an_erasure_clears_what_is_known(house: House) -> None:
    """In its turn among the posts; another creator's is embedded again."""
    await give(house, at(0, published()), at(1, published(post_id="p9", creator_id="c2", pictures="b")))
    assert len(house.known) > 0
    await give(house, at(2, erased()))
    assert len(house.known) == 0
    await give(house, at(3, published(post_id="p8", creator_id="c2", pictures="b")))
    assert house.encoder.images == 3


async def test_an_erasure_is_heard_by_every_embedder(house: House) -> None:
    """The creator's partition may be another's by now, and this one has embedded them before."""
    await give(house, at(0, published()))
    house.erasures.put(recorded(erased(), house.erasures.key))
    assert len(house.known) == 0


async def test_a_batch_on_its_way_at_an_erasure_leaves_nothing_behind(house: House) -> None:
    """Its creator was not yet erased when it began."""

    class Hearing(HashingEncoder):
        async def encode_images(self, pixels: Array) -> Array:
            house.erasures.put(recorded(erased(), house.erasures.key))
            return await super().encode_images(pixels)

    house.encoder = Hearing()
    house.restart()
    await give(house, at(0, published()))
    assert visual_id("p1", 0, 0, "tiny_v1") in house.store.all("Visual")
    assert len(house.known) == 0
