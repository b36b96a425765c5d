"""Rows on disk and in Kafka: a Faust table that says when its changelog is acknowledged, and a view of one partition.

A row is sent to the changelog, and is on disk once that has it: until then it is ahead, in memory. So the disk never
holds what the changelog lacks, and what a crash leaves is the changelog up to some record: were a deletion on disk
alone, nobody would send it again, and the changelog would bring the row back. The futures of what was sent are
collected (``taken``), so that an event is acknowledged only after them; so the worker's queue bounds what is ahead. The
store is a cache of the changelog: it may be lost at any time.
"""

from __future__ import annotations

import fcntl
import gc
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from heapq import merge
from itertools import takewhile
from pathlib import Path
from typing import IO, Any, Protocol

import faust
from faust.types import TP, EventT, FutureMessage

# A deleted row leaves a tombstone in the changelog for a day (delete.retention.ms): a copy on disk that was away for
# longer would bring the row back.
STALE_SECONDS = 12 * 3600.0

# RocksDB's defaults would take 2 GiB of cache for each table and partition.
ROCKSDB_OPTIONS = {
    "block_cache_size": 32 * 1024**2,
    "block_cache_compressed_size": 4 * 1024**2,
    "write_buffer_size": 8 * 1024**2,
    "target_file_size_base": 16 * 1024**2,
    "max_write_buffer_number": 2,
    "max_open_files": 256,
    "bloom_filter_size": 10,
}


Ahead = dict[bytes, tuple[FutureMessage, bytes | None]]


class TableView(Protocol):
    """The rows of one partition: bytes to bytes. What is put is read back at once, and in the changelog soon."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows whose key begins with ``prefix``, in the order of their keys, as they were when the scan began."""
        ...


class ChangelogTable(faust.Table):  # type: ignore[misc]
    """A Faust table of bytes whose changelog has a name of its own and whose sends can be waited for."""

    def __init__(self, app: faust.App, *, name: str, changelog: str) -> None:
        self._changelog_name = changelog
        self._sent: list[FutureMessage] = []
        self._ahead: dict[int, Ahead] = {}
        raw: Any = bytes
        super().__init__(app, name=name, key_type=raw, value_type=raw, options=dict(ROCKSDB_OPTIONS))

    def _changelog_topic_name(self) -> str:
        return self._changelog_name

    def change(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Send a row, None to delete it. It is ahead of the disk until it is acknowledged."""
        future = self.send_changelog(partition, key, value, value_serializer="raw")
        self._sent.append(future)
        self.ahead(partition)[key] = (future, value)

    def ahead(self, partition: int) -> Ahead:
        """The newest change of each key that the changelog has not acknowledged, with its future."""
        return self._ahead.setdefault(partition, {})

    def taken(self) -> list[FutureMessage]:
        """The futures of all rows sent since the last call."""
        sent, self._sent = self._sent, []
        return sent

    async def landed(self) -> None:
        """Wait until the changelog has acknowledged every change of before the call."""
        for future in [future for ahead in self._ahead.values() for future, _ in ahead.values()]:
            await future

    def behind(self) -> bool:
        """Whether the changelog has yet to acknowledge a change."""
        return any(not future.done() for ahead in self._ahead.values() for future, _ in ahead.values())

    def _on_changelog_sent(self, future: FutureMessage) -> None:
        """Put the row on disk, then remember how much of the changelog the disk holds.

        But never past a record that is not ours: Faust takes any acknowledged offset. Were another writer's record
        before it (a process that woke up after its partition had moved), recovery would start behind that record and
        miss it for ever.
        """
        sent = future.result()
        if sent.topic_partition.partition not in self.data._dbs:
            return
        try:
            self._land(sent.topic_partition.partition, future)
        except BaseException as error:
            # Nobody waits for what a callback raises. The changelog has the row: the next process recovers it.
            self.app._crash(error)
            raise
        held = self.data.persisted_offset(sent.topic_partition)
        if sent.offset == (-1 if held is None else held) + 1:
            self.data.set_persisted_offset(sent.topic_partition, sent.offset)

    def _land(self, partition: int, future: FutureMessage) -> None:
        """In the order of the changelog, each change on disk; it is ahead no more unless a later one of its key is."""
        key, value = future.message.key, future.message.value
        database = self.database(partition)
        if value is None:
            database.delete(key)
        else:
            database.put(key, value)
        ahead = self.ahead(partition)
        if key in ahead and ahead[key][0] is future:
            del ahead[key]

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Put recovered rows on disk, if their partition is still ours.

        Faust hands over what it had read before a partition was revoked too; that would open the partition's store
        again with rows missing.
        """
        ours = self.app.assignor.assigned_actives() | self.app.assignor.assigned_standbys()
        super().apply_changelog_batch([event for event in batch if event.message.tp in ours])

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Forget on disk what another process writes from now on: a stale copy is worth less than a recovery.

        What a process that died had left is not revoked, if its partition has moved meanwhile: an erasure would never
        reach it.
        """
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        for tp in revoked:
            if tp.topic == self._changelog_name:
                self._ahead.pop(tp.partition, None)
        ours = {self.data.partition_path(tp.partition) for tp in assigned if tp.topic == self._changelog_name}
        for path in self.data.path.glob(f"{self.name}-*.db"):
            if path not in ours:
                shutil.rmtree(path, ignore_errors=True)

    def view(self, partition: int) -> PartitionView:
        """The rows of ``partition``, which must be assigned to this process. Not to be kept over a rebalance."""
        return PartitionView(self, partition)

    def database(self, partition: int) -> Any:
        """RocksDB's own object: the only one that can scan by prefix."""
        return self.data._db_for_partition(partition)


class PartitionView:
    """TableView on RocksDB and what is ahead of it. Names the partition itself, which Faust would look up."""

    def __init__(self, table: ChangelogTable, partition: int) -> None:
        self._table, self._partition = table, partition
        self._database, self._ahead = table.database(partition), table.ahead(partition)

    def get(self, key: bytes) -> bytes | None:
        if key in self._ahead:
            return self._ahead[key][1]
        value: bytes | None = self._database.get(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        self._table.change(self._partition, key, value)

    def delete(self, key: bytes) -> None:
        self._table.change(self._partition, key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        ahead = {key: value for key, (_, value) in self._ahead.items() if key.startswith(prefix)}
        newer = sorted((key, value) for key, value in ahead.items() if value is not None)
        yield from merge(newer, (row for row in self._on_disk(prefix) if row[0] not in ahead))

    def _on_disk(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        rows, fausts_own = self._database.iteritems(), self._table.data.offset_key
        rows.seek(prefix)
        return (row for row in takewhile(lambda row: row[0].startswith(prefix), rows) if row[0] != fausts_own)


class StateDirectory:
    """A directory of this process alone under ``root``, ``0``, ``1`` and so on: the first that no living process holds.

    After a crash the next process takes it over and recovers only what its disk lacks.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held = ExitStack()
        self.path = Path()

    def __enter__(self) -> Path:
        number = 0
        while not self._take(self._root / str(number)):
            number += 1
        self._forget_the_abandoned()
        return self.path

    def __exit__(self, *_: object) -> None:
        # RocksDB closes with its last reference; until then its files are its own.
        gc.collect()
        self.touch()
        self._held.close()

    def touch(self) -> None:
        """Say that the state is in use: what was not for ``STALE_SECONDS`` is not trusted again."""
        (self.path / "lock").touch()

    def _forget_the_abandoned(self) -> None:
        """What no process has used for long, none may ever take over: no erasure would reach it."""
        for path in self._root.iterdir():
            if path != self.path and path.name.isdigit() and _is_stale(path) and (lock := _locked(path)) is not None:
                with lock:
                    _clear(path)

    def _take(self, path: Path) -> bool:
        path.mkdir(parents=True, exist_ok=True)
        lock = _locked(path)
        if lock is None:
            return False
        self.path = path
        self._held.callback(lock.close)
        if _is_stale(path):
            _clear(path)
        self.touch()
        return True


def _locked(path: Path) -> IO[str] | None:
    """The lock of a directory that no living process holds: ours until it is closed."""
    lock = (path / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _is_stale(path: Path) -> bool:
    lock = path / "lock"
    return lock.exists() and time.time() - lock.stat().st_mtime > STALE_SECONDS


def _clear(path: Path) -> None:
    for child in path.iterdir():
        if child.is_dir():
            shutil.rmtree(child)
