"""Which schemas are registered, and under which names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workers.stack.errors import SetupError
from workers.stack.schemas import read_schemas, subject_of


def test_a_subject_is_the_full_name_of_its_record() -> None:
    """A name with a dot is full already, as Avro says."""
    assert subject_of({"name": "PostPublished", "namespace": "streamscout"}) == "streamscout.PostPublished"
    assert subject_of({"name": "a.B", "namespace": "ignored"}) == "a.B"
    assert subject_of({"name": "B"}) == "B"


def test_versions_of_an_event_are_one_subject_in_order(tmp_path: Path) -> None:
    """The tenth comes after the second."""
    for number in (10, 1, 2):
        schema = {"type": "record", "name": "Clicked", "fields": [], "doc": str(number)}
        (tmp_path / f"clicked.v{number}.avsc").write_text(json.dumps(schema))
    (texts,) = read_schemas(tmp_path).values()
    assert [json.loads(text)["doc"] for text in texts] == ["1", "2", "10"]


@pytest.mark.parametrize("text", ["{", "{}"])
def test_a_file_that_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    """The path stands in the message."""
    (tmp_path / "clicked.v1.avsc").write_text(text)
    with pytest.raises(SetupError, match=r"clicked\.v1\.avsc is not an Avro record"):
        read_schemas(tmp_path)
