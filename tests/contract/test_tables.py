"""One table, two kinds: the fake that handlers are tested on, and RocksDB behind Faust's table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner

from tests.fakes.tables import FakeTable
from workers.adapters.tables.app import table_app
from workers.adapters.tables.state import STALE_SECONDS, ChangelogTable, StateDirectory, TableView
from workers.config import Settings
from workers.domain.partitioning import partition_of

View = Callable[[int], TableView]


@pytest.fixture
def rocks(tmp_path: Path) -> ChangelogTable:
    """A table of an app that never starts: rows go to disk, the changelog's sends stay in the producer's buffer."""

    def failed(error: BaseException) -> None:
        raise error

    app = table_app(Settings(kafka_bootstrap="127.0.0.1:1"), "contract", tmp_path, failed, lambda: None)
    app.finalize()
    return ChangelogTable(app, name="rows", changelog="contract.changelog")


@pytest.fixture(params=["fake", "rocksdb"])
async def view(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[View]:
    """A view of any partition, of either kind."""
    if request.param == "fake":
        partitions: dict[int, TableView] = {}
        yield lambda partition: partitions.setdefault(partition, FakeTable())
    else:
        table: ChangelogTable = request.getfixturevalue("rocks")
        yield table.view
        await table.data.stop()


async def test_what_is_put_is_read_back_at_once(view: View) -> None:
    """Before any changelog has it."""
    rows = view(0)
    assert rows.get(b"key") is None
    rows.put(b"key", b"one")
    rows.put(b"key", b"two")
    assert view(0).get(b"key") == b"two"


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(view: View) -> None:
    """A deletion is idempotent."""
    rows = view(0)
    rows.put(b"key", b"value")
    rows.delete(b"key")
    rows.delete(b"key")
    assert rows.get(b"key") is None
    assert list(rows.scan(b"")) == []


async def test_an_empty_value_is_a_value(view: View) -> None:
    """Only a deletion takes a key away."""
    rows = view(0)
    rows.put(b"key", b"")
    assert rows.get(b"key") == b""
    assert list(rows.scan(b"k")) == [(b"key", b"")]


async def test_a_scan_yields_the_prefix_and_nothing_else_in_the_order_of_keys(view: View) -> None:
    """Neighbours by name and by byte stay out."""
    rows = view(0)
    for key in (b"ab\0p2", b"a\0p2", b"a\0p10", b"a\0i", b"a", b"a\x01", b"\xffz", b"\xff"):
        rows.put(key, b"v" + key)
    assert [key for key, _ in rows.scan(b"a\0")] == [b"a\0i", b"a\0p10", b"a\0p2"]
    assert list(rows.scan(b"\xff")) == [(b"\xff", b"v\xff"), (b"\xffz", b"v\xffz")]
    assert list(rows.scan(b"b")) == []


async def test_a_scan_sees_the_rows_as_they_were_when_it_began(view: View) -> None:
    """Deleting what a scan yields does not disturb it."""
    rows = view(0)
    for number in range(50):
        rows.put(b"k%02d" % number, b"v")
    seen = []
    for key, _ in rows.scan(b"k"):
        seen.append(key)
        rows.delete(key)
        rows.put(b"kz" + key, b"new")
    assert seen == [b"k%02d" % number for number in range(50)]


async def test_partitions_do_not_see_each_other(view: View) -> None:
    """A row belongs to the partition of its event."""
    view(0).put(b"key", b"zero")
    view(1).put(b"key", b"one")
    assert (view(0).get(b"key"), list(view(1).scan(b""))) == (b"zero", [(b"key", b"one")])


async def test_every_change_is_sent_to_the_changelog_of_its_partition(rocks: ChangelogTable) -> None:
    """And its future is handed out once."""
    rows = rocks.view(3)
    rows.put(b"key", b"value")
    rows.delete(b"key")
    sent = [(f.message.partition, f.message.key, f.message.value) for f in rocks.taken()]
    assert sent == [(3, b"key", b"value"), (3, b"key", None)]
    assert rocks.taken() == []


def test_a_state_directory_is_of_one_process_and_taken_over_after_it(tmp_path: Path) -> None:
    """Two at once have two; one after the other have one."""
    with StateDirectory(tmp_path) as one, StateDirectory(tmp_path) as other:
        assert one != other
    with StateDirectory(tmp_path) as again:
        assert again == one


def test_state_that_was_away_for_long_is_not_trusted(tmp_path: Path) -> None:
    """Tombstones that it missed may be gone from the changelog."""
    import os

    with StateDirectory(tmp_path) as path:
        (path / "v1").mkdir()
    with StateDirectory(tmp_path) as path:
        assert (path / "v1").exists()
    old = (path / "lock").stat().st_mtime - STALE_SECONDS - 1
    os.utime(path / "lock", (old, old))
    with StateDirectory(tmp_path) as path:
        assert not (path / "v1").exists()


@pytest.mark.parametrize("key", [b"", b"a", b"creator-7", "crème brûlée".encode(), bytes(range(256))])
def test_outputs_go_to_the_partition_that_java_would_choose(key: bytes) -> None:
    """Faust's own partitioner and ours are one."""
    assert DefaultPartitioner()(key, list(range(12)), None) == partition_of(key, 12)
