"""`safety rescore` against an embedder in the same process: what is named, what is waited for, what is left."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from tests.fakes.safety import scoring
from tests.fakes.store import MemoryListing
from tests.unit.embedder.conftest import MODEL, WIRE, House, published, removed
from workers.domain.events import SafetyRevised
from workers.domain.ids import post_object_id
from workers.safety import rescoring
from workers.safety.rescoring import Report, Rescoring
from workers.wire.records import InRecord, OutRecord, Position, ProduceFailed, Unavailable


class Road:
    """A producer whose records the house's embedder handles while the command pauses."""

    def __init__(self, house: House) -> None:
        self.house, self.now = house, 0.0
        self.records: list[OutRecord] = []
        self.waiting: list[SafetyRevised] = []
        self.asleep = self.broken = False
        self.reports: list[int] = []

    def send(self, record: OutRecord) -> Future[None]:
        future: Future[None] = Future()
        if self.broken:
            future.set_exception(ProduceFailed("no leader"))
            return future
        self.records.append(record)
        read = InRecord(Position(record.topic, 0, 0), record.key, record.value, record.headers, 0)
        self.waiting.append(WIRE.read(read, (SafetyRevised,)))
        future.set_result(None)
        return future

    def flush(self, seconds: float) -> None:
        """Nothing waits."""

    async def pause(self, seconds: float) -> None:
        self.now += seconds
        if self.waiting and not self.asleep:
            await self.house.give(self.waiting.pop(0))

    async def rescore(self, revision: int = 2, wait: bool = True) -> Report:
        """Run the command once."""
        store = self.house.store
        told = lambda report, total: self.reports.append(total)  # noqa: E731
        servers = (MemoryListing(store), store, WIRE, self, revision, told, lambda: self.now, self.pause)
        return await Rescoring(*servers).run(wait)


@pytest.fixture
async def road() -> Road:
    """Five posts of the first scoring, one of them removed; the second scoring has come."""
    house = House()
    for number in range(5):
        await house.give(published(1, "ab", post_id=f"p{number}"))
    await house.give(removed(2, "p4"))
    house.scoring = scoring(2)
    house.restart()
    return Road(house)


def revisions(house: House, posts: Sequence[int]) -> set[object]:
    """Of some posts' scores."""
    stored = house.store.all("Post")
    return {stored[post_object_id(f"p{number}", MODEL)].properties.get("safety_revision") for number in posts}


async def test_every_post_of_an_older_scoring_is_named_and_waited_for(road: Road) -> None:
    """Keyed by its creator, on the topic of backfill; a removed post has nothing to be scored."""
    report = await road.rescore()
    assert report == Report(2, posts=5, removed=1, named=4, scored=4)
    assert revisions(road.house, range(4)) == {2}
    assert {(record.topic, record.key) for record in road.records} == {("posts.backfill", b"c1")}
    assert set(road.reports) == {5}


async def test_a_second_run_finds_nothing_to_do(road: Road) -> None:
    """So a run that was cut short goes on where it stopped."""
    await road.rescore()
    road.records.clear()
    assert await road.rescore() == Report(2, posts=5, scored_before=4, removed=1)
    assert road.records == []


async def test_a_run_that_was_cut_short_goes_on_with_what_is_left(road: Road) -> None:
    """One post was scored before."""
    await road.house.give(SafetyRevised(post_id="p2", creator_id="c1", safety_revision=2))
    assert await road.rescore() == Report(2, posts=5, scored_before=1, removed=1, named=3, scored=3)


async def test_an_embedder_that_does_not_answer_is_not_waited_for_for_ever(road: Road) -> None:
    """What is left is counted."""
    road.asleep = True
    report = await road.rescore()
    assert (report.named, report.scored, report.left) == (4, 0, 4)
    assert road.now >= rescoring.STILL_SECONDS


async def test_posts_that_are_never_scored_do_not_hide_those_that_are(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two are dead letters, say: those behind them are looked at all the same, and named to the end."""
    monkeypatch.setattr(rescoring, "_LOOKED_AT_ONCE", 2)
    monkeypatch.setattr(rescoring, "MOST_OPEN", 3)
    give, lost = road.house.give, set[str]()

    async def losing(*events: SafetyRevised) -> object:
        if len(lost) < 2:
            lost.add(events[0].post_id)
            return None
        return await give(*events)

    road.house.give = losing  # type: ignore[method-assign,assignment]
    report = await road.rescore()
    assert (report.named, report.scored, report.left) == (4, 2, 2)


async def test_without_waiting_posts_are_named_alone(road: Road) -> None:
    """The embedder has them on its topic."""
    road.asleep = True
    report = await road.rescore(wait=False)
    assert (report.named, report.left, road.now) == (4, 4, 0.0)


async def test_no_more_posts_are_open_than_allowed(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedder's backfill is not flooded."""
    monkeypatch.setattr(rescoring, "MOST_OPEN", 2)
    most = 0
    give = road.house.give

    async def counted(*events: SafetyRevised) -> object:
        nonlocal most
        most = max(most, len(road.waiting) + 1)
        return await give(*events)

    road.house.give = counted  # type: ignore[method-assign,assignment]
    report = await road.rescore()
    assert report.scored == 4
    assert most == 2


async def test_a_post_that_goes_meanwhile_is_not_waited_for(road: Road) -> None:
    """Removed by its own event, before its turn."""
    give = road.house.give

    async def removing(*events: SafetyRevised) -> object:
        await give(removed(5, "p3"))
        return await give(*events)

    road.house.give = removing  # type: ignore[method-assign,assignment]
    report = await road.rescore()
    assert (report.scored, report.gone, report.left) == (3, 1, 0)


async def test_what_kafka_does_not_take_ends_the_run(road: Road) -> None:
    """A server is gone: it is run again."""
    road.broken = True
    with pytest.raises(Unavailable, match="no leader"):
        await road.rescore()
