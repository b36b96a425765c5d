"""Counts of what a filter allows: exact where they are cheap, remembered for a while where they are dear."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.fakes.search_index import MemoryIndex
from tests.unit.match.world import MODEL, NOW, FixedClock, axis
from workers.domain.ids import creator_object_id
from workers.domain.queries import Condition
from workers.domain.stored import StoredObject
from workers.match.counts import FRESH_SECONDS, KEPT_FROM, KEPT_SECONDS, Counts
from workers.wire.records import Unavailable

GERMAN = (Condition("country", "any_of", ("DE",)),)


class CountedIndex(MemoryIndex):
    """Notes what is counted with a filter; ``held`` holds those counts back until it is set."""

    def __init__(self) -> None:
        super().__init__(MODEL)
        self.asked: list[Sequence[Condition]] = []
        self.held = asyncio.Event()
        self.held.set()

    async def count(self, collection: str, conditions: Sequence[Condition] = ()) -> int:
        if conditions:
            self.asked.append(conditions)
            await self.held.wait()
        return await super().count(collection, conditions)

    def creators(self, first: int, number: int, country: str) -> None:
        """So many creators of a country, numbered from ``first``."""
        for each in range(first, first + number):
            about = {"creator_id": f"c{each}", "country": country, "last_published_at": NOW}
            self.put("Creator", StoredObject(creator_object_id(f"c{each}", MODEL), about, {"creator": axis("bread")}))


@pytest.fixture
def index() -> CountedIndex:
    """Enough creators of a country to remember their count, and a few of another."""
    index = CountedIndex()
    index.creators(0, KEPT_FROM, "DE")
    index.creators(KEPT_FROM, 3, "FR")
    return index


async def settled() -> None:
    """What was begun behind an answer is done."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_few_creators_are_counted_anew_each_time(index: CountedIndex) -> None:
    """One more is seen at once."""
    counts, french = Counts(index, FixedClock()), (Condition("country", "any_of", ("FR",)),)
    assert (await counts.counted(french)).allowed == 3
    index.creators(5000, 1, "FR")
    found = await counts.counted(french)
    assert (found.objects, found.allowed, found.refused) == (KEPT_FROM + 4, 4, KEPT_FROM)
    assert await counts.objects() == KEPT_FROM + 4


async def test_many_are_remembered_then_counted_behind_the_answer_then_waited_for(index: CountedIndex) -> None:
    """As old as the constants say and no older."""
    clock = FixedClock()
    counts = Counts(index, clock)
    assert (await counts.counted(GERMAN)).allowed == KEPT_FROM
    index.creators(5000, 1, "DE")
    clock.time += timedelta(seconds=FRESH_SECONDS - 1)
    assert (await counts.counted(GERMAN)).allowed == KEPT_FROM
    assert len(index.asked) == 1
    clock.time += timedelta(seconds=2)
    assert (await counts.counted(GERMAN)).allowed == KEPT_FROM
    await settled()
    assert (await counts.counted(GERMAN)).allowed == KEPT_FROM + 1
    assert len(index.asked) == 2
    index.creators(6000, 1, "DE")
    clock.time += timedelta(seconds=KEPT_SECONDS + 1)
    assert (await counts.counted(GERMAN)).allowed == KEPT_FROM + 2


async def test_what_a_negation_leaves_out_is_what_it_costs(index: CountedIndex) -> None:
    """Few are excluded: counted anew, though nearly all are allowed."""
    counts = Counts(index, FixedClock())
    excluded = (Condition("creator_id", "none_of", ("c1", "c2")),)
    assert [(await counts.counted(excluded)).refused for _ in range(2)] == [2, 2]
    assert len(index.asked) == 2


async def test_a_bound_that_moves_with_the_clock_is_one_question_within_a_minute(index: CountedIndex) -> None:
    """ "Active within a week" would be another question each time."""
    counts = Counts(index, FixedClock())
    for seconds in (1, 20):
        since = NOW - timedelta(days=7) + timedelta(seconds=seconds)
        assert (await counts.counted((Condition("last_published_at", "at_least", since),))).allowed == KEPT_FROM + 3
    assert len(index.asked) == 1


async def test_who_asks_at_the_same_time_shares_one_count_and_may_go_away(index: CountedIndex) -> None:
    """A client that hangs up does not end what another waits for."""
    counts = Counts(index, FixedClock())
    index.held.clear()
    first, second = (asyncio.ensure_future(counts.counted(GERMAN)) for _ in range(2))
    await settled()
    first.cancel()
    index.held.set()
    assert (await second).allowed == KEPT_FROM
    assert len(index.asked) == 1


async def test_a_count_behind_the_answer_that_fails_is_logged_and_one_waited_for_is_raised(index: CountedIndex) -> None:
    """The remembered one stands until it is too old."""
    clock = FixedClock()
    counts = Counts(index, clock)
    await counts.counted(GERMAN)
    clock.time += timedelta(seconds=FRESH_SECONDS + 1)
    index.gone = True
    with capture_logs() as logs:
        assert (await counts.counted(GERMAN)).allowed == KEPT_FROM
        await settled()
    assert [entry["event"] for entry in logs] == ["a filter could not be counted"]
    clock.time += timedelta(seconds=KEPT_SECONDS)
    with pytest.raises(Unavailable):
        await counts.counted(GERMAN)
