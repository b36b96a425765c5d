"""One table, two kinds: the fake that handlers are tested on, and RocksDB behind Faust's table."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiokafka.partitioner import DefaultPartitioner
from faust.types import TP, FutureMessage
from faust.types.tuples import RecordMetadata
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.tables import FakeTable
from workers.adapters.tables.app import table_app
from workers.adapters.tables.state import STALE_SECONDS, ChangelogTable, StateDirectory, TableView
from workers.config import Settings
from workers.domain.partitioning import partition_of

View = Callable[[int], TableView]


def table_in(directory: Path) -> ChangelogTable:
    """A table of an app that never starts: the changelog's sends stay in the producer's buffer."""

    def failed(error: BaseException) -> None:
        raise error

    app = table_app(Settings(kafka_bootstrap="127.0.0.1:1"), "contract", directory, failed, lambda: None)
    app.finalize()
    return ChangelogTable(app, name="rows", changelog="contract.changelog")


@pytest.fixture
def rocks(tmp_path: Path) -> ChangelogTable:
    """A table on an empty disk."""
    return table_in(tmp_path)


class Changelog:
    """The changelog of a table: acknowledges what was sent, in order, as Faust's producer tells it."""

    def __init__(self, table: ChangelogTable) -> None:
        self.table = table
        self.waiting: list[FutureMessage] = []
        self.ends: Counter[int] = Counter()

    def acknowledge(self, most: int = 10**9) -> list[tuple[bytes, bytes | None]]:
        """The oldest changes that wait, which from now on the changelog has."""
        self.waiting += self.table.taken()
        landed, self.waiting = self.waiting[:most], self.waiting[most:]
        for future in landed:
            partition = future.message.partition
            future.set_result(RecordMetadata("rows", partition, TP("rows", partition), self.ends[partition]))
            self.ends[partition] += 1
            self.table._on_changelog_sent(future)
        return [(future.message.key, future.message.value) for future in landed]


class Acknowledged:
    """A view whose every change is acknowledged at once, and so on disk."""

    def __init__(self, changelog: Changelog, partition: int) -> None:
        self._changelog, self._view = changelog, changelog.table.view(partition)
        self.get, self.scan = self._view.get, self._view.scan

    def put(self, key: bytes, value: bytes) -> None:
        """And acknowledge it."""
        self._view.put(key, value)
        self._changelog.acknowledge()

    def delete(self, key: bytes) -> None:
        """And acknowledge it."""
        self._view.delete(key)
        self._changelog.acknowledge()


@pytest.fixture(params=["fake", "rocksdb, ahead of the disk", "rocksdb, on disk"])
async def view(request: pytest.FixtureRequest) -> AsyncIterator[View]:
    """A view of any partition, of either kind."""
    if request.param == "fake":
        partitions: dict[int, TableView] = {}
        yield lambda partition: partitions.setdefault(partition, FakeTable())
        return
    table: ChangelogTable = request.getfixturevalue("rocks")
    changelog = Changelog(table)
    yield table.view if "ahead" in request.param else lambda partition: Acknowledged(changelog, partition)
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


KEYS = (b"a", b"a\0p1", b"a\0p2", b"a\0p3", b"b", b"b\0p1")
STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(KEYS), st.binary(max_size=2)),
    st.tuples(st.just("delete"), st.sampled_from(KEYS), st.none()),
    st.tuples(st.just("acknowledge"), st.just(b""), st.integers(1, 3)),
)


async def test_however_far_the_changelog_is_behind_the_rows_are_what_was_put_and_the_disk_is_what_it_has(
    rocks: ChangelogTable,
) -> None:
    """A crash leaves on disk what is acknowledged, in order, and nothing else. Each example has keys of its own."""
    changelog, numbers = Changelog(rocks), count()

    @given(st.lists(STEPS, max_size=25))
    def plays(steps: list[tuple[str, bytes, Any]]) -> None:
        own = b"%d\0" % next(numbers)
        view, fake, left = rocks.view(0), FakeTable(), FakeTable()
        for step, key, value in steps:
            if step == "put":
                view.put(own + key, value)
                fake.put(own + key, value)
            elif step == "delete":
                view.delete(own + key)
                fake.delete(own + key)
            else:
                for landed, row in changelog.acknowledge(value):
                    left.delete(landed) if row is None else left.put(landed, row)
            for prefix in (b"", b"a", b"a\0", b"b", b"b\0p1"):
                assert list(view.scan(own + prefix)) == list(fake.scan(own + prefix))
            for each in KEYS:
                assert view.get(own + each) == fake.get(own + each)
                assert rocks.database(0).get(own + each) == left.get(own + each)
            end = rocks.data.persisted_offset(TP("rows", 0))
            assert (-1 if end is None else end) == changelog.ends[0] - 1
        changelog.acknowledge()
        assert not rocks.ahead(0)

    plays()
    await rocks.data.stop()


async def test_what_a_crash_leaves_on_disk_the_next_process_finds(tmp_path: Path) -> None:
    """What was not acknowledged is not there, a deletion neither: whoever reads its event again deletes again."""
    rocks = table_in(tmp_path)
    changelog, view = Changelog(rocks), rocks.view(0)
    view.put(b"deleted", b"1")
    view.put(b"kept", b"2")
    changelog.acknowledge()
    view.delete(b"deleted")
    view.put(b"late", b"3")
    assert list(view.scan(b"")) == [(b"kept", b"2"), (b"late", b"3")]
    await rocks.data.stop()
    del rocks, changelog, view
    gc.collect()
    again = table_in(tmp_path)
    assert list(again.view(0).scan(b"")) == [(b"deleted", b"1"), (b"kept", b"2")]
    await again.data.stop()


async def test_a_partition_is_given_away_once_all_its_changes_are_acknowledged(rocks: ChangelogTable) -> None:
    """Whoever writes them: ``landed`` is what the worker waits for."""
    changelog = Changelog(rocks)
    rocks.view(0).put(b"one", b"1")
    rocks.view(1).delete(b"two")
    waiting = asyncio.ensure_future(rocks.landed())
    changelog.acknowledge(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    assert rocks.behind()
    changelog.acknowledge()
    await waiting
    assert not rocks.behind()
    await rocks.landed()
    await rocks.data.stop()


async def test_what_is_acknowledged_after_its_partition_was_revoked_touches_no_row(rocks: ChangelogTable) -> None:
    """Another process writes them by then, and what was ahead here is nothing that its rows have."""
    changelog, tp = Changelog(rocks), TP("contract.changelog", 0)
    rocks.view(0).put(b"key", b"value")
    path = rocks.data.partition_path(0)
    await rocks.on_rebalance(set(), {tp}, set())
    changelog.acknowledge()
    assert not path.exists()
    assert rocks.view(0).get(b"key") is None
    await rocks.data.stop()


async def test_what_a_dead_process_left_of_a_partition_that_has_moved_is_deleted(rocks: ChangelogTable) -> None:
    """Nobody revokes it: an erasure would reach the partition's owner alone. What is ours is kept."""
    changelog = Changelog(rocks)
    for partition in (0, 1):
        rocks.view(partition).put(b"key", b"value")
    changelog.acknowledge()
    left, kept = (rocks.data.partition_path(partition) for partition in (0, 1))
    await rocks.on_rebalance({TP("embeddings", 0), TP("contract.changelog", 1)}, set(), set())
    assert (left.exists(), kept.exists()) == (False, True)
    assert rocks.view(1).get(b"key") == b"value"
    await rocks.data.stop()


async def test_a_disk_that_takes_no_row_ends_the_process(rocks: ChangelogTable, monkeypatch: Any) -> None:
    """Nobody waits for what a callback raises; and the disk does not claim to hold the row."""
    changelog = Changelog(rocks)
    rocks.view(0).put(b"key", b"value")

    class Full:
        def put(self, *_: bytes) -> None:
            raise OSError("no space left on device")

    monkeypatch.setattr(rocks, "database", lambda _: Full())
    with pytest.raises(OSError, match="no space"):
        changelog.acknowledge()
    monkeypatch.undo()
    assert isinstance(rocks.app.crash_reason, OSError)
    assert rocks.data.persisted_offset(TP("rows", 0)) is None
    await rocks.data.stop()


def test_a_state_directory_is_of_one_process_and_taken_over_after_it(tmp_path: Path) -> None:
    """Two at once have two; one after the other have one."""
    with StateDirectory(tmp_path) as one, StateDirectory(tmp_path) as other:
        assert one != other
    with StateDirectory(tmp_path) as again:
        assert again == one


def test_state_that_was_away_for_long_is_not_trusted(tmp_path: Path) -> None:
    """Tombstones that it missed may be gone from the changelog."""
    with StateDirectory(tmp_path) as path:
        (path / "v1").mkdir()
    with StateDirectory(tmp_path) as path:
        assert (path / "v1").exists()
    old = (path / "lock").stat().st_mtime - STALE_SECONDS - 1
    os.utime(path / "lock", (old, old))
    with StateDirectory(tmp_path) as path:
        assert not (path / "v1").exists()


def test_state_that_no_process_has_used_for_long_is_deleted_by_the_next_one(tmp_path: Path) -> None:
    """Of fewer processes than there were before, none takes it over: what was erased meanwhile would stay in it."""
    with StateDirectory(tmp_path), StateDirectory(tmp_path) as path, StateDirectory(tmp_path) as recent:
        for each in (path, recent):
            (each / "v1").mkdir()
    old = (path / "lock").stat().st_mtime - STALE_SECONDS - 1
    os.utime(path / "lock", (old, old))
    with StateDirectory(tmp_path):
        assert not (path / "v1").exists()
        assert (recent / "v1").exists()


@pytest.mark.parametrize("key", [b"", b"a", b"creator-7", "crème brûlée".encode(), bytes(range(256))])
def test_outputs_go_to_the_partition_that_java_would_choose(key: bytes) -> None:
    """Faust's own partitioner and ours are one."""
    assert DefaultPartitioner()(key, list(range(12)), None) == partition_of(key, 12)
