"""The indexer on a store in memory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.store import Killed, MemoryStore
from tests.unit.indexer.events import MODEL, WIDTH, facet, item, updated, vector
from workers.core.clock import SystemClock
from workers.core.lease import Lease, LeaseExpired
from workers.domain.events import CreatorUpdated
from workers.domain.ids import bio_object_id, creator_object_id, facet_id
from workers.indexer.objects import creator_objects
from workers.indexer.settling import Thresholds
from workers.indexer.worker import CreatorItem, Indexer, Settling
from workers.wire.records import Dead, Done, Later, Unavailable, Verdict

REVISIONS = st.integers(1, 6)
AT_ONCE = Settling(Thresholds(0.01, 0.05), 0.0, 100)
"""Exact values at once: what a batch is, is what the store is."""


def _indexer(store: MemoryStore, lease: Lease | None = None, settling: Settling = AT_ONCE) -> Indexer:
    return Indexer(
        store,
        lease or Lease(60.0, SystemClock()),
        model_version=MODEL,
        dimensions=WIDTH,
        min_share=0.02,
        retry_seconds=1.0,
        settling=settling,
    )


async def _handle(store: MemoryStore, *items: CreatorItem) -> Sequence[Verdict]:
    return await _indexer(store).handle(items)


def _content(store: MemoryStore) -> dict[str, object]:
    return {
        collection: {
            key: (dict(each.properties), {name: vector.tobytes() for name, vector in each.vectors.items()})
            for key, each in store.all(collection).items()
        }
        for collection in ("Facet", "Bio", "Creator")
    }


def _of_revision(revision: int, creator: str = "c") -> CreatorUpdated:
    """Each revision has other facets; every third has no bio."""
    posts = tuple(f"p{n}" for n in range(revision % 4, revision % 4 + 1 + revision % 3))
    return updated(creator, revision, posts, bio=None if revision % 3 == 0 else vector(revision))


async def test_an_event_makes_its_facets_its_bio_and_its_creator() -> None:
    """Whole and exact, and nothing else."""
    store = MemoryStore()
    event = updated("c", 3, ("p", "q"))
    assert await _handle(store, item(event)) == [Done()]
    objects = creator_objects(event, 0.02, WIDTH)
    assert objects.bio is not None
    assert set(store.all("Facet")) == {each.id for each in objects.facets}
    assert set(store.all("Bio")) == {objects.bio.id}
    assert set(store.all("Creator")) == {objects.creator.id}


@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), REVISIONS), min_size=1, max_size=4), min_size=1, max_size=5))
async def test_any_order_of_revisions_ends_with_the_newest(batches: list[list[tuple[str, int]]]) -> None:
    """Late, repeated and shuffled, in batches of any shape: the store is that of the newest revision alone."""
    shuffled, direct = MemoryStore(), MemoryStore()
    for batch in batches:
        verdicts = await _handle(shuffled, *(item(_of_revision(revision, creator)) for creator, revision in batch))
        assert verdicts == [Done()] * len(batch)
    every = [each for batch in batches for each in batch]
    for creator in {creator for creator, _ in every}:
        newest = max(revision for each, revision in every if each == creator)
        await _handle(direct, item(_of_revision(newest, creator)))
    assert _content(shuffled) == _content(direct)


@given(st.lists(REVISIONS, min_size=1, max_size=4), st.integers(1, 12))
async def test_a_kill_at_any_write_is_healed_by_the_replay(revisions: list[int], dies_at: int) -> None:
    """Nothing is committed then: the same items come again, and the store is as if nothing had happened."""
    killed, direct = MemoryStore(), MemoryStore()
    killed.dies_at = dies_at
    items = [item(_of_revision(revision), offset) for offset, revision in enumerate(revisions)]
    try:
        for each in items:
            await _handle(killed, each)
    except Killed:
        for each in items:
            await _handle(killed, each)
    await _handle(direct, item(_of_revision(max(revisions))))
    assert _content(killed) == _content(direct)


async def test_facets_that_are_gone_or_too_small_are_deleted() -> None:
    """After an update only the facets of that revision are found."""
    store = MemoryStore()
    await _handle(store, item(updated("c", 1, ("p", "q", "r"))))
    await _handle(store, item(updated("c", 2, facets=(facet("c", "q", 0.99), facet("c", "r", 0.01)))))
    assert set(store.all("Facet")) == {facet_id("c", "q", MODEL)}


async def test_a_bio_that_is_gone_is_deleted() -> None:
    """No query finds a creator by what their bio said once."""
    store = MemoryStore()
    await _handle(store, item(updated("c", 1)))
    await _handle(store, item(updated("c", 2, bio=None)))
    assert store.all("Bio") == {}


async def test_other_creators_are_left_alone() -> None:
    """Deletion is of one creator's objects."""
    store = MemoryStore()
    await _handle(store, item(updated("c", 1)), item(updated("d", 1)))
    await _handle(store, item(updated("c", 2, facets=(), bio=None)), item("e"))
    assert set(store.all("Facet")) == {facet_id("d", "p", MODEL)}
    assert set(store.all("Bio")) == {bio_object_id("d", MODEL)}


async def test_a_tombstone_removes_everything_of_a_creator() -> None:
    """Facets, bio and creator; a replay of it changes nothing."""
    store = MemoryStore()
    await _handle(store, item(updated("c", 5, ("p", "q"))))
    for _ in range(2):
        assert await _handle(store, item("c")) == [Done()]
        assert _content(store) == {"Facet": {}, "Bio": {}, "Creator": {}}


async def test_an_erased_creator_may_begin_anew_with_a_lower_revision() -> None:
    """In one batch with the tombstone, or after it."""
    store = MemoryStore()
    await _handle(store, item(updated("c", 9)))
    await _handle(store, item("c"), item(updated("c", 2, ("q",))))
    assert store.all("Creator")[creator_object_id("c", MODEL)].properties["revision"] == 2
    assert set(store.all("Facet")) == {facet_id("c", "q", MODEL)}


async def test_an_event_of_another_model_is_dead_and_harms_no_neighbour() -> None:
    """Nor does it hide the older event of its creator that is right."""
    store = MemoryStore()
    wrong = updated("c", 2, model_version="other_v1")
    verdicts = await _handle(store, item(updated("c", 1)), item(wrong), item(updated("d", 1)))
    assert verdicts == [Done(), Dead("wrong_model_version", "'other_v1' where 'tiny_v1' is indexed"), Done()]
    assert store.all("Creator").keys() == {creator_object_id("c", MODEL), creator_object_id("d", MODEL)}


async def test_creator_is_written_after_everything_else() -> None:
    """Its revision says that all of that revision is there; what is gone goes after it."""
    store = MemoryStore()
    await _handle(store, item(updated("c", 1, ("p", "q"))))
    store.calls.clear()
    await _handle(store, item(updated("c", 2, ("p",), bio=None)))
    assert list(store.calls) == [
        "fetch Creator",
        "fetch Bio",
        "find Facet",
        "upsert Facet",
        "upsert Creator",
        "delete Facet",
        "delete Bio",
    ]


async def test_an_object_the_store_refuses_comes_again_and_is_dead_at_last() -> None:
    """Its creator is not marked complete; others are; an older event is tried where the newer one is dead."""
    store = MemoryStore()
    store.refused[facet_id("c", "q", MODEL)] = "too strange"
    older, newer, other = updated("c", 1, ("p",)), updated("c", 2, ("q",)), updated("d", 1)
    assert await _handle(store, item(older), item(newer), item(other)) == [
        Later(1.0, "Facet: too strange"),
        Later(1.0, "Facet: too strange"),
        Done(),
    ]
    assert store.all("Creator").keys() == {creator_object_id("d", MODEL)}
    assert await _handle(store, item(older, attempts=2), item(newer, attempts=2)) == [
        Done(),
        Dead("too_many_attempts", "Facet: too strange"),
    ]
    assert store.all("Creator")[creator_object_id("c", MODEL)].properties["revision"] == 1


async def test_a_store_that_is_gone_makes_no_verdict() -> None:
    """The loop pauses, and the batch comes again."""
    store = MemoryStore()
    store.gone = True
    with pytest.raises(Unavailable):
        await _handle(store, item(updated()))


async def test_nothing_is_written_without_the_lease() -> None:
    """A worker that was frozen may have been replaced."""
    store = MemoryStore()
    for what in (updated(), "c"):
        with pytest.raises(LeaseExpired):
            await _indexer(store, Lease(0.0, SystemClock())).handle([item(what)])
    assert store.writes == 0
    assert _content(store) == {"Facet": {}, "Bio": {}, "Creator": {}}
