"""The embedder on fakes: what is stored, what is announced, what is dead."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.media import MemoryMedia
from tests.unit.embedder.conftest import MODEL, House, item, outputs, published, removed
from workers.core.lease import Lease, LeaseExpired
from workers.domain.events import (
    CreatorProfiled,
    PostEmbedded,
    PostRetracted,
    ProfileEmbedded,
)
from workers.domain.events.posts import Media
from workers.domain.ids import post_object_id, visual_id
from workers.domain.media import Frame
from workers.domain.topics import topic_name
from workers.domain.vectors import centre, from_bytes
from workers.embedder.worker import MEDIA_AT_ONCE
from workers.wire.letters import origin_headers
from workers.wire.records import Dead, Done, Later, Unavailable


def visuals(house: House) -> list[int]:
    """Positions of the visuals of the one post."""
    return sorted(int(str(stored.properties["position"])) for stored in house.store.all("Visual").values())


def hash_of(name: str) -> str:
    """Of the bytes of a medium."""
    return hashlib.sha256(House().media.pictures[f"mem:{name}"]).hexdigest()


def post(house: House, post_id: str = "p1") -> dict[str, object]:
    """What is stored of a post."""
    return dict(house.store.all("Post")[post_object_id(post_id, MODEL)].properties)


async def test_a_post_becomes_a_visual_for_each_picture_and_one_announcement(house: House) -> None:
    """The announced visual is the unit mean of the stored ones."""
    (verdict,) = await house.give(published(pictures="ab"))
    (event,) = outputs(verdict)
    assert isinstance(event, PostEmbedded)
    assert visuals(house) == [0, 1]
    assert post(house)["complete"] is True
    stored = [house.store.all("Visual")[visual_id("p1", n, 0, MODEL)].vectors["visual"] for n in (0, 1)]
    mean = np.mean(stored, axis=0)
    assert event.visual is not None
    assert np.allclose(from_bytes(event.visual), mean / np.linalg.norm(mean), atol=1e-6)
    assert all(vector.dtype == np.float32 and np.isclose(np.linalg.norm(vector), 1) for vector in stored)


async def test_the_announcement_carries_the_time_of_the_source(house: House) -> None:
    """Freshness is measured from end to end."""
    (verdict,) = await house.give(published())
    assert isinstance(verdict, Done)
    assert dict(verdict.outputs[0].headers)["ce_sourcetime"] == b"1767000000000"


async def test_the_post_is_written_after_its_visuals(house: House) -> None:
    """It marks them complete."""
    await house.give(published())
    writes = [call for call in house.store.calls if call.startswith("upsert")]
    assert writes == ["upsert Visual", "upsert Post"]


async def test_how_each_visual_looks_is_stored_and_announced_fresh_or_read_back(house: House) -> None:
    """Of a video's keyframes too, in the order of the visuals; a post without visuals says nothing of it."""
    house.media.pictures["mem:film"] = b"film 2 dogs"
    (fresh,) = outputs((await house.give(published(1, ["a", "film"])))[0])
    house.restart()
    (again,) = outputs((await house.give(published(1, ["a", "film"])))[0])
    assert isinstance(fresh, PostEmbedded)
    assert fresh == again
    places = [visual_id("p1", *place, MODEL) for place in ((0, 0), (1, 0), (1, 1))]
    stored = [str(house.store.all("Visual")[id_].properties["perceptual_hash"]) for id_ in places]
    assert fresh.visual_hashes == tuple(stored)
    assert len(set(stored)) == 3
    (without,) = outputs((await house.give(published(1, [], post_id="p2")))[0])
    assert isinstance(without, PostEmbedded)
    assert without.visual_hashes == ()


async def test_what_was_stored_before_there_were_hashes_gets_them_at_its_next_edit(house: House) -> None:
    """A plain picture's, which is empty, is one: it is not looked at again."""
    await house.give(published(1, "ab"))
    for position, look in ((0, None), (1, "")):
        stored = house.store.all("Visual")[visual_id("p1", position, 0, MODEL)]
        properties = {name: value for name, value in stored.properties.items() if name != "perceptual_hash"}
        again = properties if look is None else {**properties, "perceptual_hash": look}
        house.store.all("Visual")[stored.id] = replace(stored, properties=again)
    house.restart()
    (before,) = outputs((await house.give(published(1, "ab")))[0])
    (event,) = outputs((await house.give(published(2, "ab", caption="coffee")))[0])
    assert isinstance(before, PostEmbedded)
    assert isinstance(event, PostEmbedded)
    assert before.visual_hashes == ()
    assert [bool(look) for look in event.visual_hashes] == [True, False]
    assert house.encoder.images == 3


async def test_a_post_scraped_again_costs_no_embedding(house: House) -> None:
    """Same caption and bytes under newly signed addresses: the same vectors in the same announcement."""
    first = outputs((await house.give(published(1, "ab")))[0])[0]
    house.media.pictures |= {"mem:a?s=2": b"picture a", "mem:b?s=2": b"picture b"}
    before = house.encoder.images, house.encoder.texts
    second = outputs((await house.give(published(2, ["a?s=2", "b?s=2"])))[0])[0]
    assert (house.encoder.images, house.encoder.texts) == before
    assert isinstance(first, PostEmbedded)
    assert isinstance(second, PostEmbedded)
    assert second == first.model_copy(update={"revision": 2, "event_hash": second.event_hash})
    assert post(house)["revision"] == 2
    assert {stored.properties["revision"] for stored in house.store.all("Visual").values()} == {2}


async def test_the_same_event_again_needs_neither_media_nor_encoder(house: House) -> None:
    """A replay announces what is stored, though the pictures are gone by now."""
    first = outputs((await house.give(published()))[0])
    house.media.pictures.clear()
    house.encoder.gone = True
    assert outputs((await house.give(published()))[0]) == first


async def test_another_caption_embeds_only_the_caption(house: House) -> None:
    """The pictures are known by their bytes."""
    await house.give(published(1))
    await house.give(published(2, caption="coffee"))
    assert (house.encoder.images, house.encoder.texts) == (1, 2)


async def test_alt_texts_move_the_captions_vector_and_leave_the_pictures(house: House) -> None:
    """A half beside the caption's one, before centring; another alt text is another caption."""
    await house.give(published(1))
    plain = house.store.all("Post")[post_object_id("p1", MODEL)].vectors["caption"]
    await house.give(published(2, media=(Media(url="mem:a", kind="image", alt_text="a green cup"),)))
    described = house.store.all("Post")[post_object_id("p1", MODEL)].vectors["caption"]
    assert (house.encoder.images, house.encoder.texts) == (1, 2)
    tea, cup = await house.encoder.encode_texts(["tea", "a green cup"])
    mean = np.full(8, -0.01)
    assert np.allclose(plain, centre(tea, mean), atol=1e-6)
    assert np.allclose(described, centre((tea + 0.5 * cup) / 1.5, mean), atol=1e-6)


async def test_another_picture_embeds_only_that_picture(house: House) -> None:
    """In whatever place the known one stands now."""
    await house.give(published(1, "ab"))
    await house.give(published(2, "cba"))
    assert (house.encoder.images, house.encoder.texts) == (3, 1)
    assert visuals(house) == [0, 1, 2]


async def test_equal_pictures_of_a_batch_are_encoded_once(house: House) -> None:
    """Byte-equal pictures have one vector."""
    await house.give(published(1, "aab"), published(1, "b", post_id="p2"))
    assert house.encoder.images == 2


async def test_an_edit_to_fewer_pictures_leaves_none_behind(house: House) -> None:
    """Not in the store and not in the announcement."""
    await house.give(published(1, "abc"))
    (event,) = outputs((await house.give(published(2, "b")))[0])
    assert visuals(house) == [0]
    assert post(house)["visuals"] == 1
    stored = house.store.all("Visual")[visual_id("p1", 0, 0, MODEL)].vectors["visual"]
    assert isinstance(event, PostEmbedded)
    assert event.visual is not None
    assert np.allclose(from_bytes(event.visual), stored, atol=1e-6)


async def test_an_older_revision_changes_nothing_and_announces_what_stands(house: House) -> None:
    """A late event must not undo a newer one, and a replay heals a lost output."""
    newest = outputs((await house.give(published(5, "a")))[0])
    before = house.state()
    assert outputs((await house.give(published(4, "bc", caption="old")))[0]) == newest
    assert outputs((await house.give(removed(4)))[0]) == newest
    assert house.state() == before
    assert house.media.fetched["mem:b"] == 0


async def test_a_removed_post_leaves_a_tombstone_that_says_nothing(house: House) -> None:
    """No visuals, no vector, no caption, no address."""
    await house.give(published(1, "ab"))
    (event,) = outputs((await house.give(removed(2)))[0])
    assert isinstance(event, PostRetracted)
    assert event.revision == 2
    assert visuals(house) == []
    tombstone = house.store.all("Post")[post_object_id("p1", MODEL)]
    assert not tombstone.vectors
    assert tombstone.properties["removed"] is True
    assert not {"caption", "url", "hashtags", "media_hashes"} & set(tombstone.properties)


async def test_a_removal_of_a_post_never_seen_holds_off_its_late_publication(house: House) -> None:
    """Both come to the same announcement."""
    (first,) = outputs((await house.give(removed(3)))[0])
    assert outputs((await house.give(published(3)))[0]) == [first]
    assert visuals(house) == []


async def test_a_post_with_nothing_to_embed_is_announced_too(house: House) -> None:
    """It counts as a post."""
    (event,) = outputs((await house.give(published(pictures=(), caption="")))[0])
    assert isinstance(event, PostEmbedded)
    assert event.visual is None
    assert event.caption is None
    assert house.encoder.texts == 0


async def test_a_broken_picture_makes_the_whole_post_a_dead_letter(house: House) -> None:
    """With its place and address; nothing of the post is stored, and its neighbour is not harmed."""
    house.media.pictures["mem:x?sig=secret"] = b"broken"
    dead, done = await house.give(published(1, ["a", "x?sig=secret"]), published(1, "b", post_id="p2"))
    assert dead == Dead("media_corrupt", "media[1] mem:x: cut off")
    assert isinstance(done, Done)
    assert {stored.properties["post_id"] for stored in house.store.all("Visual").values()} == {"p2"}
    assert set(house.store.all("Post")) == {post_object_id("p2", MODEL)}


async def test_a_picture_that_is_gone_is_a_dead_letter(house: House) -> None:
    """Its host says so."""
    (verdict,) = await house.give(published(1, "az"))
    assert verdict == Dead("media_gone", "media[1] mem:z: HTTP 404")


async def test_a_video_becomes_a_visual_for_each_keyframe_with_its_time(house: House) -> None:
    """Between two pictures: each visual says its place, its time and the medium that it is of."""
    await house.give(published(pictures="avb"))
    stored = house.store.all("Visual")
    ids = {visual_id("p1", *place, MODEL): place for place in ((0, 0), (1, 0), (1, 1), (1, 2), (2, 0))}
    assert stored.keys() == ids.keys()
    said = {ids[id_]: (each.properties["position"], each.properties["timestamp_ms"]) for id_, each in stored.items()}
    assert said == {(0, 0): (0, 0), (1, 0): (1, 0), (1, 1): (1, 700), (1, 2): (1, 1400), (2, 0): (2, 0)}
    assert {stored[id_].properties["media_hash"] for id_, place in ids.items() if place[0] == 1} == {hash_of("v")}
    assert (post(house)["frames"], post(house)["visuals"]) == (["0", "0 700 1400", "0"], 5)


async def test_a_video_counts_as_much_as_a_picture_in_what_is_announced(house: House) -> None:
    """However many keyframes it has: their mean first, then the mean over the media; read back it is the same."""
    (event,) = outputs((await house.give(published(pictures="av")))[0])
    vectors = {
        place: house.store.all("Visual")[visual_id("p1", *place, MODEL)].vectors["visual"].astype(np.float64)
        for place in ((0, 0), (1, 0), (1, 1), (1, 2))
    }
    film = vectors[1, 0] + vectors[1, 1] + vectors[1, 2]
    mean = vectors[0, 0] + film / np.linalg.norm(film)
    assert isinstance(event, PostEmbedded)
    assert event.visual is not None
    assert np.allclose(from_bytes(event.visual), mean / np.linalg.norm(mean), atol=1e-6)
    assert outputs((await house.give(published(pictures="av")))[0]) == [event]


async def test_a_video_seen_again_is_neither_decoded_nor_embedded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the hash of its bytes, in whatever place: vectors and times are those that are stored."""
    await house.give(published(1, "av"))
    before = house.state()

    def never(data: bytes) -> list[Frame]:
        raise AssertionError(data)

    monkeypatch.setattr(house.embedder._live.pictures, "_prepare", never)
    house.media.pictures["mem:v?s=2"] = house.media.pictures["mem:v"]
    await house.give(published(2, ["v?s=2", "a"]))
    await house.give(published(3, "av"))
    vectors = {id_: told[1] for (name, id_), told in before.items() if name == "Visual"}  # type: ignore[index]
    assert {id_: told[1] for (name, id_), told in house.state().items() if name == "Visual"} == vectors  # type: ignore[index]
    assert house.encoder.images == 4


async def test_an_edit_to_fewer_keyframes_leaves_none_behind(house: House) -> None:
    """Eight keyframes, then two, then a picture, then nothing: none is left in any place."""
    for revision, pictures, left in ((1, "wv", 11), (2, "xa", 3), (3, "aw", 9), (4, "b", 1)):
        await house.give(published(revision, pictures))
        assert len(house.store.all("Visual")) == left == post(house)["visuals"]
    await house.give(published(5, "ww"))
    await house.give(removed(6))
    assert not house.store.all("Visual")


@pytest.mark.parametrize("kind", ["image", "video"])
async def test_a_medium_is_what_its_bytes_say(house: House, kind: str) -> None:
    """A picture that is called a video is a picture, and the other way round."""
    await house.give(published(1, media=[{"url": "mem:a", "kind": kind}, {"url": "mem:x", "kind": kind}]))
    assert post(house)["frames"] == ["0", "0 700"]


async def test_of_a_large_batch_not_all_pixels_are_held_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve carousels of twenty videos, each video another: what is encoded at once is of sixty media at most."""
    held: list[int] = []
    images = house.encoder.encode_images

    async def counted(pixels: np.ndarray) -> np.ndarray:
        held.append(len(pixels))
        return await images(pixels)

    monkeypatch.setattr(house.encoder, "encode_images", counted)
    names = [[f"{post}-{number}" for number in range(20)] for post in range(12)]
    house.media.pictures |= {f"mem:{name}": f"film 8 {name}".encode() for each in names for name in each}
    posts = [published(1, each, post_id=f"big-{number}") for number, each in enumerate(names)]
    assert all(isinstance(verdict, Done) for verdict in await house.give(*posts))
    assert max(held) <= 8 * MEDIA_AT_ONCE
    assert sum(held) == 12 * 20 * 8 == len(house.store.all("Visual"))


async def test_a_busy_host_holds_a_post_back_a_few_times_and_no_longer(house: House) -> None:
    """Ever later, then a dead letter: one slow host must not hold its partition for ever."""
    house.media.busy.add("mem:b")
    first, second, third = [(await house.give(published(1, "ab")))[0] for _ in range(3)]
    assert first == Later(1.0, "media[1] mem:b: HTTP 503", elsewhere=True)
    assert second == Later(2.0, "media[1] mem:b: HTTP 503", elsewhere=True)
    assert third == Dead("too_many_attempts", "media[1] mem:b: HTTP 503 (3 attempts)")


async def test_a_host_that_says_when_is_not_asked_earlier(house: House) -> None:
    """What Retry-After asks for is the least wait; it still counts as an attempt."""
    house.media.busy.add("mem:a")
    house.media.after = 600.0
    first, second = [(await house.give(published(1, "a")))[0] for _ in range(2)]
    assert first == Later(600.0, "media[0] mem:a: HTTP 503", elsewhere=True)
    assert second == Later(600.0, "media[0] mem:a: HTTP 503", elsewhere=True)
    assert isinstance((await house.give(published(1, "a")))[0], Dead)


async def test_a_post_whose_host_was_not_asked_has_made_no_attempt(house: House) -> None:
    """A host that rests for another post's sake costs this one nothing but time."""
    house.media.resting.add("mem:a")
    house.media.after = 7.0
    for _ in range(5):
        (verdict,) = await house.give(published(1, "a"))
        assert verdict == Later(7.0, "media[0] mem:a: left alone", elsewhere=True, counted=False)
    house.media.resting.clear()
    assert isinstance((await house.give(published(1, "a")))[0], Done)


async def test_a_post_waits_for_the_last_of_its_hosts(house: House) -> None:
    """One was asked, one rests: the wait is the longer one, and an attempt."""
    house.media.resting.add("mem:a")
    house.media.busy.add("mem:b")
    house.media.after = 7.0
    (verdict,) = await house.give(published(1, "ab"))
    assert verdict == Later(7.0, "media[1] mem:b: HTTP 503", elsewhere=True)


async def test_a_dead_letter_quotes_no_credentials(house: House) -> None:
    """Neither those of the address nor its signature."""
    media = [{"url": "http://u:secret@cdn.example/a?sig=secret", "kind": "image"}]
    (verdict,) = await house.give(published(1, "a", media=media))
    assert verdict == Dead("media_gone", "media[0] http://cdn.example/a: HTTP 404")


async def test_what_a_post_has_while_it_waits_is_not_fetched_or_encoded_again(house: House) -> None:
    """Work already done is not done again."""
    house.media.busy.add("mem:b")
    await house.give(published(1, "ab"))
    house.media.busy.clear()
    (verdict,) = await house.give(published(1, "ab"))
    assert isinstance(verdict, Done)
    assert house.media.fetched == {"mem:a": 1, "mem:b": 2}
    assert house.encoder.images == 2


async def test_a_store_that_goes_away_costs_no_second_encoding(house: House) -> None:
    """The vectors wait in memory, and are forgotten once they are stored."""
    await house.give(published(1, "a", post_id="p0"))
    real = house.store.upsert

    async def gone(*_: object) -> list[str | None]:
        raise Unavailable("the store is gone")

    house.store.upsert = gone  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await house.give(published(1, "b"))
    house.store.upsert = real  # type: ignore[method-assign]
    before = house.encoder.images, house.encoder.texts, house.media.fetched["mem:b"]
    (verdict,) = await house.give(published(1, "b"))
    assert isinstance(verdict, Done)
    assert (house.encoder.images, house.encoder.texts, house.media.fetched["mem:b"]) == before
    assert len(house.embedder._unfinished) == 0


async def test_an_encoder_that_is_gone_is_told_to_the_loop(house: House) -> None:
    """Nothing is stored."""
    house.encoder.gone = True
    with pytest.raises(Unavailable):
        await house.give(published())
    assert not house.state()


async def test_an_object_that_the_store_refuses_is_a_dead_letter(house: House) -> None:
    """Its post is not marked complete; its neighbour is not harmed."""
    house.store.refused[visual_id("p1", 1, 0, MODEL)] = "invalid date"
    dead, done = await house.give(published(1, "ab"), published(1, "c", post_id="p2"))
    assert isinstance(dead, Dead)
    assert dead.reason == "store_refused"
    assert isinstance(done, Done)
    assert set(house.store.all("Post")) == {post_object_id("p2", MODEL)}
    assert visuals(house) == [0]


async def test_nothing_is_written_without_a_lease(house: House) -> None:
    """Another worker may have the partition by now."""

    class Frozen:
        seconds = 0.0

        def monotonic(self) -> float:
            return self.seconds

    clock = Frozen()
    house.lease = Lease(3.0, clock)  # type: ignore[arg-type]
    house.lease.renew()
    house.restart()
    clock.seconds = 4.0
    with pytest.raises(LeaseExpired):
        await house.give(published())
    assert not house.store.writes


async def test_every_profile_becomes_an_embedded_profile(house: House) -> None:
    """Whole, with a vector of the bio where there is one."""
    profile = CreatorProfiled(creator_id="c1", revision=3, name="Ada", bio=" tea and code ", followers=10)
    silent = CreatorProfiled(creator_id="c2", revision=1, name="Bob", bio=" ")
    with_bio, without = [outputs(verdict)[0] for verdict in await house.give(profile, silent)]
    assert isinstance(with_bio, ProfileEmbedded)
    assert isinstance(without, ProfileEmbedded)
    assert with_bio.profile == profile.profile()
    assert with_bio.bio is not None
    assert np.isclose(np.linalg.norm(from_bytes(with_bio.bio)), 1)
    assert without.bio is None


async def test_what_a_crash_left_of_a_post_that_dies_later_is_cleared(house: House) -> None:
    """Visuals without a post would be found by searches for ever."""
    await house.give(published(1, "ab"))
    house.store.all("Post").clear()
    house.restart()
    house.media = MemoryMedia()
    house.restart()
    (verdict,) = await house.give(published(1, "ab"))
    assert isinstance(verdict, Dead)
    assert visuals(house) == []


async def test_backfill_is_encoded_behind_live_posts_however_often_it_waited(house: House) -> None:
    """In one batch each goes by its own encoder; a post of the past stays one on the retry topic."""
    past = item(published(post_id="p1", pictures="a", caption="old"), topic_name("", "posts.backfill"))
    live = item(published(post_id="p2", pictures="bc"))
    assert all(isinstance(verdict, Done) for verdict in await house.embedder.handle([past, live]))
    assert (house.backfill.images, house.encoder.images) == (1, 2)
    assert (house.backfill.texts, house.encoder.texts) == (1, 1)
    origin = tuple(origin_headers(past.record).items())
    event = published(post_id="p3", pictures="d")
    waited = item(event, topic_name("", "embedder.retry"))
    waited = replace(waited, event=event, record=replace(waited.record, headers=origin))
    assert isinstance((await house.embedder.handle([waited]))[0], Done)
    assert (house.backfill.images, house.encoder.images) == (2, 2)
