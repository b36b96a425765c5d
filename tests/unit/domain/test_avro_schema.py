"""The Avro schemas are the event types, and what was ever written stays readable."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.read import SchemaResolutionError
from fastavro.utils import generate_many

from tests.examples import examples
from workers.domain.avro_schema import avro_schema, same_form, schema_files, snake_name, write_schemas
from workers.domain.events import EVENT_TYPES, CreatorUpdated, Event, PostPublished, Record

FOLDER = Path(__file__).parents[3] / "schemas"
each_event = pytest.mark.parametrize("event", EVENT_TYPES, ids=lambda event: event.__name__)


def read_as(old: dict[str, Any], new: dict[str, Any], value: Any) -> Any:
    """``value`` written with the old schema, read with the new one."""
    writer, reader = (fastavro.parse_schema(copy.deepcopy(schema)) for schema in (old, new))
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, writer, value)
    stream.seek(0)
    return fastavro.schemaless_reader(stream, writer, reader)


def compatible(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a reader of the new schema reads what a writer of the old one wrote, whatever it was."""
    try:
        for value in generate_many(fastavro.parse_schema(copy.deepcopy(old)), 20):
            read_as(old, new, value)
    except SchemaResolutionError:
        return False
    return True


@each_event
def test_the_newest_file_is_what_the_event_type_generates(event: type[Event]) -> None:
    """No drift: `python -m workers.domain.avro_schema` has nothing to write."""
    files = schema_files(FOLDER, event)
    assert [path.name for path in files] == [f"{snake_name(event)}.v{n}.avsc" for n in range(1, len(files) + 1)]
    assert json.loads(files[-1].read_text()) == avro_schema(event)


def test_no_schema_is_left_of_an_event_that_is_gone() -> None:
    """Every file belongs to an event."""
    ours = {path for event in EVENT_TYPES for path in schema_files(FOLDER, event)}
    assert set(FOLDER.glob("*.avsc")) == ours


@each_event
def test_what_any_earlier_version_wrote_is_readable(event: type[Event]) -> None:
    """Every version on file against the newest, by Avro's own resolution, with generated values."""
    versions = [json.loads(path.read_text()) for path in schema_files(FOLDER, event)]
    assert all(compatible(old, versions[-1]) for old in versions)


@each_event
def test_examples_written_by_any_earlier_version_are_still_events(event: type[Event]) -> None:
    """Data of the examples, as far as the earlier version had its fields, gives a valid event today."""
    versions = [json.loads(path.read_text()) for path in schema_files(FOLDER, event)]
    for example in (each for each in examples("valid") if each.event is event):
        whole = event.model_validate_json(example.data)
        for old in versions:
            event.model_validate(read_as(old, versions[-1], whole.model_dump()))


def without(schema: dict[str, Any], field: str) -> dict[str, Any]:
    """The schema before a field was added."""
    return {**schema, "fields": [each for each in schema["fields"] if each["name"] != field]}


def test_a_new_field_with_a_default_keeps_old_records_readable() -> None:
    """And the default fills it."""
    new = avro_schema(PostPublished)
    old = without(new, "hashtags")
    assert compatible(old, new)
    event = PostPublished.model_validate_json(examples("valid")[0].data)
    read = PostPublished.model_validate(read_as(old, new, event.model_dump()))
    assert read == event.model_copy(update={"hashtags": ()})


def test_a_new_field_without_a_default_is_found_to_break_old_records() -> None:
    """What the compatibility test is there to catch."""
    new = avro_schema(PostPublished)
    assert not compatible(without(new, "platform"), new)


def test_a_field_that_changes_its_type_is_found_to_break_old_records() -> None:
    """A revision that was a text can never be read as a number."""
    new = avro_schema(PostPublished)
    old = copy.deepcopy(new)
    next(field for field in old["fields"] if field["name"] == "revision")["type"] = "string"
    assert not compatible(old, new)


@each_event
def test_every_field_that_may_be_left_out_has_a_default_in_avro(event: type[Event]) -> None:
    """So that adding such a field never breaks a reader, nor leaving it out a writer."""
    defaults = {field["name"] for field in avro_schema(event)["fields"] if "default" in field}
    assert defaults == {name for name, field in event.model_fields.items() if not field.is_required()}


def test_a_record_used_twice_is_defined_once() -> None:
    """Avro refuses a second definition of a name."""

    class Inner(Record):
        """A part."""

        size: int

    class Outer(Event):
        """A whole."""

        key_field = "first"
        first: Inner
        second: Inner | None = None

    fields = avro_schema(Outer)["fields"]
    assert fields[0]["type"]["name"] == "Inner"
    assert fields[1]["type"] == ["null", "io.streamscout.Inner"]
    fastavro.parse_schema(avro_schema(Outer))


@pytest.mark.parametrize("annotation", [int | str, set[str], dict[int, str], tuple[int, int], Any, complex])
def test_a_field_type_without_an_avro_form_is_refused(annotation: Any) -> None:
    """With its name, when schemas are generated; never quietly as something else."""
    odd = type(
        "Odd",
        (Event,),
        {
            "__annotations__": {"field": annotation},
            "key_field": "field",
            "model_config": {"arbitrary_types_allowed": True},
        },
    )
    with pytest.raises(TypeError, match="no Avro form"):
        avro_schema(odd)


def test_a_default_of_an_optional_field_that_is_not_null_is_refused() -> None:
    """Avro takes a union's default from its first branch."""

    class Odd(Event):
        """Odd."""

        key_field = "field"
        field: str | None = "x"

    with pytest.raises(TypeError, match="default"):
        avro_schema(Odd)


def test_writing_schemas_twice_writes_nothing_the_second_time(tmp_path: Path) -> None:
    """And the first time one file per event."""
    assert len(write_schemas(tmp_path)) == len(EVENT_TYPES)
    assert write_schemas(tmp_path) == []


def test_a_changed_event_becomes_the_next_version_and_the_old_file_stays(tmp_path: Path) -> None:
    """Records written with the old one stay on Kafka."""
    write_schemas(tmp_path)
    first = tmp_path / "creator_updated.v1.avsc"
    old = without(avro_schema(CreatorUpdated), "safety")
    first.write_text(json.dumps(old))
    assert [path.name for path in write_schemas(tmp_path)] == ["creator_updated.v2.avsc"]
    assert json.loads(first.read_text()) == old


def test_an_event_whose_words_change_keeps_its_version(tmp_path: Path) -> None:
    """Documentation is no part of the form of a schema; nor is amending a version that no release wrote a new one."""
    write_schemas(tmp_path)
    first = tmp_path / "creator_updated.v1.avsc"
    first.write_text(json.dumps({**avro_schema(CreatorUpdated), "doc": "In other words."}))
    assert write_schemas(tmp_path) == [first]
    first.write_text(json.dumps(without(avro_schema(CreatorUpdated), "safety")))
    assert write_schemas(tmp_path, amend=True) == [first]


def test_schemas_that_differ_in_their_words_only_have_the_same_form() -> None:
    """And no others."""
    schema = avro_schema(PostPublished)
    assert same_form(schema, {**schema, "doc": "x"})
    assert not same_form(schema, without(schema, "caption"))
