"""A table in memory, for tests of handlers; ``tests/contract/test_tables.py`` holds it to what RocksDB does."""

from __future__ import annotations

from collections.abc import Iterator


class FakeTable:
    """The rows of one partition; ``written`` is every change in order, None for a deletion, as the changelog has it."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.written: list[tuple[bytes, bytes | None]] = []

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.rows[key] = value
        self.written.append((key, value))

    def delete(self, key: bytes) -> None:
        self.rows.pop(key, None)
        self.written.append((key, None))

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield from [(key, value) for key, value in sorted(self.rows.items()) if key.startswith(prefix)]
