"""``streamscout state dump`` on the real servers."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.unit.indexer.events import updated
from workers.__main__ import build_app
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.listing import ObjectListing
from workers.adapters.weaviate.objects import ObjectStore
from workers.config import Settings
from workers.containment.dead_letters import dead_letter
from workers.domain.events import FeedbackSignalled
from workers.domain.events.signals import Statistics
from workers.domain.model_card import load_model_card
from workers.domain.stored import StoredObject
from workers.wire.cloudevents import Wire
from workers.wire.records import Dead, InRecord, Position, Unavailable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POSTS = 130


def _posts(dimensions: int) -> list[StoredObject]:
    vectors = np.random.default_rng(5).standard_normal((POSTS, dimensions)).astype(np.float32)
    return [
        StoredObject(
            uuid5(UUID(int=0), str(number)),
            {"post_id": f"p{number}", "creator_id": "ada", "revision": number, "published_at": NOON},
            {"caption": vector},
        )
        for number, vector in enumerate(vectors)
    ]


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A world with objects, an update, a signal that was replaced, one that was deleted, and dead letters."""
    card = load_model_card(settings.model_repository)

    async def fill() -> None:
        async with connect(settings) as client:
            store = ObjectStore(client, settings.namespace, card.model_version, card.dimensions)
            assert set(await store.upsert("Post", _posts(card.dimensions))) == {None}

    asyncio.run(fill())
    wire = Wire(build_codec(settings), "tests", settings.namespace)

    def signal(creator: str, events: int) -> FeedbackSignalled:
        statistics = Statistics(landmark=NOON, half_life_days=90, clicks=0.1)
        return FeedbackSignalled(brand_id="b", creator_id=creator, statistics=statistics, events=events, last_at=NOON)

    refused = InRecord(Position("posts", 0, 3, "id"), b"ada", b"{", (), 1)
    topic = f"{settings.namespace}.embedder.dead"
    letter = dead_letter(refused, Dead("malformed_json", "where"), topic, "embedder", 0, NOON)
    producer = KafkaProducer(settings)
    records = [
        wire.record("creators", updated("ada", 9, ("p", "q")), id="1", time=NOON),
        *(wire.record("signals", signal("ada", events), id=str(events), time=NOON) for events in (1, 2)),
        wire.record("signals", signal("bob", 1), id="3", time=NOON),
        wire.tombstone("signals", "b|bob"),
        letter,
        letter,
    ]
    for future in [producer.send(record) for record in records]:
        future.result(60)
    producer.close()
    return settings


def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kafka_bootstrap", "schema_registry_url", "weaviate_url", "weaviate_grpc", "namespace", "data_dir"):
        monkeypatch.setenv(f"STREAMSCOUT_{name.upper()}", str(getattr(settings, name)))


def test_two_dumps_of_one_state_are_the_same_bytes(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorted by kind and id, everything there once; the summary counts it."""
    _environment(filled, monkeypatch)
    runner = CliRunner()
    first, second = (runner.invoke(build_app(), ["state", "dump", str(tmp_path / n), "--json"]) for n in ("a", "b"))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes()
    assert runner.invoke(build_app(), ["state", "dump", "-"]).stdout_bytes == data
    lines = [json.loads(each) for each in data.splitlines()]
    assert [(each["kind"], each["id"]) for each in lines] == sorted((each["kind"], each["id"]) for each in lines)
    counts = {kind: sum(each["kind"] == kind for each in lines) for kind in json.loads(first.stdout)["kinds"]}
    assert counts == json.loads(first.stdout)["kinds"]
    assert {kind: count for kind, count in counts.items() if count} == {
        "post": POSTS,
        "update": 1,
        "signal": 1,
        "dead": 1,
    }
    signal = next(each for each in lines if each["kind"] == "signal")
    assert (signal["id"], signal["events"]) == ("b|ada", 2)
    dimensions = load_model_card(filled.model_repository).dimensions
    written = {str(each.id): each.vectors["caption"] for each in _posts(dimensions)}
    for each in lines:
        if each["kind"] == "post":
            found = np.asarray(each["vectors"]["caption"], dtype=np.float32)
            assert found.tobytes() == written[each["id"]].tobytes()


async def test_a_listing_of_many_pages_is_whole(filled: Settings) -> None:
    """Ids ascending, none twice, however many fit a page."""
    card = load_model_card(filled.model_repository)
    async with connect(filled) as client:
        for page in (7, POSTS, POSTS + 1):
            listing = ObjectListing(client, filled.namespace, card.model_version, page)
            ids = [each.id async for each in listing.objects("Post")]
            assert ids == sorted(each.id for each in _posts(card.dimensions))


def test_a_stack_that_is_partly_gone_is_not_half_a_dump(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unreachable, which the command line answers with 3; the file stays as it was."""
    _environment(settings, monkeypatch)
    (tmp_path / "kept").write_text("before")
    for name, value in (("WEAVIATE_URL", "http://127.0.0.1:9"), ("NAMESPACE", "nosuchworld")):
        with monkeypatch.context() as patched:
            patched.setenv(f"STREAMSCOUT_{name}", value)
            result = CliRunner().invoke(build_app(), ["state", "dump", str(tmp_path / "kept")])
            assert isinstance(result.exception, Unavailable)
    assert (tmp_path / "kept").read_text() == "before"
    assert [path.name for path in tmp_path.glob("*kept*")] == ["kept"]


def test_a_file_that_cannot_be_written_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, as for any wrong argument."""
    _environment(settings, monkeypatch)
    result = CliRunner().invoke(build_app(), ["state", "dump", "/nowhere/at/all"])
    assert result.exit_code == 2
    assert "cannot be written" in result.output
