"""Views of compacted topics, and the thread that keeps them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from tests.unit.match.world import NOW, FixedClock
from tests.waiting import eventually
from workers.domain.events import BrandBriefed, Event, FeedbackSignalled, Statistics
from workers.match.view import BrandView, SignalView
from workers.process.follower import Follower
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import InRecord, OutRecord, Position, ProduceFailed, Unavailable


def brand(revision: int, brief: str = "bread") -> BrandBriefed:
    """A brief of one brand."""
    return BrandBriefed(brand_id="rye", revision=revision, name="Rye", brief=brief)


def signal(creator_id: str, events: int = 1) -> FeedbackSignalled:
    """A signal of one brand."""
    statistics = Statistics(landmark=NOW, half_life_days=90)
    return FeedbackSignalled(brand_id="rye", creator_id=creator_id, statistics=statistics, events=events, last_at=NOW)


def test_an_older_brief_changes_nothing_and_equal_ones_end_alike_in_any_order() -> None:
    """By revision, then by canonical data."""
    ends = []
    for order in ([1, 2, 0], [0, 2, 1], [2, 1, 0]):
        view, briefs = BrandView(), [brand(1), brand(2, "cake"), brand(2, "rolls")]
        for place in order:
            view.put(briefs[place])
        ends.append(view.get("rye"))
    assert ends[0] is not None
    assert ends[0].revision == 2
    assert ends == [ends[0]] * 3


def test_a_deleted_key_is_forgotten() -> None:
    """A tombstone, also of what was never known."""
    brands, signals = BrandView(), SignalView()
    brands.put(brand(1))
    signals.put(signal("ann"))
    for _ in range(2):
        brands.drop("rye")
        signals.drop("rye|ann")
    assert (brands.all(), signals.of_brand("rye"), signals.of_creator("ann"), signals.count) == ([], {}, {}, 0)


def test_the_last_signal_of_a_pair_stands_under_brand_and_creator() -> None:
    """Counted once."""
    view = SignalView()
    for events in (1, 2):
        view.put(signal("ann", events))
    view.put(signal("bob"))
    assert view.of_brand("rye")["ann"].events == 2
    assert view.of_creator("ann")["rye"].events == 2
    assert view.count == 2


class Records:
    """A reader of given records; ``failing`` is raised once they are read."""

    def __init__(self, *records: InRecord) -> None:
        self.records = deque(records)
        self.failing: BaseException | None = None
        self.closed = False

    def poll(self, seconds: float) -> InRecord | None:
        if self.records:
            return self.records.popleft()
        if self.failing:
            raise self.failing
        return None

    def caught_up(self) -> bool:
        return not self.records

    def close(self) -> None:
        self.closed = True


class Letters:
    """A producer that keeps records; ``refusing`` fails them."""

    def __init__(self) -> None:
        self.sent: list[OutRecord] = []
        self.refusing = False

    def send(self, record: OutRecord) -> Future[None]:
        future: Future[None] = Future()
        if self.refusing:
            future.set_exception(ProduceFailed("no"))
        else:
            self.sent.append(record)
            future.set_result(None)
        return future

    def flush(self, seconds: float) -> None: ...


class FlakyCodec(JsonCodec):
    """JSON, but the registry is gone at first."""

    def __init__(self) -> None:
        self.tries = 0

    def decode(self, type_name: str, value: bytes) -> Event:
        self.tries += 1
        if self.tries < 3:
            raise Unavailable("the registry is gone")
        return super().decode(type_name, value)


WIRE = Wire(JsonCodec(), "test", "")


def lying(event: Event, topic: str, offset: int = 0, **changes: Any) -> InRecord:
    """An event as it lies on a topic."""
    out = WIRE.record(topic, event, id="1", time=NOW)
    fields = {"key": out.key, "value": out.value, "headers": out.headers, "timestamp_ms": 0, **changes}
    return InRecord(Position(topic, 0, offset, "topic-id"), **fields)


@pytest.fixture
def running() -> Iterator[list[Follower]]:
    """Followers that end with the test."""
    followers: list[Follower] = []
    yield followers
    for follower in followers:
        follower.stop()


def follow(reader: Records, letters: Letters, running: list[Follower], wire: Wire = WIRE) -> tuple[BrandView, Follower]:
    """A follower of brands that has begun."""
    view = BrandView()
    follower = Follower(
        "match", reader, wire, {"brands": view}, letters, "match.dead", FixedClock(), retry_seconds=0.01
    )
    running.append(follower)
    follower.start()
    return view, follower


def test_it_is_ready_once_everything_was_read(running: list[Follower]) -> None:
    """Values and deletions."""
    gone = lying(brand(3), "brands", 1, value=None)
    reader = Records(lying(brand(1), "brands"), gone, lying(brand(2, "cake"), "brands", 2))
    view, follower = follow(reader, Letters(), running)
    assert follower.ready.wait(10)
    assert view.get("rye") == brand(2, "cake")


def test_a_bad_record_is_set_aside_and_never_harms_its_neighbours(running: list[Follower]) -> None:
    """With its bytes and its reason on ``match.dead``."""
    bad = lying(brand(9), "brands", 1, value=b"{")
    letters = Letters()
    view, follower = follow(Records(lying(brand(1), "brands"), bad), letters, running)
    assert follower.ready.wait(10)
    (letter,) = letters.sent
    assert (letter.topic, letter.value) == ("match.dead", b"{")
    assert dict(letter.headers)["streamscout.dead.reason"] == b"malformed_json"
    assert view.get("rye") == brand(1)


def test_a_view_of_records_gets_them_as_they_are(running: list[Follower]) -> None:
    """Dead letters are no events of their topic: what cannot be read in them is no dead letter again."""
    taken = []

    class Kept:
        def take(self, record: InRecord, wire: Wire) -> None:
            taken.append(record.value)

    bad = lying(brand(1), "embedder.dead", value=b"{")
    letters = Letters()
    views = {"embedder.dead": Kept()}
    follower = Follower("match", Records(bad), WIRE, views, letters, "match.dead", FixedClock(), retry_seconds=0.01)
    running.append(follower)
    follower.start()
    assert follower.ready.wait(10)
    assert (taken, letters.sent) == ([b"{"], [])


def test_a_dead_letter_that_cannot_be_written_ends_the_thread(running: list[Follower]) -> None:
    """It is never dropped."""
    letters = Letters()
    letters.refusing = True
    reader = Records(lying(brand(1), "brands", value=b"{"))
    _, follower = follow(reader, letters, running)
    assert isinstance(follower.ended.exception(10), ProduceFailed)
    assert not follower.ready.is_set()
    assert reader.closed


def test_a_registry_that_is_gone_is_waited_for(running: list[Follower]) -> None:
    """The record is not lost, nor passed over."""
    view, follower = follow(Records(lying(brand(1), "brands")), Letters(), running, Wire(FlakyCodec(), "test", ""))
    assert follower.ready.wait(10)
    assert view.get("rye") == brand(1)


def test_reading_that_fails_for_good_ends_the_thread_and_says_so(running: list[Follower]) -> None:
    """The process ends with it."""
    told = []
    reader = Records()
    reader.failing = RuntimeError("fenced")
    follower = Follower("match", reader, WIRE, {}, Letters(), "match.dead", FixedClock())
    running.append(follower)
    follower.start(on_end=lambda: told.append(True))
    assert isinstance(follower.ended.exception(10), RuntimeError)
    assert eventually(lambda: told)
