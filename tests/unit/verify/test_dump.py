"""The lines of a dump: what stands in them, in which order, to the last bit."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np

from tests.unit.indexer.events import updated
from workers.domain.events import FeedbackSignalled
from workers.domain.events.signals import Statistics
from workers.domain.ids import dead_letter_id
from workers.domain.stored import StoredObject
from workers.domain.vectors import from_bytes
from workers.verify.dump import KINDS, DeadLetter, State, dead_letter_of
from workers.verify.lines import line, object_values
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.letters import ID, REASON
from workers.wire.records import InRecord, Position

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WIRE = Wire(JsonCodec(), "tests", "")


class _Stored:
    """What State reads, in memory."""

    def __init__(self, objects: dict[str, list[StoredObject]], records: dict[str, list[InRecord]]) -> None:
        self._objects, self._records = objects, records

    async def objects(self, collection: str) -> AsyncIterator[StoredObject]:
        for each in self._objects.get(collection, []):
            yield each

    def newest(self, topic: str) -> Iterator[InRecord]:
        return iter(self._records.get(topic, []))


async def _values(
    kind: str,
    objects: dict[str, list[StoredObject]] | None = None,
    records: dict[str, list[InRecord]] | None = None,
    dead: tuple[DeadLetter, ...] = (),
) -> list[dict[str, Any]]:
    stored = _Stored(objects or {}, records or {})
    state = State(stored, stored, WIRE, {"creators": "creators", "signals": "signals"}, dead)
    return [json.loads(line(each)) async for each in state.values(kind)]


def _record(topic: str, key: str, value: bytes, type_name: str) -> InRecord:
    headers = (("ce_type", type_name.encode()),)
    return InRecord(Position(topic, 0, 0), key.encode(), value, headers, round(NOON.timestamp() * 1000))


async def test_an_object_is_its_properties_and_its_vectors_to_the_last_bit() -> None:
    """Numbers read back as float32 are the bits that are stored; times are in UTC; revision stands in front."""
    vector = np.array([0.1, -1 / 3, 1e-20, 0.7], dtype=np.float32)
    stored = StoredObject(UUID(int=7), {"z": NOON, "a": ["x"], "creator_revision": 4}, {"facet": vector})
    (values,) = await _values("facet", {"Facet": [stored]})
    assert list(values) == ["kind", "id", "revision", "a", "creator_revision", "z", "vectors"]
    assert (values["kind"], values["id"], values["revision"]) == ("facet", str(UUID(int=7)), 4)
    assert values["z"] == "2026-03-01T12:00:00Z"
    assert np.asarray(values["vectors"]["facet"], dtype=np.float32).tobytes() == vector.tobytes()


def test_a_creators_revision_is_exact() -> None:
    """Weaviate keeps whole numbers as doubles; the text beside it has them all."""
    stored = StoredObject(UUID(int=1), {"revision": 2**60, "revision_exact": str(2**60 + 1)})
    assert object_values("creator", stored)["revision"] == 2**60 + 1


async def test_what_creators_and_signals_say_is_whole() -> None:
    """Vectors as numbers; statistics as they are."""
    event = updated("ada", 9, ("p", "q"))
    (values,) = await _values(
        "update",
        records={"creators": [_record("creators", "ada", event.model_dump_json().encode(), event.type_name())]},
    )
    assert (values["kind"], values["id"], values["revision"]) == ("update", "ada", 9)
    for shown, facet in zip(values["facets"], event.facets, strict=True):
        assert np.array_equal(np.asarray(shown["vector"], dtype=np.float32), from_bytes(facet.vector))
    signal = FeedbackSignalled(
        brand_id="b",
        creator_id="ada",
        statistics=Statistics(landmark=NOON, half_life_days=90, clicks=0.1),
        events=3,
        last_at=NOON,
    )
    records = {"signals": [_record("signals", "b|ada", signal.model_dump_json().encode(), signal.type_name())]}
    (values,) = await _values("signal", records=records)
    assert (values["id"], values["events"], values["statistics"]["clicks"]) == ("b|ada", 3, 0.1)


async def test_what_no_reader_understands_is_there_with_its_reason() -> None:
    """Rubbish as the newest record of a key must not look like a creator who is gone."""
    rubbish = _record("creators", "ada", b"{", updated("ada", 1, ("p",)).type_name())
    assert await _values("update", records={"creators": [rubbish]}) == [
        {"kind": "update", "id": "ada", "unreadable": "malformed_json"}
    ]


async def test_copies_of_a_dead_letter_are_one_line() -> None:
    """Sorted; an event that is dead for two reasons is two lines of one id."""
    letters = (("2", "embedder", "x"), ("1", "indexer", "y"), ("2", "embedder", "x"), ("2", "embedder", "w"))
    assert [tuple(each.values())[1:] for each in await _values("dead", dead=letters)] == [
        ("1", "indexer", "y"),
        ("2", "embedder", "w"),
        ("2", "embedder", "x"),
    ]


def test_a_dead_letters_id_is_the_one_it_carries() -> None:
    """A record that no worker wrote is named after where it lies."""
    position = Position("embedder.dead", 1, 5, "topic-id")
    carried = InRecord(position, None, b"", ((ID, b"an-id"), (REASON, b"media_gone")), 1)
    assert dead_letter_of(carried, "embedder") == ("an-id", "embedder", "media_gone")
    bare = InRecord(position, None, b"", (), 1)
    assert dead_letter_of(bare, "embedder") == (str(dead_letter_id("topic-id", 1, 5)), "embedder", "")


def test_kinds_are_in_order() -> None:
    """Sorted by kind, then by id."""
    assert list(KINDS) == sorted(KINDS)
