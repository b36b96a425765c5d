"""Which items go to the handler next."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workers.core.batch import Partition, Queue, Waiting
from workers.wire.records import InRecord, Item, Position


def waiting(
    sequence: int,
    key: Hashable = "k",
    partition: Partition | None = None,
    arrived: float = 0.0,
    *,
    backfill: bool = False,
    since: int = 0,
) -> Waiting:
    """An item that arrived as the ``sequence``-th, in Kafka ``since`` then."""
    record = InRecord(Position("posts", 0, sequence), b"key", b"", (), since)
    item: Item[Any] = Item(None, record)
    return Waiting(item, partition or Partition(("posts", 0)), sequence, arrived, key, backfill=backfill)


def numbers(batch: list[Waiting]) -> list[int]:
    """The sequence numbers of a batch."""
    return [item.sequence for item in batch]


def test_a_full_batch_goes_at_once() -> None:
    """No waiting for a deadline when there is enough."""
    queue = Queue(2, 10.0, exclusive=False)
    queue.put([waiting(1), waiting(2), waiting(3)])
    assert numbers(queue.take(0.0)) == [1, 2]


def test_a_part_of_a_batch_waits_for_its_first_items_deadline() -> None:
    """The deadline runs from the first item's arrival, whatever came before or after."""
    queue = Queue(10, 1.0, exclusive=False)
    queue.put([waiting(1, arrived=100.0), waiting(2, arrived=100.9)])
    assert queue.take(100.5) == []
    assert queue.due(100.5) == 0.5
    assert numbers(queue.take(101.0)) == [1, 2]


def test_a_key_in_flight_waits_and_others_pass() -> None:
    """Items of one key never overlap; items of another key do."""
    queue = Queue(1, 0.0, exclusive=False)
    queue.put([waiting(1, "a"), waiting(2, "a"), waiting(3, "b")])
    first = queue.take(0.0)
    assert numbers(first) == [1]
    assert numbers(queue.take(0.0)) == [3]
    assert queue.take(0.0) == []
    queue.landed(first)
    assert numbers(queue.take(0.0)) == [2]


def test_exclusive_keys_never_share_a_batch() -> None:
    """With a serial key the second of a key waits for the next batch."""
    queue = Queue(10, 0.0, exclusive=True)
    queue.put([waiting(1, "a"), waiting(2, "a"), waiting(3, "b")])
    assert numbers(queue.take(0.0)) == [1, 3]


def test_a_blocked_partition_holds_its_items_and_counts_for_nothing() -> None:
    """The others go on and may fill the memory."""
    queue = Queue(10, 0.0, exclusive=False)
    blocked = Partition(("posts", 1), blocked_until=5.0)
    queue.put([waiting(1, "a", blocked), waiting(2, "b")])
    assert queue.ready(1.0) == 1
    assert numbers(queue.take(1.0)) == [2]
    assert queue.due(1.0) == 4.0
    assert numbers(queue.take(5.0)) == [1]


def test_items_of_lost_partitions_are_forgotten_and_never_come_back() -> None:
    """Neither those that wait nor those that a cancelled batch hands back."""
    queue = Queue(1, 0.0, exclusive=False)
    mine, lost = Partition(("posts", 0)), Partition(("posts", 1))
    queue.put([waiting(1, "a", lost), waiting(2, "b", lost), waiting(3, "c", mine)])
    batch = queue.take(0.0)
    lost.ours = False
    queue.forget()
    queue.landed(batch)
    queue.put(batch)
    assert numbers(queue.take(0.0)) == [3]
    assert len(queue) == 0


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=30),
    st.integers(1, 5),
    st.integers(1, 3),
    st.booleans(),
    st.data(),
)
def test_whatever_happens_each_item_is_settled_once_and_each_key_in_order(
    arrivals: list[tuple[str, bool]], size: int, at_once: int, exclusive: bool, data: st.DataObject
) -> None:
    """Batches overlap, land in any order, and are put back whole or not: no key is ever overtaken."""
    queue = Queue(size, 0.0, exclusive)
    partition = Partition(("posts", 0))
    items = [waiting(number, key, partition) for number, (key, _) in enumerate(arrivals)]
    late = {number for number, (_, again) in enumerate(arrivals) if again}
    in_flight: list[list[Waiting]] = []
    settled: list[Waiting] = []
    queue.put(items)
    while len(settled) < len(items):
        while len(in_flight) < at_once and (batch := queue.take(0.0)):
            assert len(batch) <= size
            keys = [item.key for item in batch]
            assert not exclusive or len(set(keys)) == len(keys)
            assert not {item.key for other in in_flight for item in other} & set(keys)
            in_flight.append(batch)
        batch = in_flight.pop(data.draw(st.integers(0, len(in_flight) - 1)))
        again = [item for item in batch if item.sequence in late]
        again += [item for item in batch if item not in again and item.key in {other.key for other in again}]
        late -= {item.sequence for item in again}
        queue.put(again)
        queue.landed(batch)
        settled += [item for item in batch if item not in again]
    assert len(queue) == 0
    for key in "abcd":
        order = [item.sequence for item in settled if item.key == key]
        assert order == sorted(order)
    assert len({item.sequence for item in settled}) == len(items)
