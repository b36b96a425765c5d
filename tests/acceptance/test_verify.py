"""``streamscout verify`` on real servers with real workers: each store is damaged, found out and mended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.acceptance.test_kill import campaign, make_sample
from tests.topics import newest, read_topic
from tests.waiting import eventually
from workers.__main__ import build_app
from workers.adapters.kafka import KafkaProducer, topic_facts
from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.objects import ObjectStore
from workers.config import Settings
from workers.creators.rows import post_key
from workers.demo.loads import publish_files
from workers.domain.events import CreatorUpdated, FeedbackSignalled, PostPublished, PostRemoved
from workers.domain.events.signals import Statistics
from workers.domain.ids import bio_object_id, creator_object_id, post_object_id, visual_id
from workers.domain.model_card import load_model_card
from workers.domain.partitioning import partition_of
from workers.domain.stored import StoredObject
from workers.domain.topics import topic_name
from workers.stack.fleet import Fleet
from workers.stack.progress import Board
from workers.verify.differences import Difference
from workers.verify.main import dump_state, verify_state
from workers.verify.report import Report
from workers.wire.cloudevents import Wire
from workers.wire.records import OutRecord

WORKERS = ["embedder", "creators", "indexer", "outcomes"]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
LANDMARK = datetime(2024, 1, 1, tzinfo=UTC)
FOREIGN = UUID(int=7)


def told(_name: str, _done: int, _total: int | None) -> None:
    """Progress that nobody looks at."""


def verified(settings: Settings, repair: bool = False, wait: float = 60.0) -> Report:
    """What verify reports."""
    return asyncio.run(verify_state(settings, repair, wait, told))


def dumped(settings: Settings) -> dict[tuple[str, str], dict[str, Any]]:
    """Everything that is stored, by kind and id."""
    lines: list[bytes] = []
    asyncio.run(dump_state(settings, lines.append, told))
    return {(each["kind"], each["id"]): each for each in map(json.loads, lines)}


def alike(one: Any, other: Any) -> bool:
    """The same, but for the last digits of what was embedded anew."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-3 * max(1.0, abs(one))
    return bool(one == other)


@dataclass(slots=True)
class Damage:
    """Breaks things behind the owners' backs."""

    settings: Settings
    model: str
    expected: set[tuple[str, str, str]] = field(default_factory=set)

    def say(self, what: str, kind: str, id_: object) -> None:
        """What verify must find."""
        self.expected.add((what, kind, str(id_)))

    def objects(self, work: Callable[[ObjectStore], Awaitable[None]]) -> None:
        """On the store."""

        async def run() -> None:
            async with connect(self.settings) as client:
                await work(ObjectStore(client, self.settings.namespace, self.model))

        asyncio.run(run())

    def delete(self, collection: str, id_: UUID) -> None:
        """An object is gone."""
        self.objects(lambda store: store.delete(collection, [id_]))

    def change(
        self, collection: str, id_: UUID, change: Callable[[StoredObject], StoredObject], to: UUID | None = None
    ) -> None:
        """An object is another, or another one is there too."""

        async def work(store: ObjectStore) -> None:
            found = (await store.fetch(collection, [id_], vectors=True))[id_]
            changed = replace(change(found), id=to or id_)
            assert await store.upsert(collection, [changed]) == [None]

        self.objects(work)

    def send(self, *records: OutRecord) -> None:
        """Something stands on a topic."""
        producer = KafkaProducer(self.settings)
        for future in [producer.send(record) for record in records]:
            future.result(30)
        producer.close()

    def wire(self) -> Wire:
        return Wire(build_codec(self.settings), "tests", self.settings.namespace)


def turned(name: str) -> Callable[[StoredObject], StoredObject]:
    """The object with another vector."""
    return lambda found: replace(found, vectors={name: np.roll(found.vectors[name], 5)})


def saying(**properties: Any) -> Callable[[StoredObject], StoredObject]:
    """The object with other properties."""
    return lambda found: replace(found, properties={**found.properties, **properties})


@pytest.fixture
def fleet(settings: Settings) -> Iterator[Fleet]:
    """The workers, as processes of their own."""
    with Board(Console(stderr=True)) as board:
        workers = Fleet(settings, board)
        yield workers
        workers.stop(grace=20)


@pytest.fixture
def damage(settings: Settings, fleet: Fleet, tmp_path: Path) -> Damage:
    """A world that is whole: posts, creators, one signal; everything digested, nothing to report."""
    _, files = make_sample(settings, tmp_path / "sample")
    fleet.start(WORKERS)
    publish_files(settings, [("profiles", files.profiles), ("posts", files.posts)])
    made = Damage(settings, load_model_card(settings.model_repository).model_version)
    wire = made.wire()
    made.send(*(wire.record(topic, event, id=str(n), time=NOW) for n, (topic, event) in enumerate(campaign()[:40])))
    eventually(lambda: "b1|c1" in newest(settings, "signals"), 60, "the signal")
    removed = _posts(made)[0]
    removal = PostRemoved(post_id=removed[1], creator_id=removed[0], revision=2)
    made.send(wire.record("posts", removal, id="removal", time=NOW))
    eventually(lambda: not verified(settings).open_events, 120, "everything digested")
    report = verified(settings)
    assert report.differences == []
    assert report.in_flight == []
    return made


def _posts(damage: Damage) -> list[tuple[str, str]]:
    """Creator and post of everything that was published, sorted."""
    records = read_topic(damage.settings, "posts")
    wire = damage.wire()
    events = [wire.read(record, (PostPublished, PostRemoved)) for record in records]
    return sorted({(event.creator_id, event.post_id) for event in events if isinstance(event, PostPublished)})


def seen(differences: list[Difference]) -> set[tuple[str, str, str]]:
    """What, of which kind, of which id."""
    return {(each.what, each.kind, each.id) for each in differences}


def test_every_store_that_is_damaged_is_found_out_and_mended(
    damage: Damage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each damage is reported as what it is, with kind and id; after --repair the state is what it was before."""
    before = dumped(settings)
    expected = _damage_everything(damage, before)
    eventually(lambda: not verified(settings).open_events, 60, "what was written to topics is digested")
    report = verified(settings)
    assert seen(list(report.differences)) == expected
    assert report.in_flight == []
    mended = verified(settings, repair=True)
    assert list(mended.differences) == []
    assert seen(list(mended.found)) == expected
    assert sum(mended.done.values()) >= len(expected) - 2
    after = dumped(settings)
    assert after.keys() == before.keys()
    assert [key for key in before if not alike(before[key], after[key])] == []
    for name in ("kafka_bootstrap", "schema_registry_url", "weaviate_url", "weaviate_grpc", "namespace", "data_dir"):
        monkeypatch.setenv(f"STREAMSCOUT_{name.upper()}", str(getattr(settings, name)))
    answer = CliRunner().invoke(build_app(), ["verify", "--json"])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["differences"] == []
    facet = next(UUID(id_) for kind, id_ in after if kind == "facet")
    damage.delete("Facet", facet)
    answer = CliRunner().invoke(build_app(), ["verify"])
    assert answer.exit_code == 1
    assert f"missing facet {facet}" in answer.stdout


Dump = dict[tuple[str, str], dict[str, Any]]


def _damage_everything(damage: Damage, before: Dump) -> set[tuple[str, str, str]]:
    """Damage of every kind, each on posts and creators of its own; what verify must say of it."""
    removed, *rest = _posts(damage)
    alive = [
        (creator, post)
        for creator, post in rest
        if before["post", str(post_object_id(post, damage.model))]["visuals"] and creator != removed[0]
    ]
    names = sorted({creator for creator, _ in alive})
    _damage_posts(damage, before, names[0], [post for creator, post in alive if creator == names[0]], removed[1])
    _damage_index(damage, before, names[1:6])
    _damage_topics(damage, names[6], names[7])
    return damage.expected


def _damage_posts(damage: Damage, before: Dump, creator: str, posts: list[str], removed: str) -> None:
    """Visuals, posts and a row of one creator, and the tombstone of another one's post."""
    model = damage.model
    lost, foreign, renamed, bent, gone, older, row = posts[:7]
    damage.delete("Visual", visual_id(lost, 0, 0, model))
    damage.say("missing", "visual", visual_id(lost, 0, 0, model))
    damage.change("Visual", visual_id(foreign, 0, 0, model), saying(post_id="nobody's"), to=FOREIGN)
    damage.say("extra", "visual", FOREIGN)
    damage.change("Visual", visual_id(renamed, 0, 0, model), saying(platform="elsewhere"))
    damage.say("drifted", "visual", visual_id(renamed, 0, 0, model))
    # Whose vectors are wrong, the visual's or the row's, nobody can tell: the post can be embedded anew.
    damage.change("Visual", visual_id(bent, 0, 0, model), turned("visual"))
    damage.say("drifted", "post", post_object_id(bent, model))
    for each in (gone, removed):
        damage.delete("Post", post_object_id(each, model))
        damage.say("missing", "post", post_object_id(each, model))
    damage.change("Post", post_object_id(older, model), saying(revision=0))
    damage.say("stale", "post", post_object_id(older, model))
    for position in range(before["post", str(post_object_id(older, model))]["visuals"]):
        damage.say("drifted", "visual", visual_id(older, position, 0, model))
    damage.change("Post", post_object_id(foreign, model), lambda found: found, to=FOREIGN)
    damage.say("extra", "post", FOREIGN)
    # Faust keeps a creator's rows where the creator's events lie. What is said of the creator is more than is left.
    changelog = topic_name(damage.settings.namespace, "creators.changelog")
    place = partition_of(creator.encode(), topic_facts(damage.settings, [changelog])[changelog].partitions)
    damage.send(OutRecord(changelog, post_key(creator, row), None, partition=place))
    damage.say("missing", "row", f"{creator}/{row}")
    damage.say("drifted", "update", creator)


def _damage_index(damage: Damage, before: Dump, creators: list[str]) -> None:
    """Objects of the indexer, of five creators."""
    model = damage.model
    one, two, ahead, gone, mute = creators
    facets = {
        creator: [UUID(id_) for kind, id_ in before if kind == "facet" and before[kind, id_]["creator_id"] == creator]
        for creator in (one, two)
    }
    damage.change("Facet", facets[one][0], lambda found: found, to=FOREIGN)
    damage.say("extra", "facet", FOREIGN)
    damage.change("Facet", facets[one][0], turned("facet"))
    damage.say("drifted", "facet", facets[one][0])
    damage.change("Facet", facets[two][0], saying(creator_revision=1))
    damage.say("stale", "facet", facets[two][0])
    creator = creator_object_id(ahead, model)
    revision = before["creator", str(creator)]["revision"] + 5
    damage.change("Creator", creator, saying(revision=revision, revision_exact=str(revision)))
    damage.say("drifted", "creator", creator)
    damage.delete("Creator", creator_object_id(gone, model))
    damage.say("missing", "creator", creator_object_id(gone, model))
    damage.delete("Bio", bio_object_id(mute, model))
    damage.say("missing", "bio", bio_object_id(mute, model))


def _damage_topics(damage: Damage, gone: str, copied: str) -> None:
    """What ``creators`` and ``signals`` say: a creator and a pair are gone, one of each was never there."""
    wire = damage.wire()
    damage.send(wire.tombstone("creators", gone))
    damage.say("missing", "update", gone)
    ghost = newest(damage.settings, "creators")[copied]
    assert isinstance(ghost, CreatorUpdated)
    ghost = ghost.model_copy(update={"creator_id": "ghost", "facets": ()})
    damage.send(wire.record("creators", ghost, id="ghost", time=NOW))
    damage.say("extra", "update", "ghost")
    damage.send(wire.tombstone("signals", "b1|c1"))
    damage.say("missing", "signal", "b1|c1")
    statistics = Statistics(landmark=LANDMARK, half_life_days=90, clicks=1.0)
    signal = FeedbackSignalled(brand_id="b9", creator_id="c9", statistics=statistics, events=1, last_at=NOW)
    damage.send(wire.record("signals", signal, id="foreign", time=NOW))
    damage.say("extra", "signal", "b9|c9")


def test_work_in_flight_is_no_difference(settings: Settings, fleet: Fleet, tmp_path: Path) -> None:
    """Posts that are stored and not folded yet have no rows; while the creators worker is behind, that is said."""
    _, files = make_sample(settings, tmp_path / "sample")
    fleet.start(["embedder"])
    publish_files(settings, [("profiles", files.profiles), ("posts", files.posts)])
    eventually(lambda: verified(settings, wait=0).checked.get("post", 0) >= 20, 120, "posts are stored")
    report = verified(settings, wait=0)
    assert report.differences == []
    assert report.open_events > 0
    assert {(each.what, each.kind) for each in report.in_flight} <= {("missing", "row"), ("extra", "visual")}
    assert report.in_flight != []
    fleet.start(["creators", "indexer"])
    eventually(lambda: not verified(settings).open_events, 120, "everything digested")
    report = verified(settings)
    assert (list(report.differences), list(report.in_flight)) == ([], [])
