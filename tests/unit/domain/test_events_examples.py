"""The examples beside the schemas are what the event types say they are."""

from __future__ import annotations

import io
from collections import Counter

import fastavro
import pytest
from pydantic import ValidationError

from tests.examples import FOLDER, Example, examples
from workers.domain.avro_schema import avro_schema, snake_name
from workers.domain.events import EVENT_TYPES, Event
from workers.domain.parse import invalid_event


@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_every_event_has_examples(kind: str) -> None:
    """Two at least of each kind, and no folder of an event that does not exist."""
    counts = Counter(example.event for example in examples(kind))
    assert {event.__name__: counts[event] for event in EVENT_TYPES if counts[event] < 2} == {}
    assert {path.name for path in FOLDER.iterdir()} == {snake_name(event) for event in EVENT_TYPES}


@pytest.mark.parametrize("example", examples("valid"), ids=str)
def test_a_valid_example_comes_back_equal_through_json(example: Example) -> None:
    """JSON in, event, JSON out, the same event."""
    event = example.event.model_validate_json(example.data)
    assert example.event.model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize("example", examples("valid"), ids=str)
def test_a_valid_example_comes_back_equal_through_avro(example: Example) -> None:
    """Event, Avro by the generated schema, the same event."""
    event = example.event.model_validate_json(example.data)
    schema = fastavro.parse_schema(avro_schema(example.event))
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, event.model_dump())
    stream.seek(0)
    assert example.event.model_validate(fastavro.schemaless_reader(stream, schema, None)) == event


@pytest.mark.parametrize("example", examples("invalid"), ids=str)
def test_an_invalid_example_is_refused_with_its_field_named(example: Example) -> None:
    """The reason and the field that the file's name says."""
    with pytest.raises(ValidationError) as refusal:
        example.event.model_validate_json(example.data)
    error = invalid_event(refusal.value)
    reason, field = example.expected
    assert error.reason == reason
    assert field in {each.field for each in error.fields}


@pytest.mark.parametrize("event", EVENT_TYPES, ids=lambda event: event.__name__)
def test_an_event_takes_its_key_from_its_own_fields(event: type[Event]) -> None:
    """No event can be made whose Kafka key is empty."""
    keys = {event.model_validate_json(each.data).key() for each in examples("valid") if each.event is event}
    assert keys
    assert all(keys)
