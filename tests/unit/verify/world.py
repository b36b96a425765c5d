"""All workers in one process, on fakes: a state that is right, and whatever a test then does to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from tests.fakes.store import MemoryListing
from tests.fakes.tables import FakeTable
from tests.unit.creators.world import SETTINGS
from tests.unit.embedder.conftest import MODEL, WIRE, House
from tests.unit.outcomes.test_outcomes import DECAY, booked, outcome, served
from workers.core.clock import SystemClock
from workers.core.lease import Lease
from workers.creators.main import WireEmitter as CreatorRecords
from workers.creators.worker import Creators
from workers.domain.erasure import ErasureKey
from workers.domain.events import Clicked, CreatorProfiled, CreatorUpdated, Event, PostPublished, PostRemoved
from workers.domain.events.posts import Media
from workers.indexer.settling import Thresholds
from workers.indexer.worker import Indexer, Settling
from workers.outcomes.main import WireEmitter as SignalRecords
from workers.outcomes.worker import Outcomes
from workers.verify.dump import KINDS, State
from workers.verify.lines import line
from workers.verify.look import Look, Rules, Topics
from workers.verify.main import erasures_of
from workers.verify.mending import Mender
from workers.verify.spool import Spool
from workers.verify.stillness import Measure, Progress
from workers.verify.worker import Verify
from workers.wire.records import Dead, Done, InRecord, Item, Open, OutRecord, Position

KEY = ErasureKey(b"a key of the tests")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
TOPICS = Topics("creators", "creators.changelog", "signals", "outcomes.changelog", "erasures")
READS = {
    "embedder": ("posts", "posts.backfill", "profiles"),
    "creators": ("embeddings",),
    "indexer": ("creators",),
    "outcomes": ("matches", "decisions", "outcomes"),
}
CREATORS, POSTS = 6, 5
THRESHOLDS = Thresholds(0.01, 0.05)
FILMS = (10, 21, 28)


def post(number: int, revision: int = 1, **fields: Any) -> PostPublished:
    """Post ``number`` of one of six creators, with two pictures, now and then with none, or with a video beside one."""
    pictures = [] if number % 7 == 6 else ["abcdef"[number % 6], "abcdef"[(number + 1) % 6]]
    if number in FILMS:
        pictures[1] = "v"
    given: dict[str, Any] = {
        "post_id": f"p{number}",
        "creator_id": f"c{number % CREATORS}",
        "revision": revision,
        "platform": "web",
        "url": f"https://example.com/{number}",
        "published_at": NOW - timedelta(days=number),
        "caption": f"words {number}",
        "media": tuple(Media(url=f"mem:{name}", kind="image") for name in pictures),
        **fields,
    }
    return PostPublished(**given)


class World:
    """``publish`` writes events; ``digest`` lets the workers, those that are ``awake``, read until nothing is left."""

    def __init__(self, settle_seconds: float = 0.0) -> None:
        self.house = House()
        self.store = self.house.store
        self.records: dict[str, list[InRecord]] = {}
        self.read: dict[tuple[str, str], int] = {}
        self.awake = set(READS)
        self.rows = {"creators": FakeTable(), "outcomes": FakeTable()}
        self.dead: list[Dead] = []
        self.now = 0.0
        self.opened: dict[bytes, Item[Any]] = {}
        self._keyed = {
            "creators": Creators(SETTINGS, CreatorRecords(WIRE), KEY),
            "outcomes": Outcomes(DECAY, SignalRecords(WIRE), KEY),
        }
        self._indexer = Indexer(
            self.store,
            Lease(3600.0, SystemClock()),
            model_version=MODEL,
            dimensions=SETTINGS.dimensions,
            min_share=0.02,
            retry_seconds=1.0,
            settling=Settling(THRESHOLDS, settle_seconds, 100),
        )

    # Topics.

    def publish(self, topic: str, *events: Event) -> None:
        """Events of a topic."""
        for event in events:
            self.send(WIRE.record(topic, event, id="x", time=NOW))

    def send(self, record: OutRecord) -> Future[None]:
        """A record; also what a producer does."""
        topic = self.records.setdefault(record.topic, [])
        position = Position(record.topic, 0, len(topic), "id")
        topic.append(InRecord(position, record.key, record.value, record.headers, round(NOW.timestamp() * 1000)))
        future: Future[None] = Future()
        future.set_result(None)
        return future

    def flush(self, seconds: float) -> None:
        """Nothing waits."""

    def all_of(self, topics: Sequence[str]) -> Any:
        """Every record of some topics."""
        return iter([record for topic in topics for record in self.records.get(topic, [])])

    # Workers.

    async def digest(self) -> None:
        """Until nothing is left to read."""
        while sum(each.unsettled for (worker, _, _), each in self.measure().items() if worker in self.awake):
            for worker in sorted(self.awake):
                for topic in READS[worker]:
                    for record in self.records.get(topic, [])[self.read.get((worker, topic), 0) :]:
                        await self._handle(worker, record)
                        self.read[worker, topic] = record.position.offset + 1

    async def _handle(self, worker: str, record: InRecord) -> None:
        event = None if record.value is None else WIRE.read(record, (Event,))
        if worker in self._keyed:
            table = self.rows[worker]
            written = len(table.written)
            assert event is not None
            answer = self._keyed[worker].handle(Item(event, record), table)
            for key, value in table.written[written:]:
                self.send(OutRecord(f"{worker}.changelog", key, value))
        else:
            handler: Any = self.house.embedder if worker == "embedder" else self._indexer
            (verdict,) = await handler.handle([Item(event, record)])
            answer = list(verdict.outputs) if isinstance(verdict, Done) else verdict
        if isinstance(answer, Open):
            self.opened[record.key or b""] = Item(event, record, open=True)
            return
        if isinstance(answer, Dead):
            self.dead.append(answer)
            return
        for output in answer:
            self.send(output)

    async def settle(self) -> None:
        """Every creator has been quiet for long enough."""
        for one in self.opened.values():
            assert await self._indexer.handle([one]) == [Done()]
        self.opened.clear()

    # What verify asks.

    def measure(self) -> Measure:
        ends = {topic: len(self.records.get(topic, [])) for topics in READS.values() for topic in topics}
        opened = {"indexer": len(self.opened)}
        return {
            (worker, topic, 0): Progress(
                ends[topic] - self.read.get((worker, topic), 0), ends[topic], opened.get(worker, 0)
            )
            for worker, topics in READS.items()
            for topic in topics
        }

    def look(self, spool: Spool) -> Look:
        for topic in TOPICS.all():
            for record in self.records.get(topic, []):
                spool.put(record)
        rules = Rules(SETTINGS, 0.02, DECAY, self.house.scoring, THRESHOLDS)
        erased = erasures_of(spool.newest(TOPICS.erasures), WIRE, KEY)
        return Look(MemoryListing(self.store), self.store, spool, WIRE, TOPICS, rules, erased, lambda *_: None)

    def mender(self, look: Look) -> Mender:
        return Mender(self.store, look.spool, WIRE, self, self.all_of, TOPICS, look.rules, look.erased_at, NOW)

    def verify(self) -> Verify:
        """Verify, whose waiting is the workers' time to work."""

        async def pause(seconds: float) -> None:
            self.now += seconds
            await self.digest()

        return Verify(self, 10.0, lambda: self.now, pause)

    async def state(self) -> dict[tuple[str, str], dict[str, Any]]:
        """All that is stored, by kind and id."""
        with Spool() as spool:
            self.look(spool)
            topics = {"creators": "creators", "signals": "signals"}
            stored = State(MemoryListing(self.store), spool, WIRE, topics, ())
            lines = [json.loads(line(values)) for kind in KINDS async for values in stored.values(kind)]
        return {(each["kind"], each["id"]): each for each in lines}

    def said(self, creator_id: str) -> CreatorUpdated:
        """The newest event of a creator."""
        records = [record for record in self.records["creators"] if record.key == creator_id.encode() and record.value]
        return WIRE.read(records[-1], (CreatorUpdated,))


async def whole(settle_seconds: float = 0.0) -> World:
    """Thirty posts, edits, a removal, profiles of two creators, and a campaign of two; all of it digested."""
    world = World(settle_seconds)
    for number in range(CREATORS * POSTS):
        world.publish("posts", post(number))
    world.publish("posts", post(3, 2, caption="edited"), post(4, 2, media=()))
    world.publish("posts", PostRemoved(post_id="p5", creator_id="c5", revision=3))
    for creator, bio in (("c0", "tea and words"), ("c1", "")):
        world.publish("profiles", CreatorProfiled(creator_id=creator, revision=1, name="Ada", bio=bio))
    world.publish("matches", served())
    world.publish("decisions", booked(), booked(creator="c2", campaign="k2"))
    world.publish("outcomes", *(outcome(Clicked, f"click-{number}") for number in range(3)))
    await world.digest()
    assert world.dead == []
    return cast("World", world)
