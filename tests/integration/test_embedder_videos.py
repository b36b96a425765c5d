"""Everything a post may hold, through real Kafka, Triton and Weaviate: pictures, what moves, videos of each codec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.test_embedder import World, encoded, post, world
from tests.videos import ENCODERS, SCENES, Colour, moving, plain, video
from workers.adapters.triton import TritonEncoder
from workers.domain.events import PostEmbedded, PostRemoved
from workers.domain.ids import visual_id
from workers.domain.vectors import centre, from_bytes
from workers.embedder.objects import all_visual_ids

__all__ = ["encoded", "world"]
NEAR = 0.97
"""Cosine, centred, of a scene's keyframe to the plain picture of its colour: a codec is in between."""


def put(world: World, name: str, data: bytes) -> str:
    """The file URL of a medium."""
    assert world.settings.media_root is not None
    path = Path(world.settings.media_root) / name
    path.write_bytes(data)
    return path.as_uri()


def plain_picture(world: World, number: int) -> str:
    """One of a dozen colours."""
    assert world.settings.media_root is not None
    path = Path(world.settings.media_root) / f"{number}.png"
    plain(SCENES[number % len(SCENES)], (96 + number, 64)).save(path)
    return path.as_uri()


async def vectors_of(world: World, colours: tuple[Colour, ...]) -> np.ndarray[Any, Any]:
    """Centred vectors (n, d) of plain pictures, by the model and a resizing of the test's own."""
    size = world.card.image.size
    pixels = np.stack(
        [
            np.asarray(plain(colour, (96, 64)).resize((size * 3 // 2, size)))[:, size // 4 :][:, :size]
            for colour in colours
        ]
    )
    async with TritonEncoder(str(world.settings.triton_url), world.card) as encoder:
        return np.asarray(centre(await encoder.encode_images(pixels), np.array(world.card.centring_means.visual)))


async def visuals_of(world: World, post_id: str) -> dict[tuple[int, int], dict[str, Any]]:
    """What is stored, by position and ordinal; anything of the post under another id fails."""
    version = world.card.model_version
    ids = all_visual_ids(post_id, version)
    places = {visual_id(post_id, p, o, version): (p, o) for p in range(20) for o in range(8)}
    assert places.keys() == set(ids)
    async with world.store() as store:
        stored = await store.fetch("Visual", ids, vectors=True)
        assert stored.keys() == (await store.find("Visual", "post_id", [post_id])).keys()
    return {places[id_]: {**each.properties, "vector": each.vectors["visual"]} for id_, each in stored.items()}


async def test_a_carousel_of_twenty_with_videos_and_moving_pictures(world: World, encoded: dict[str, int]) -> None:
    """Each keyframe is what is shown at its time; scraped again it costs nothing; an edit leaves nothing behind."""
    films = [put(world, f"{codec}.bin", video(codec=codec)) for codec in ENCODERS]
    moves = [put(world, f"moving.{kind}", moving(kind)) for kind in ("GIF", "WEBP")]
    urls = [*films, *moves, *(plain_picture(world, number) for number in range(14))]
    wanted = await vectors_of(world, SCENES[:4])
    before = encoded["images"]
    async with world.embedder():
        world.publish(post(1, urls))
        (first,) = await world.announced(1)
        visuals = await visuals_of(world, "p1")
        stored, _ = await world.objects("p1")
        assert stored is not None
        frames = [each.split() for each in stored.properties["frames"]]  # type: ignore[union-attr]
        assert len(frames) == 20
        assert [len(each) for each in frames[6:]] == [1] * 14
        assert sum(map(len, frames)) == len(visuals) == stored.properties["visuals"]
        assert encoded["images"] - before <= len(visuals)  # equal pixels of two media are encoded once
        for position, scene_ms in [*((number, 1000) for number in range(4)), (4, 500), (5, 500)]:
            for scene in range(4):
                shown = [
                    visual
                    for (place, _), visual in visuals.items()
                    if place == position and scene * scene_ms <= int(visual["timestamp_ms"]) < (scene + 1) * scene_ms
                ]
                assert max(float(visual["vector"] @ wanted[scene]) for visual in shown) > NEAR, (position, scene)
        means = []
        for position, times in enumerate(frames):
            own = [visuals[position, ordinal]["vector"].astype(np.float64) for ordinal in range(len(times))]
            means.append(np.sum(own, axis=0) / np.linalg.norm(np.sum(own, axis=0)))
        assert isinstance(first, PostEmbedded)
        assert first.visual is not None
        mean = np.sum(means, axis=0) / np.linalg.norm(np.sum(means, axis=0))
        assert np.allclose(from_bytes(first.visual), mean, atol=1e-6)

        count = encoded["images"]
        world.publish(post(2, [*urls[10:], *(f"{url}?signed=anew" for url in urls[:10])]))
        await world.announced(2)
        assert encoded["images"] == count
        again = await visuals_of(world, "p1")
        assert len(again) == len(visuals)
        assert all(np.array_equal(again[p + 10, o]["vector"], visuals[p, o]["vector"]) for p, o in visuals if p < 10)

        world.publish(post(3, [urls[19], films[0]]))
        await world.announced(3)
        assert sorted(await visuals_of(world, "p1")) == [(0, 0), (1, 0), (1, 1), (1, 2), (1, 3)]
        assert encoded["images"] == count

        world.publish(PostRemoved(post_id="p1", creator_id="c1", revision=4))
        await world.announced(4)
        assert not await visuals_of(world, "p1")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (video()[:1500], b"media_corrupt"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", b"media_type"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", b"media_type"),
    ],
    ids=["cut", "playlist", "list"],
)
async def test_a_video_that_cannot_be_used_is_a_dead_letter(world: World, data: bytes, reason: bytes) -> None:
    """The post as a whole; its neighbour is embedded."""
    async with world.embedder():
        bad = world.record(post(1, [plain_picture(world, 1), put(world, "bad.mp4", data)], post_id="bad"))
        world.send(bad)
        world.publish(post(1, [put(world, "good.mp4", video())], post_id="good"))
        (announced,) = await world.announced(1)
        (letter,) = await world.records("embedder.dead", 1)
    assert isinstance(announced, PostEmbedded)
    assert announced.post_id == "good"
    assert letter.value == bad.value
    assert dict(letter.headers)["streamscout.dead.reason"] == reason
    assert not await visuals_of(world, "bad")
