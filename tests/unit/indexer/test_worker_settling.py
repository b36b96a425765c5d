"""The indexer between an event and the quiet after it, on a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.store import Killed, MemoryStore
from tests.unit.indexer.events import MODEL, WIDTH, facet, item, updated, vector
from tests.unit.indexer.streams import streams, turned
from tests.unit.indexer.test_worker import _content, _indexer
from workers.domain.events import CreatorUpdated, Profile
from workers.domain.ids import creator_object_id, facet_id
from workers.domain.stored import StoredObject
from workers.indexer.objects import creator_objects
from workers.indexer.settling import Thresholds
from workers.indexer.worker import CreatorItem, Indexer, Settling
from workers.wire.records import Dead, Done, Later, Open, Unavailable, Verdict

WAITING = Settling(Thresholds(0.01, 0.05), 30.0, 100)
P = facet_id("c", "p", MODEL)


def indexer(store: MemoryStore) -> Indexer:
    """A process of its own: it remembers nothing."""
    return _indexer(store, settling=WAITING)


def turn(revision: int, angle: float, share: float = 0.5, **fields: object) -> CreatorUpdated:
    """A creator of one facet that has turned by so much."""
    one = facet("c", "p", share, 0).model_copy(update={"vector": turned(0, angle)})
    return updated("c", revision, facets=(one,), recency_mean=vector(100), **fields)


async def handle(worker: Indexer, *items: CreatorItem) -> list[Verdict]:
    """The verdicts."""
    return list(await worker.handle(items))


def again(one: CreatorItem) -> CreatorItem:
    """The item as the loop gives it back when its time has come."""
    return replace(one, open=True)


async def exact(event: CreatorUpdated) -> dict[str, object]:
    """The store that has only ever seen this event."""
    store = MemoryStore()
    await _indexer(store).handle([item(event)])
    return _content(store)


async def test_a_small_move_waits_until_the_creator_is_settled() -> None:
    """The facet is not written at all; Creator says the revision; then both are exact."""
    store = MemoryStore()
    worker = indexer(store)
    assert await handle(worker, item(turn(1, 0.0), 0)) == [Done()]
    store.calls.clear()
    second = item(turn(2, 0.1), 1)
    assert await handle(worker, second) == [Open(30.0)]
    assert store.calls == {"upsert Creator": 1}
    assert store.all("Creator")[creator_object_id("c", MODEL)].properties["revision_exact"] == "2"
    assert store.all("Facet")[P].properties["creator_revision"] == 1
    assert await handle(worker, again(second)) == [Done()]
    assert _content(store) == await exact(turn(2, 0.1))


async def test_a_process_that_is_new_reads_back_what_was_published() -> None:
    """And sends those bytes."""
    store = MemoryStore()
    await handle(indexer(store), item(turn(1, 0.0), 0))
    published = store.all("Facet")[P].vectors["facet"].tobytes()
    assert await handle(indexer(store), item(turn(2, 0.1, 0.9), 1)) == [Open(30.0)]
    assert store.all("Facet")[P].vectors["facet"].tobytes() == published
    assert store.all("Facet")[P].properties["share"] == 0.9


async def test_what_filters_is_written_to_every_facet_at_once() -> None:
    """With byte-identical vectors."""
    store = MemoryStore()
    worker = indexer(store)
    facets = tuple(facet("c", post, 0.5, seed) for seed, post in enumerate("pq"))
    await handle(worker, item(updated("c", 1, facets=facets), 0))
    before = {id_: each.vectors["facet"].tobytes() for id_, each in store.all("Facet").items()}
    await handle(worker, item(updated("c", 2, facets=facets, profile=Profile(name="Ada", country="FR")), 1))
    found = store.all("Facet")
    assert {id_: each.vectors["facet"].tobytes() for id_, each in found.items()} == before
    assert {each.properties["country"] for each in found.values()} == {"FR"}


async def test_an_item_that_something_newer_replaced_changes_nothing_when_its_time_comes() -> None:
    """A newer revision was written, or the creator was erased, or erased and begun anew."""
    store = MemoryStore()
    worker = indexer(store)
    old, new = item(turn(2, 0.1), 1), item(turn(3, 0.16), 2)
    await handle(worker, item(turn(1, 0.0), 0), old)
    await handle(worker, old)
    await handle(worker, new)
    store.calls.clear()
    assert await handle(worker, again(old)) == [Done()]
    await handle(worker, item("c", 3))
    assert await handle(worker, again(new)) == [Done()]
    assert _content(store) == {"Facet": {}, "Bio": {}, "Creator": {}}
    await handle(worker, item(turn(1, 0.4), 4))
    held = _content(store)
    assert await handle(worker, again(new)) == [Done()]
    assert _content(store) == held


async def test_an_outdated_event_leaves_the_newer_one_open() -> None:
    """It is done; what is open is still made exact."""
    store = MemoryStore()
    worker = indexer(store)
    newest = item(turn(5, 0.1), 1)
    await handle(worker, item(turn(1, 0.0), 0))
    assert await handle(worker, newest) == [Open(30.0)]
    assert await handle(worker, item(turn(3, 0.7), 2)) == [Done()]
    assert await handle(worker, again(newest)) == [Done()]
    assert _content(store) == await exact(turn(5, 0.1))


async def test_in_a_batch_the_newest_alone_is_open() -> None:
    """Also beside an item whose time has come."""
    store = MemoryStore()
    worker = indexer(store)
    first, second, third = item(turn(2, 0.03), 1), item(turn(3, 0.06), 2), item(turn(4, 0.09), 3)
    await handle(worker, item(turn(1, 0.0), 0))
    assert await handle(worker, first, second) == [Done(), Open(30.0)]
    assert await handle(worker, again(second), third) == [Done(), Open(30.0)]
    assert await handle(worker, again(third)) == [Done()]
    assert _content(store) == await exact(turn(4, 0.09))


async def test_an_equal_revision_is_written_whole_upon_what_is_really_stored() -> None:
    """Verify mends so: whatever was lost or spoilt meanwhile is healed, and what is extra goes."""
    store = MemoryStore()
    worker = indexer(store)
    event = turn(2, 0.0)
    await handle(worker, item(event, 0))
    del store.all("Facet")[P]
    extra = creator_objects(updated("c", 2, ("zzz",)), 0.0, WIDTH).facets[0]
    store.all("Facet")[extra.id] = extra
    assert await handle(worker, item(event, 1)) == [Done()]
    assert _content(store) == await exact(event)


async def test_what_is_known_of_a_partition_is_forgotten_with_it() -> None:
    """Another process wrote meanwhile: what it published is read back, not what was published here."""
    store = MemoryStore()
    here, there = indexer(store), indexer(store)
    await handle(here, item(turn(1, 0.0), 0))
    here.released([("creators", 0)])
    await handle(there, item(turn(2, 0.7), 1))
    assert await handle(here, item(turn(3, 0.75), 2)) == [Open(30.0)]
    assert store.all("Facet")[P].vectors["facet"].tobytes() == turned(0, 0.7)


async def test_what_another_process_has_written_since_is_not_made_an_older_one() -> None:
    """A write may or may not have landed, and then a newer one did: what is open here is done."""
    store = MemoryStore()
    here = indexer(store)
    second = item(turn(2, 0.1), 1)
    await handle(here, item(turn(1, 0.0), 0))
    await handle(here, second)
    store.gone = True
    with pytest.raises(Unavailable):
        await handle(here, again(second))
    store.gone = False
    await handle(indexer(store), item(turn(3, 0.7), 2))
    newest = _content(store)
    assert await handle(here, again(second)) == [Done()]
    assert _content(store) == newest


async def test_a_store_that_is_away_when_the_time_comes_is_asked_again_later() -> None:
    """What it has then is read back; nothing is forgotten."""
    store = MemoryStore()
    worker = indexer(store)
    second = item(turn(2, 0.1), 1)
    await handle(worker, item(turn(1, 0.0), 0))
    await handle(worker, second)
    store.gone = True
    with pytest.raises(Unavailable):
        await handle(worker, again(second))
    store.gone = False
    assert await handle(worker, again(second)) == [Done()]
    assert _content(store) == await exact(turn(2, 0.1))


async def test_an_object_that_is_refused_when_the_time_comes_is_dead_at_last() -> None:
    """As at any other time."""
    store = MemoryStore()
    worker = indexer(store)
    second = item(turn(2, 0.1), 1)
    await handle(worker, item(turn(1, 0.0), 0))
    await handle(worker, second)
    store.refused[P] = "too strange"
    assert await handle(worker, again(second)) == [Later(1.0, "Facet: too strange")]
    assert await handle(worker, replace(again(second), attempts=2)) == [Dead("too_many_attempts", "Facet: too strange")]


async def test_what_died_when_its_time_came_takes_no_place_in_the_memory() -> None:
    """It does not come again, and what is open is never pushed out."""
    store = MemoryStore()
    worker = _indexer(store, settling=replace(WAITING, creators=1))
    second = item(turn(2, 0.1), 1)
    await handle(worker, item(turn(1, 0.0), 0))
    assert await handle(worker, second) == [Open(30.0)]
    store.refused[P] = "too strange"
    (verdict,) = await handle(worker, replace(again(second), attempts=2))
    assert isinstance(verdict, Dead)
    store.refused.clear()
    await handle(worker, item(updated("other", 1), 2))
    store.calls.clear()
    await handle(worker, item(updated("other", 2), 3))
    assert not store.calls["fetch Creator"], "it is remembered, and nobody else"


async def test_an_event_of_two_facets_under_one_id_is_settled_all_the_same() -> None:
    """What the store has of it is the last of the two; nothing would ever be exactly both."""
    store = MemoryStore()
    worker = indexer(store)
    one = facet("c", "p", 0.5, 1)
    event = item(updated("c", 1, facets=(one, one.model_copy(update={"vector": vector(3)}))), 0)
    assert await handle(worker, event) == [Open(30.0)]
    assert await handle(worker, again(event)) == [Done()]
    assert store.all("Facet")[P].vectors["facet"].tobytes() == vector(3)


async def test_a_revision_whose_posts_are_scored_anew_is_not_written_whole_each_time() -> None:
    """Scores that hardly moved wait as those of another revision do, and nothing is read back."""
    store = MemoryStore()
    worker = _indexer(store, settling=replace(WAITING, thresholds=Thresholds(0.01, 0.05, 0.02)))
    await handle(worker, item(turn(1, 0.0, safety={"alcohol": 0.1}, safety_revision=3), 0))
    store.calls.clear()
    rescored = item(turn(1, 0.0, safety={"alcohol": 0.11}, safety_revision=4), 1)
    assert await handle(worker, rescored) == [Open(30.0)]
    assert store.calls == {"upsert Creator": 1}
    assert await handle(worker, again(rescored)) == [Done()]
    assert _content(store) == await exact(turn(1, 0.0, safety={"alcohol": 0.11}, safety_revision=4))


class SlowStore(MemoryStore):
    """What it has of the Creator ``new`` it says once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let = asyncio.Event(), asyncio.Event()

    async def fetch(self, collection: str, ids: Sequence[UUID], vectors: bool = False) -> dict[UUID, StoredObject]:
        if creator_object_id("new", MODEL) in ids:
            self.asked.set()
            await self.let.wait()
        return await super().fetch(collection, ids, vectors)


async def test_what_is_remembered_counts_although_another_batch_pushes_it_out_meanwhile() -> None:
    """While others of its batch are read back: a facet that is gone is deleted, an older revision is outdated."""
    store = SlowStore()
    worker = _indexer(store, settling=replace(WAITING, creators=2))
    await handle(worker, item(updated("a", 5, ("p", "q")), 0), item(updated("b", 5), 1))
    held = store.all("Creator")[creator_object_id("b", MODEL)]
    late = [item(updated("a", 6), 2), item(updated("b", 4, ("z",)), 3), item(updated("new", 1), 4)]
    batch = asyncio.create_task(handle(worker, *late))
    await store.asked.wait()
    await handle(worker, *(item(updated(f"other-{n}", 1), 5 + n) for n in range(3)))
    store.let.set()
    await batch
    assert {each.properties["exemplar_post_id"] for each in store.all("Facet").values()} == {"p"}
    assert store.all("Creator")[creator_object_id("b", MODEL)] is held


async def play(store: MemoryStore, events: list[tuple[int, CreatorUpdated]], sizes: list[int], until: int) -> None:
    """A process that handles events in batches of these sizes and makes what is open exact after ``until`` batches."""
    worker, left, opened = indexer(store), list(events), dict[str, CreatorItem]()
    for number, size in enumerate([*sizes, len(events)]):
        batch = [item(event, offset) for offset, event in left[:size]]
        left = left[size:]
        if number >= until:
            batch = [again(each) for each in opened.values()] + batch
            opened = {}
        for each, verdict in zip(batch, await worker.handle(batch), strict=True):
            assert isinstance(verdict, Done | Open)
            if isinstance(verdict, Open):
                opened[each.event.creator_id] = each  # type: ignore[union-attr]
    assert await worker.handle([again(each) for each in opened.values()]) == [Done()] * len(opened)


BATCHES = st.lists(st.integers(1, 4), max_size=5)


@given(streams("a"), streams("b"), BATCHES, st.integers(0, 6), st.randoms(use_true_random=False))
async def test_whatever_the_batches_the_store_ends_with_the_newest_of_each(
    of_a: list[CreatorUpdated], of_b: list[CreatorUpdated], sizes: list[int], until: int, rng: object
) -> None:
    """Two creators, in batches of any shape, made exact in between or not."""
    mixed = sorted([*of_a, *of_b], key=lambda _: rng.random())  # type: ignore[attr-defined]
    lines = {"a": iter(of_a), "b": iter(of_b)}
    events = list(enumerate(next(lines[each.creator_id]) for each in mixed))
    store, direct = MemoryStore(), MemoryStore()
    await play(store, events, sizes, until)
    for last in (of_a[-1], of_b[-1]):
        await _indexer(direct).handle([item(last)])
    assert _content(store) == _content(direct)


@given(streams(), st.integers(1, 20), BATCHES, BATCHES, st.integers(0, 6))
async def test_a_kill_anywhere_within_the_settling_time_is_healed_by_the_replay(
    events: list[CreatorUpdated], dies_at: int, sizes: list[int], others: list[int], until: int
) -> None:
    """Nothing open was committed: a new process begins at any of them, and ends where nothing had happened."""
    store, numbered = MemoryStore(), list(enumerate(events))
    store.dies_at = dies_at
    try:
        await play(store, numbered, sizes, until)
    except Killed:
        await play(store, numbered, others, until)
    assert _content(store) == await exact(events[-1])
