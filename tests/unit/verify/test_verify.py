"""Verify on a whole world in memory: nothing is found in it; each damage is found as what it is, and mended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.embedder.conftest import MODEL
from tests.unit.outcomes.test_outcomes import served
from tests.unit.verify.damages import (
    DAMAGES,
    SIGNALS,
    Seen,
    facet_turned,
    signal_gone,
    tombstone_gone,
    visual_gone,
    visual_turned,
)
from tests.unit.verify.world import KEY, NOW, World, post, whole
from workers.config import REPOSITORY
from workers.creators.rows import post_key, profile_key, standing_key
from workers.domain.erasure import recorded
from workers.domain.events import CreatorErased
from workers.domain.events.posts import Media
from workers.domain.ids import post_object_id
from workers.domain.topics import load_topics
from workers.verify.mending import MENDS
from workers.verify.repair import plan_for
from workers.verify.spool import Spool
from workers.verify.worker import compare
from workers.wire.records import OutRecord
from workers.wire.standing import Standing


def seen(differences: Any) -> set[Seen]:
    """What, of which kind, of which id."""
    return {(each.what, each.kind, each.id) for each in differences}


async def test_a_world_that_is_whole_shows_no_difference() -> None:
    """Edits, removals, posts without pictures, creators without profiles: all as it must be."""
    report = await (await whole()).verify().run(repair=False)
    assert report.differences == []
    assert report.in_flight == []
    assert report.checked["post"] == 30


@settings(max_examples=25)
@given(st.sets(st.sampled_from(DAMAGES)), st.sampled_from((None, *SIGNALS)))
def test_any_set_of_damages_is_found_and_mended(
    damages: set[Callable[[World], set[Seen]]], signal: Callable[[World], set[Seen]] | None
) -> None:
    """Exactly the damages, as what they are; after repair the state is the one before, to the last digit."""

    async def run() -> None:
        world = await whole()
        before = await world.state()
        expected: set[Seen] = set()
        for damage in sorted(damages, key=lambda each: each.__name__):
            expected |= damage(world)
        expected |= signal(world) if signal else set()
        await world.digest()
        report = await world.verify().run(repair=False)
        assert seen(report.differences) == expected
        mended = await world.verify().run(repair=True)
        assert mended.differences == []
        assert seen(mended.found) == expected
        assert await world.state() == before
        assert world.dead == []

    asyncio.run(run())


@pytest.mark.parametrize("damage", [*DAMAGES, *SIGNALS], ids=lambda each: each.__name__)
async def test_each_damage_alone_is_found_and_mended(damage: Callable[[World], set[Seen]]) -> None:
    """One at a time, so that none hides behind another."""
    world = await whole()
    before = await world.state()
    expected = damage(world)
    await world.digest()
    assert seen((await world.verify().run(repair=False)).differences) == expected
    mended = await world.verify().run(repair=True)
    assert mended.differences == []
    assert await world.state() == before


async def test_only_topics_that_say_so_are_written_to() -> None:
    """``mended_by`` of schemas/topics.yaml is the list of what mending writes to, and it writes to nothing else."""
    listed = load_topics(REPOSITORY / "schemas" / "topics.yaml")
    assert {topic.name for topic in listed if topic.mended_by == ("verify",)} == MENDS
    assert {topic.mended_by for topic in listed} == {(), ("verify",)}
    world = await whole()
    for damage in (*DAMAGES, signal_gone):
        damage(world)
    await world.digest()
    world.awake.clear()
    before = {topic: len(records) for topic, records in world.records.items()}
    with Spool() as spool:
        look = world.look(spool)
        await compare(look)
        await world.mender(look).mend(plan_for(look.differences))
    written = {topic for topic, records in world.records.items() if len(records) > before.get(topic, 0)}
    assert written <= MENDS
    assert {"posts", "embeddings", "creators", "signals"} <= written


async def test_what_is_searchable_and_not_settled_is_neither_wrong_nor_waited_for() -> None:
    """It is counted, and compared to within the thresholds: what is farther off is wrong; once settled all is exact."""
    world = await whole(settle_seconds=30.0)
    assert world.opened
    report = await world.verify().run(repair=False)
    assert (report.differences, report.in_flight, world.now) == ([], [], 0.0)
    assert report.unsettled > 0
    damaged = facet_turned(world)
    report = await world.verify().run(repair=False)
    assert seen(report.differences) == damaged
    report = await world.verify().run(repair=True)
    assert report.differences == []
    await world.settle()
    report = await world.verify().run(repair=False)
    assert (report.differences, report.unsettled) == ([], 0)


async def test_what_a_worker_has_not_read_yet_is_in_flight() -> None:
    """The creators worker sleeps: posts that are stored have no rows, and nobody says that this is wrong."""
    world = await whole()
    world.awake.discard("creators")
    world.publish("posts", post(40), post(41))
    await world.digest()
    report = await world.verify().run(repair=True)
    assert report.differences == []
    assert seen(report.in_flight) == {("missing", "row", "c4/p40"), ("missing", "row", "c5/p41")}
    assert report.open_events == 2
    assert report.done == {}
    world.awake.add("creators")
    report = await world.verify().run(repair=False)
    assert (report.differences, report.in_flight, report.open_events) == ([], [], 0)


async def test_what_is_wrong_is_said_though_other_workers_are_behind() -> None:
    """The outcomes worker is asleep; a facet that has drifted is none of its business."""
    world = await whole()
    world.awake.discard("outcomes")
    world.publish("matches", served("m9"))
    expected = facet_turned(world)
    report = await world.verify().run(repair=False)
    assert seen(report.differences) == expected
    assert report.open_events == 1


async def test_a_post_whose_event_is_gone_is_left_as_it_is() -> None:
    """Nothing is deleted that cannot be embedded anew; what is left is said, for a scraper to publish again."""
    world = await whole()
    expected = visual_turned(world) | visual_gone(world)
    world.records["posts"] = [replace(record, key=b"gone", value=b"{}") for record in world.records["posts"]]
    before = await world.state()
    report = await world.verify().run(repair=True)
    assert seen(report.differences) == expected
    assert await world.state() == before


async def test_an_older_event_of_a_post_does_not_pass_for_the_newest() -> None:
    """The edit has left the topic, the first publication has not: it would bring old words back."""
    world = await whole()
    del world.store.all("Post")[post_object_id("p3", MODEL)]
    world.records["posts"] = [
        replace(record, key=b"gone", value=b"{}") if b'"edited"' in (record.value or b"") else record
        for record in world.records["posts"]
    ]
    report = await world.verify().run(repair=True)
    assert seen(report.differences) == {("missing", "post", str(post_object_id("p3", MODEL)))}
    assert post_object_id("p3", MODEL) not in world.store.all("Post")


async def test_an_event_that_lay_under_a_wrong_key_is_published_under_its_own() -> None:
    """The worker that met it there sent it round; what is on the topic is still the only copy of what was said."""
    world = await whole()
    before = await world.state()
    expected = visual_gone(world) | signal_gone(world)
    for topic in ("posts", "decisions", "outcomes"):
        world.records[topic] = [replace(record, key=b"somebody else") for record in world.records[topic]]
    report = await world.verify().run(repair=True)
    assert (report.differences, seen(report.found)) == ([], expected)
    assert await world.state() == before
    assert {record.key for record in world.records["posts"][32:]} == {b"somebody else", b"c0"}


async def test_a_newer_event_that_was_dead_is_not_published_again() -> None:
    """An edit with a broken picture is a dead letter; the post stands as it was before, and is mended from that."""
    world = await whole()
    world.house.media.pictures["mem:x"] = b"broken"
    world.publish("posts", post(0, 7, media=(Media(url="mem:x", kind="image"),)))
    await world.digest()
    assert [dead.reason for dead in world.dead] == ["media_corrupt"]
    before = await world.state()
    expected = visual_gone(world)
    report = await world.verify().run(repair=True)
    assert (report.differences, seen(report.found)) == ([], expected)
    assert await world.state() == before
    assert len(world.dead) == 1


async def test_a_post_whose_announcement_and_picture_are_lost_is_mended() -> None:
    """The row is of an older revision, and cannot be told from a post that is not whole: its own event mends both."""
    world = await whole()
    world.awake.discard("creators")
    world.publish("posts", post(0, 2))
    await world.digest()
    world.records["embeddings"].pop()
    world.awake.add("creators")
    expected = visual_gone(world) | {("stale", "row", "c0/p0")}
    report = await world.verify().run(repair=True)
    assert (report.differences, seen(report.found)) == ([], expected)


async def test_a_removal_whose_event_is_gone_is_made_from_its_row() -> None:
    """A removal says nothing but a revision."""
    world = await whole()
    expected = tombstone_gone(world)
    before = await world.state()
    world.records["posts"] = [replace(record, key=b"gone", value=b"{}") for record in world.records["posts"]]
    report = await world.verify().run(repair=True)
    assert (report.differences, seen(report.found)) == ([], expected)
    assert (await world.state()).keys() == before.keys() | {("post", str(post_object_id("p5", MODEL)))}


async def test_a_signal_none_of_whose_events_is_kept_is_written_from_its_facts() -> None:
    """Topics keep 90 days, facts stay."""
    world = await whole()
    before = await world.state()
    signal_gone(world)
    world.records["outcomes"], world.records["decisions"] = [], []
    world.read = {key: 0 if key[1] in ("outcomes", "decisions") else read for key, read in world.read.items()}
    report = await world.verify().run(repair=True)
    assert report.differences == []
    assert report.done == {"signals written from facts": 1}
    assert await world.state() == before


@pytest.mark.parametrize("facts", [b"p", b"e", b"m", b"n", b"pemn"], ids=str)
async def test_an_erased_creators_leftovers_are_extra(facts: bytes) -> None:
    """Whatever a store still has of an erased creator is deleted; the row that says so stays."""
    world = await whole()
    kept = {
        collection: dict(world.store.all(collection)) for collection in ("Post", "Visual", "Facet", "Creator", "Bio")
    }
    rows = {worker: dict(table.rows) for worker, table in world.rows.items()}
    erased = CreatorErased(creator_id="c1", requested_at=NOW)
    world.publish("erasures", recorded(erased, KEY))
    world.publish("embeddings", erased)
    world.publish("outcomes", erased)
    await world.digest()
    left = [("outcomes", key) for key in sorted(rows["outcomes"]) if key[:1] in facts]
    for worker, key in (("creators", post_key("c1", "p1")), ("creators", profile_key("c1")), *left):
        world.rows[worker].rows[key] = rows[worker][key]
        world.send(OutRecord(f"{worker}.changelog", key, rows[worker][key]))
    leftovers = {("extra", "row", "c1/p1"), ("extra", "row", "c1/"), ("extra", "fact", "b1|c1")}
    for collection, objects in kept.items():
        for id_, stored in objects.items():
            if stored.properties["creator_id"] == "c1":
                world.store.all(collection)[id_] = stored
                leftovers.add(("extra", collection.lower(), str(id_)))
    report = await world.verify().run(repair=True)
    assert seen(report.found) == leftovers
    assert len(leftovers) > 10
    assert report.differences == []
    assert not [key for key, each in (await world.state()).items() if each.get("creator_id") == "c1"]
    noted = KEY.hash("c1").encode()
    kept_rows = [(key.replace(noted, b""), row) for table in world.rows.values() for key, row in table.rows.items()]
    assert not [key for key, row in kept_rows if b"c1" in key or b'"c1' in row]


@pytest.mark.parametrize(
    ("topic", "key", "expected"),
    [
        ("creators.changelog", post_key("c4", "p10"), {("drifted", "row", "c4/p10")}),
        ("creators.changelog", profile_key("c1"), {("drifted", "row", "c1/")}),
        ("creators.changelog", b"\xff\xfe", {("drifted", "row", "\\xff\\xfe")}),
        ("creators", b"c4", {("drifted", "update", "c4")}),
        ("creators", b"\xff", {("drifted", "update", "\\xff"), ("extra", "update", "\\xff")}),
        ("signals", b"b1|c1", {("drifted", "signal", "b1|c1")}),
        ("outcomes.changelog", b"p\x1fb1\x1fc1\x1fclick-0", {("drifted", "signal", "b1|c1")}),
    ],
)
async def test_rubbish_in_a_topic_is_a_difference_and_no_crash(topic: str, key: bytes, expected: set[Seen]) -> None:
    """Bytes that nobody can read are said; what depends on them is not called wrong."""
    world = await whole()
    world.awake.clear()
    world.send(OutRecord(topic, key, b"\x07rubbish", ()))
    world.read["indexer", "creators"] = len(world.records["creators"])
    report = await world.verify().run(repair=False)
    assert seen(report.differences) <= expected
    assert report.differences != []


async def test_an_erasure_that_cannot_be_read_is_not_taken_for_one() -> None:
    """Else a damaged byte would delete a creator."""
    world = await whole()
    standing = Standing(1, erased=True).encode()
    world.send(OutRecord("creators.changelog", standing_key(KEY.hash("c0")), standing + b"\0"))
    report = await world.verify().run(repair=False)
    assert not [each for each in report.differences if each.what == "extra"]
