"""The creators worker on a table in memory: rows, updates, replays, erasure, and a cache that can be lost."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.tables import FakeTable
from tests.unit.creators.test_fold import streams
from tests.unit.creators.world import (
    KEY,
    LANDMARK,
    SETTINGS,
    AnyEvent,
    fold_of,
    look,
    profiled,
    published,
    removed,
    rows_of,
)
from workers.creators.fold import fold_rows
from workers.creators.rows import post_key, profile_key, standing_key
from workers.creators.updates import creator_updated, update_id
from workers.creators.worker import Creators
from workers.domain.events import CreatorErased, CreatorReinstated, CreatorUpdated, Event, ShortlistViewed
from workers.domain.vectors import to_bytes
from workers.wire.records import Dead, InRecord, Item, OutRecord, Position


class Notes:
    """An emitter whose records hold the event as JSON and its id as key."""

    def updated(self, item: Item[Event], update: CreatorUpdated, event_id: UUID) -> OutRecord:
        return OutRecord("creators", str(event_id).encode(), update.model_dump_json().encode())

    def erased(self, creator_id: str) -> OutRecord:
        return OutRecord("creators", creator_id.encode(), None)


_offsets = itertools.count()


def item(event: Event) -> Item[Event]:
    """The event as it comes from Kafka, later than all before."""
    position = Position("embeddings", 0, next(_offsets), "id")
    return Item(event, InRecord(position, event.key().encode(), b"{}", (), 0))


def handled(creators: Creators, table: FakeTable, event: Event) -> OutRecord:
    """The one record that an event leads to."""
    answer = creators.handle(item(event), table)
    assert not isinstance(answer, Dead)
    assert len(answer) == 1
    return answer[0]


def erased(hour: int = 0) -> CreatorErased:
    return CreatorErased(creator_id="mira", requested_at=LANDMARK + timedelta(hours=hour))


def reinstated(hour: int = 0) -> CreatorReinstated:
    return CreatorReinstated(creator_id="mira", requested_at=LANDMARK + timedelta(hours=hour))


@settings(max_examples=60, deadline=None)
@given(streams, st.randoms(use_true_random=False), st.integers(0, 20_000))
def test_the_last_update_is_the_pure_fold_whatever_was_lost_and_repeated(
    events: list[AnyEvent], random: object, cached: int
) -> None:
    """Caches dropped at any moment, events repeated: the last update is that of the set of rows."""
    creators, table = Creators(SETTINGS, Notes(), KEY, cached), FakeTable()
    again = [*events, *events[::2]]
    random.shuffle(again)  # type: ignore[attr-defined]
    last = None
    for event in again:
        if random.random() < 0.2:  # type: ignore[attr-defined]
            creators.forget()
        last = handled(creators, table, event)
    if last is not None:
        fold = fold_of(events)
        assert last.value == creator_updated(fold, SETTINGS).model_dump_json().encode()
        assert last.key == str(update_id(fold, SETTINGS.model_version)).encode()


@settings(max_examples=60, deadline=None)
@given(streams, st.lists(st.integers(0, 2), min_size=80, max_size=80), st.sampled_from([0, 6000, 12_000, 1 << 30]))
def test_each_update_is_the_fold_of_what_came_so_far_whoever_was_dropped_from_the_cache(
    events: list[AnyEvent], whose: list[int], cached: int
) -> None:
    """Events of three creators in any order; the cache holds none, some or all of them. Every update, not the last."""
    creators, table = Creators(SETTINGS, Notes(), KEY, cached), FakeTable()
    came: dict[str, list[AnyEvent]] = {name: [] for name in ("ada", "mira", "noor")}
    for event, number in zip([*events, *events[::4]], itertools.cycle(whose), strict=False):
        name = list(came)[number]
        own = event.model_copy(update={"creator_id": name})
        came[name].append(own)
        fold = fold_rows(name, rows_of(came[name]), SETTINGS)
        update = handled(creators, table, own)
        assert update.value == creator_updated(fold, SETTINGS).model_dump_json().encode()
        assert update.key == str(update_id(fold, SETTINGS.model_version)).encode()
    stored = {}
    for name, of_one in came.items():
        rows = rows_of(of_one)
        stored |= {post_key(name, post): row.encode() for post, row in rows.posts.items()}
        stored |= {profile_key(name): rows.profile.encode()} if rows.profile else {}
    assert table.rows == stored


def test_a_late_profile_changes_nothing_and_one_without_a_bio_takes_it_away() -> None:
    """The newest profile stands whole, whatever came before it and between which posts."""
    creators, table = Creators(SETTINGS, Notes(), KEY), FakeTable()
    events = [profiled(2, bio=1), published(1), profiled(3, name="Mira B."), removed(1, 2), profiled(1, bio=2)]
    updates = [CreatorUpdated.model_validate_json(handled(creators, table, each).value or b"") for each in events]
    assert [update.bio is not None for update in updates] == [True, True, False, False, False]
    assert [update.profile and update.profile.name for update in updates] == ["Mira"] * 2 + ["Mira B."] * 3
    assert [update.revision for update in updates] == [2, 3, 4, 5, 5]


def test_a_replayed_event_writes_its_row_again_and_publishes_again() -> None:
    """Law 8: the changelog has the row even if only the disk did, and nothing is counted twice."""
    creators, table = Creators(SETTINGS, Notes(), KEY), FakeTable()
    first = handled(creators, table, published(1))
    second = handled(creators, table, published(1))
    assert first == second
    assert len(table.written) == 2
    assert table.written[0] == table.written[1]


def test_an_older_revision_changes_nothing_and_keeps_the_newer_row() -> None:
    """What is written again is the row that stands."""
    creators, table = Creators(SETTINGS, Notes(), KEY), FakeTable()
    newest = handled(creators, table, published(1, revision=5))
    late = handled(creators, table, published(1, revision=4, seed=9))
    assert newest == late
    assert table.written[0] == table.written[1]


def test_an_event_of_another_model_version_is_dead() -> None:
    """One process handles one model version."""
    event = published(1).model_copy(update={"model_version": "other_v2"})
    answer = Creators(SETTINGS, Notes(), KEY).handle(item(event), FakeTable())
    assert isinstance(answer, Dead)
    assert answer.reason == "wrong_model_version"


@pytest.mark.parametrize("length", [7, 9])
def test_a_vector_of_another_size_is_dead_and_writes_nothing(length: int) -> None:
    """Bad input never reaches the state."""
    table = FakeTable()
    event = published(1).model_copy(update={"visual": to_bytes(np.ones(length))})
    answer = Creators(SETTINGS, Notes(), KEY).handle(item(event), table)
    assert isinstance(answer, Dead)
    assert answer.reason == "invalid_event"
    assert table.written == []


def test_an_event_that_creators_does_not_read_is_dead() -> None:
    """Nothing that arrives is dropped without a word."""
    event = ShortlistViewed(event_id="e", match_id="m", brand_id="b", occurred_at=datetime(2026, 1, 1, tzinfo=UTC))
    answer = Creators(SETTINGS, Notes(), KEY).handle(item(event), FakeTable())
    assert isinstance(answer, Dead)
    assert answer.reason == "unexpected_type"


def test_an_erased_creator_leaves_one_row_and_a_tombstone() -> None:
    """Nothing of the creator stays but that they are erased."""
    creators, table = Creators(SETTINGS, Notes(), KEY), FakeTable()
    for event in (published(1), removed(2), profiled()):
        handled(creators, table, event)
    tombstone = handled(creators, table, erased())
    assert (tombstone.key, tombstone.value) == (b"mira", None)
    assert table.rows.keys() == {standing_key(KEY.hash("mira"))}
    assert b"mira" not in b"".join([*table.rows, *table.rows.values()])


def test_a_late_event_does_not_bring_an_erased_creator_back() -> None:
    """It is dealt with, and leads to nothing."""
    creators, table = Creators(SETTINGS, Notes(), KEY), FakeTable()
    handled(creators, table, erased())
    rows = dict(table.rows)
    assert creators.handle(item(published(1)), table) == []
    assert table.rows == rows


def test_a_reinstated_creator_begins_anew() -> None:
    """What comes after counts; what was before stays gone; an erasure that comes again erases nothing."""
    creators, table = Creators(SETTINGS, Notes(), KEY), FakeTable()
    handled(creators, table, published(1))
    handled(creators, table, erased(hour=1))
    assert creators.handle(item(reinstated(hour=2)), table) == []
    assert handled(creators, table, erased(hour=1)).value is None
    update = handled(creators, table, published(2))
    assert update.value == creator_updated(fold_of([published(2)]), SETTINGS).model_dump_json().encode()


def test_the_cache_is_bounded() -> None:
    """One creator at least stays; the rest is read again when needed. One that grows sends several away."""
    most = 40_000
    creators, table = Creators(SETTINGS, Notes(), KEY, cache_bytes=most), FakeTable()
    kept = []
    for creator in (*range(20), *[99] * 15):
        event = published(
            len(table.written), hour=len(table.written), looks=[look(n) for n in range(200)][: creator * 2]
        )
        handled(creators, table, event.model_copy(update={"creator_id": f"creator-{creator}"}))
        kept.append(len(creators._folds))
        assert sum(fold.size for fold in creators._folds.values()) <= most or kept[-1] == 1
    assert max(kept) > 5
    assert kept[-1] == 1
