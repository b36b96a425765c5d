"""Records in unions are named for fastavro; what is written is what it would have found out by itself."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest

from tests.examples import Example, examples
from workers.adapters.avro_unions import naming
from workers.domain.avro_schema import avro_schema

INNER = {"type": "record", "name": "io.t.Inner", "fields": [{"name": "n", "type": "long"}]}
OUTER = {
    "type": "record",
    "name": "io.t.Outer",
    "fields": [
        {"name": "one", "type": ["null", INNER]},
        {"name": "again", "type": ["null", "io.t.Inner"]},
        {"name": "many", "type": {"type": "array", "items": ["null", "io.t.Inner"]}},
        {"name": "by_name", "type": {"type": "map", "values": ["null", "io.t.Inner"]}},
        {"name": "list", "type": ["null", {"type": "array", "items": ["null", "io.t.Inner"]}]},
        {"name": "plain", "type": ["null", "string"]},
        {"name": "bare", "type": "io.t.Inner"},
    ],
}


def written(schema: Any, value: Any) -> bytes:
    """The value as Avro."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, value)
    return stream.getvalue()


@pytest.mark.parametrize("example", examples("valid"), ids=str)
def test_an_event_is_written_to_the_same_bytes(example: Example) -> None:
    """Every valid example of every event."""
    event = example.event.model_validate_json(example.data)
    schema = fastavro.parse_schema(json.loads(json.dumps(avro_schema(example.event))))
    assert written(schema, naming(schema)(event.model_dump())) == written(schema, event.model_dump())


def test_records_are_named_wherever_a_union_holds_one() -> None:
    """In fields, lists and maps, at the first mention and by name; null stays null, and nothing else is touched."""
    one = {"n": 1}
    value = {"one": one, "again": None, "many": [one, None], "by_name": {"a": one}, "list": [one], "plain": "x"}
    named = ("io.t.Inner", one)
    found = naming(fastavro.parse_schema(OUTER))({**value, "bare": one})
    assert found == {
        "one": named,
        "again": None,
        "many": [named, None],
        "by_name": {"a": named},
        "list": [named],
        "plain": "x",
        "bare": one,
    }


def test_a_value_without_such_a_union_is_given_back_as_it_is() -> None:
    """Nothing is copied."""
    value = {"n": 1}
    assert naming(fastavro.parse_schema(INNER))(value) is value
