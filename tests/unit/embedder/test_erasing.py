"""Erasure in the embedder: everything of a creator goes, and what was overtaken does not come back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.store import Killed
from tests.unit.embedder.conftest import WIRE, House, published, removed
from workers.domain.erasure import recorded
from workers.domain.events import (
    CreatorErased,
    CreatorProfiled,
    CreatorReinstated,
    ErasureExecuted,
    Event,
    PostEmbedded,
)
from workers.embedder.turns import Turns
from workers.wire.records import Done, InRecord, Item, OutRecord, Position, Verdict

START = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)
SECOND_MS = 1000


def erased(hour: int = 0, creator_id: str = "c1") -> CreatorErased:
    """An erasure."""
    return CreatorErased(creator_id=creator_id, requested_at=START + timedelta(hours=hour))


def reinstated(hour: int = 1) -> CreatorReinstated:
    """A reinstatement."""
    return CreatorReinstated(creator_id="c1", requested_at=START + timedelta(hours=hour))


def at(offset: int, event: Event, topic: str = "posts") -> Item[Any]:
    """An event at its place; Kafka took it a second after the one before."""
    headers = (("ce_source", b"streamscout/match"),)
    position = Position(topic, 0, offset, f"{topic}-id")
    return Item(event, InRecord(position, event.key().encode(), b"{}", headers, offset * SECOND_MS))


async def give(house: House, *items: Item[Any]) -> list[Verdict]:
    """Each as a batch of its own."""
    return [verdict for item in items for verdict in await house.embedder.handle([item])]


def written(verdict: Verdict, topic: str) -> list[OutRecord]:
    """What a verdict writes to a topic."""
    assert isinstance(verdict, Done), verdict
    return [record for record in verdict.outputs if record.topic == topic]


def event_of(record: OutRecord) -> Event:
    """An output's event."""
    return WIRE.read(InRecord(Position(record.topic, 0, 0), record.key, record.value, record.headers, 0), (Event,))


def left(house: House) -> list[str]:
    """Collections that still hold something, and of standings nothing with the creator's id."""
    assert all("c1" not in repr(dict(each.properties)) for each in house.store.all("Standing").values())
    return [name for name in ("Visual", "Post") if house.store.all(name)]


async def test_everything_of_the_creator_goes_and_nothing_of_another(house: House) -> None:
    """Pictures, posts, and the tombstones of removed posts; what is left is a standing without the id."""
    other = published(post_id="p9", creator_id="c2")
    await give(house, at(0, published(pictures="ab")), at(1, removed(post_id="p2")), at(2, other))
    (verdict,) = await give(house, at(3, erased()))
    assert {each.properties["creator_id"] for name in left(house) for each in house.store.all(name).values()} == {"c2"}
    assert [event_of(record) for record in written(verdict, "embeddings")] == [erased()]
    (audit,) = written(verdict, "audit")
    event = event_of(audit)
    assert isinstance(event, ErasureExecuted)
    assert (event.posts, event.visuals, event.repeated, event.requested_by) == (2, 2, False, "streamscout/match")
    assert b"c1" not in (audit.value or b"") + (audit.key or b"")


async def test_the_audit_says_by_whose_key_of_the_api_it_was_asked_for(house: House) -> None:
    """Both times."""
    item = at(0, erased())
    headers = (*item.record.headers, ("ce_askedby", b"legal"))
    (verdict,) = await give(house, replace(item, record=replace(item.record, headers=headers)))
    (again,) = written(verdict, "embedder.retry")
    second = Item(erased(), InRecord(Position("embedder.retry", 0, 7, "r"), b"c1", again.value, again.headers, 9000))
    told = [verdict, *await give(house, second)]
    events = [event_of(record) for each in told for record in written(each, "audit")]
    assert [event.requested_by for event in events if isinstance(event, ErasureExecuted)] == ["legal", "legal"]


async def test_it_comes_again_after_a_session_timeout_for_what_was_on_its_way(house: House) -> None:
    """A process that lost the partition may still have been writing."""
    await give(house, at(0, published()))
    before = dict(house.store.all("Post"))
    (verdict,) = await give(house, at(1, erased()))
    (again,) = written(verdict, "embedder.retry")
    due = int(dict(again.headers)["streamscout.retry.due"])
    assert due >= START.timestamp()
    house.store.all("Post").update(before)
    second = Item(erased(), InRecord(Position("embedder.retry", 0, 7, "r"), b"c1", again.value, again.headers, 9000))
    (verdict,) = await give(house, second)
    assert left(house) == []
    (audit,) = written(verdict, "audit")
    event = event_of(audit)
    assert isinstance(event, ErasureExecuted)
    assert (event.posts, event.repeated) == (1, True)
    assert written(verdict, "embedder.retry") == []


async def test_a_second_deletion_that_comes_after_a_reinstatement_deletes_nothing(house: House) -> None:
    """The reinstatement has deleted what was on its way; what came since is the creator's again."""
    first = await give(house, at(0, published()), at(1, erased()), at(2, reinstated()), at(3, published(2)))
    again = written(first[1], "embedder.retry")[0]
    second = Item(erased(), InRecord(Position("embedder.retry", 0, 0, "r"), b"c1", again.value, again.headers, 9000))
    await give(house, second)
    assert left(house) == ["Visual", "Post"]


@pytest.mark.parametrize("restart", [False, True])
async def test_later_events_of_an_erased_creator_are_dropped_without_a_trace(house: House, restart: bool) -> None:
    """Not stored, not announced, no dead letter; no picture is fetched. A new process knows it too."""
    await give(house, at(0, erased()))
    if restart:
        house.restart()
    profile = CreatorProfiled(creator_id="c1", revision=1, name="Ada")
    late = [at(1, published()), at(2, removed(9)), at(0, profile, "profiles"), at(4, published(pictures=["broken"]))]
    assert await give(house, *late) == [Done()] * 4
    assert left(house) == []
    assert not house.media.fetched


async def test_what_the_topic_of_erasures_says_holds_at_once(house: House) -> None:
    """Before the erasure itself is reached; a reinstatement said there counts only in its turn."""
    house.erasures.put(recorded(erased(0), house.erasures.key))
    assert await give(house, at(0, published())) == [Done()]
    house.erasures.put(recorded(reinstated(1), house.erasures.key))
    await give(house, at(1, published()), at(2, erased(0)))
    assert left(house) == []
    await give(house, at(3, published(3)))
    assert left(house) == []
    await give(house, at(4, reinstated(1)), at(5, published(4)))
    assert left(house) == ["Visual", "Post"]


async def test_a_late_repeat_of_the_erasure_does_not_undo_the_reinstatement(house: House) -> None:
    """By when it was asked for. It is passed on all the same."""
    await give(house, at(0, erased(0)), at(1, reinstated(1)), at(2, published()))
    (verdict,) = await give(house, at(3, erased(0)))
    assert left(house) == ["Visual", "Post"]
    assert [record.topic for record in verdict.outputs] == ["embeddings"]  # type: ignore[union-attr]


@pytest.mark.parametrize("dies_at", range(1, 5))
async def test_a_kill_at_any_write_of_an_erasure_changes_nothing_once_it_is_read_again(
    house: House, dies_at: int
) -> None:
    """Read again from the beginning: what the erasure has overtaken does not come back."""
    story = [at(0, published(pictures="ab")), at(1, erased()), at(2, reinstated()), at(3, published(2, caption="new"))]
    await give(house, story[0])
    house.store.dies_at = house.store.writes + dies_at
    with pytest.raises(Killed):
        await give(house, *story[1:])
    house.store.dies_at = None
    house.restart()
    await give(house, *story)
    (post,) = house.store.all("Post").values()
    assert (post.properties["revision"], post.properties["caption"]) == (2, "new")
    assert len(house.store.all("Visual")) == 1


@given(st.lists(st.integers(0, 4), max_size=8), st.lists(st.booleans(), min_size=8, max_size=8))
def test_reading_again_any_part_any_number_of_times_ends_alike(starts: list[int], kills: list[bool]) -> None:
    """A worker begins again where it had committed, once or often, in this process or a new one."""
    story = [
        at(0, published(1, "a")),
        at(1, erased()),
        at(2, published(2, "b")),
        at(3, reinstated()),
        at(4, published(3)),
    ]

    async def end(begins: Sequence[int]) -> object:
        house = House()
        await give(house, *story)
        for begin, kill in zip(begins, kills, strict=False):
            if kill:
                house.restart()
            await give(house, *story[begin:])
        return {key: value for key, value in house.state().items() if key[0] != "Standing"}

    assert asyncio.run(end(starts)) == asyncio.run(end(()))


async def test_posts_that_are_in_flight_are_waited_for(house: House) -> None:
    """An erasure in the next batch does not pass between a post's vectors and its object."""
    slow = asyncio.Event()
    fetch = house.media.fetch

    async def waits(url: str) -> bytes:
        await slow.wait()
        return await fetch(url)

    house.media.fetch = waits  # type: ignore[method-assign]
    post = asyncio.create_task(house.embedder.handle([at(0, published())]))
    await asyncio.sleep(0)
    erasure = asyncio.create_task(house.embedder.handle([at(1, erased())]))
    other = asyncio.create_task(house.embedder.handle([at(2, erased(0, "c2"))]))
    await other
    assert not erasure.done()
    slow.set()
    (verdict,) = await post
    assert isinstance(event_of(verdict.outputs[0]), PostEmbedded)  # type: ignore[union-attr]
    await erasure
    assert left(house) == []


def test_what_is_read_after_a_change_of_standing_waits_for_it() -> None:
    """Posts go side by side again once it has happened; the second deletion holds nobody."""
    turns = Turns("embedder.retry")
    assert turns.key(at(0, published())) == "post|p1"
    change = at(1, erased())
    assert turns.key(change) == "creator|c1"
    assert turns.key(at(2, published())) == "creator|c1"
    assert turns.key(at(3, published(creator_id="c2"))) == "post|p1"
    assert turns.key(change) == "creator|c1"
    turns.done(change)
    assert turns.key(at(4, published())) == "post|p1"
    assert turns.key(at(0, erased(), "embedder.retry")) == "creator|c1"
    assert turns.key(at(5, published())) == "post|p1"
