"""stack.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workers.config import load_settings
from workers.stack.errors import StackError
from workers.stack.record import Record, Server, StackFiles


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Round trip, the folder made on the way."""
    files = StackFiles(tmp_path / "new")
    addresses = {"kafka_bootstrap": "127.0.0.1:1"}
    server = Server(version="4.3.1", fingerprint="x", ports={"broker": 1}, addresses=addresses, pid=7, started="x")
    record = Record(addresses=addresses, servers={"kafka": server})
    files.save(record)
    assert files.load() == record
    assert sorted(path.name for path in files.root.iterdir()) == ["stack.json"]


def test_no_file_is_an_empty_record(tmp_path: Path) -> None:
    """Before the first `up`."""
    assert StackFiles(tmp_path).load() == Record()


@pytest.mark.parametrize("text", ["", "[]", '{"servers": {"kafka": {}}}'])
def test_a_file_that_is_not_ours_is_named(tmp_path: Path, text: str) -> None:
    """With what to do."""
    (tmp_path / "stack.json").write_text(text)
    with pytest.raises(StackError, match=r"stack\.json cannot be read .*remove it"):
        StackFiles(tmp_path).load()


def test_the_settings_find_the_addresses_in_it(tmp_path: Path) -> None:
    """The file's shape is the one that the settings read."""
    StackFiles(tmp_path).save(Record(addresses={"triton_url": "http://127.0.0.1:9"}))
    assert load_settings(data_dir=tmp_path).triton_url == "http://127.0.0.1:9"
    assert set(json.loads((tmp_path / "stack.json").read_text())) == {"addresses", "servers"}
