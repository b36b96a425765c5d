"""What holds of every event, whatever its values."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.examples import Example, examples
from workers.domain.avro_schema import avro_schema
from workers.domain.events import Clicked
from workers.domain.parse import invalid_event

SCHEMA = fastavro.parse_schema(avro_schema(Clicked))
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def clicked(at: Any) -> Clicked:
    """A click at a time."""
    return Clicked(event_id="e", brand_id="b", campaign_id="c", creator_id="k", occurred_at=at)


@given(st.datetimes(timezones=OFFSETS, min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)))  # noqa: DTZ001
def test_json_and_avro_keep_the_same_time(at: datetime) -> None:
    """Any time with any offset, to the millisecond, comes back equal through both encodings."""
    event = clicked(at.isoformat())
    assert timedelta(0) <= at - event.occurred_at < timedelta(milliseconds=1)
    assert Clicked.model_validate_json(event.model_dump_json()) == event
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, SCHEMA, event.model_dump())
    stream.seek(0)
    assert Clicked.model_validate(fastavro.schemaless_reader(stream, SCHEMA, None)) == event


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_beyond_the_calendar_is_refused(at: str) -> None:
    """Not with an OverflowError, which would end the process that reads it."""
    with pytest.raises(ValidationError, match="outside the years"):
        clicked(at)


@pytest.mark.parametrize("at", [0, 1777919400, 1777919400.5, True, "1777919400", " 1.7e9 ", "-5"])
def test_a_bare_number_is_no_time(at: Any) -> None:
    """Neither as a number nor as a text: seconds and milliseconds look the same."""
    with pytest.raises(ValidationError, match="not a number"):
        clicked(at)


@pytest.mark.parametrize("at", ["2026-05-04", "2026-05-04T18:30:00"])
def test_a_time_without_an_offset_is_refused(at: str) -> None:
    """Local time means nothing on a topic."""
    with pytest.raises(ValidationError, match="timezone"):
        clicked(at)


def paths_of_floats(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a JSON value holds fractions."""
    if isinstance(value, float):
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths_of_floats(inner, (*path, key))


@pytest.mark.parametrize("example", examples("valid"), ids=str)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_number_of_any_event_may_be_infinite_or_not_a_number(example: Example, bad: float) -> None:
    """From JSON or from Avro: each fraction of each example in turn."""
    for *path, last in paths_of_floats(json.loads(example.data)):
        changed = json.loads(example.data)
        inner = changed
        for step in path:
            inner = inner[step]
        inner[last] = bad
        for validate in (
            lambda data: example.event.model_validate_json(json.dumps(data)),
            example.event.model_validate,
        ):
            with pytest.raises(ValidationError):
                validate(changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.sampled_from(examples("valid")), st.data())
def test_whatever_stands_in_a_field_the_answer_is_an_event_or_its_errors(example: Example, data: st.DataObject) -> None:
    """A field of any JSON value gives a valid event or a refusal that names fields; never another exception."""
    raw = json.loads(example.data)
    raw[data.draw(st.sampled_from(sorted(raw)))] = data.draw(JSON)
    try:
        said = example.event.model_validate_json(json.dumps(raw)).key()
    except ValidationError as error:
        said = invalid_event(error).detail
    assert said


def test_times_are_kept_in_utc() -> None:
    """So that equal times are equal text."""
    assert clicked("2026-05-04T09:00:00-07:00").occurred_at.tzinfo is UTC
