"""What a topic never takes is known before it is sent.

Kafka refuses batches, not records, and a refused row could be sent again only behind newer rows of its key. So each
size is compared with its topic's limit first, and no batch grows beyond the smallest of these limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from workers.wire.records import Headers, OutputRefused, OutRecord, TopicFacts

if TYPE_CHECKING:
    from workers.adapters.tables.state import TableView

MAX_REQUEST_BYTES: Final = 2 * 1024**2
BATCH_BYTES: Final = 64 * 1024


class Limits:
    """How large a record may be, by its topic's full name."""

    def __init__(self, facts: Mapping[str, TopicFacts]) -> None:
        self._most: dict[str, int] = {}
        self.learn(facts)

    def learn(self, facts: Mapping[str, TopicFacts]) -> None:
        """Limits may be changed while a worker runs."""
        self._most |= {name: min(known.max_message_bytes, MAX_REQUEST_BYTES) for name, known in facts.items()}

    @property
    def batch(self) -> int:
        """How many bytes of records may travel together."""
        return min([BATCH_BYTES, *self._most.values()])

    def check(self, record: OutRecord) -> None:
        """Raise OutputRefused for a record that its topic never takes."""
        self._check(record.topic, record.key, record.value, record.headers)

    def rows(self, table: TableView, changelog: str) -> TableView:
        """The same rows; ``put`` raises OutputRefused for one that the changelog never takes."""
        return _LimitedRows(table, partial(self._check, changelog))

    def _check(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        # As aiokafka counts: with room for what the record's place in its batch takes, some bytes at most.
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, list(headers))
        most = self._most.get(topic, MAX_REQUEST_BYTES)
        if size > most:
            raise OutputRefused(f"{topic}: a record of {size} bytes, and it takes {most}")


class _LimitedRows:
    """TableView that asks before it puts."""

    def __init__(self, table: TableView, check: Callable[[bytes, bytes], None]) -> None:
        self._table, self._check = table, check

    def get(self, key: bytes) -> bytes | None:
        return self._table.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self._check(key, value)
        self._table.put(key, value)

    def delete(self, key: bytes) -> None:
        self._table.delete(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._table.scan(prefix)
