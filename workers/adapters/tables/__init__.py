"""Keyed state by Faust: rows in RocksDB, kept in Kafka's changelogs. The interface for creators and outcomes.

A worker's ``main.py`` does::

    handler = Outcomes(...)                                  # handle(item, table) -> list[OutRecord] | Dead; forget()
    facts = topic_facts(settings, "outcomes", TOPICS)        # adapters.kafka: every topic's id and partitions
    return KeyedWorker(settings, "outcomes", TOPICS, ACCEPTED, handler=handler, wire=wire, facts=facts).run()

What the handler can rely on:

- One event at a time, each already decoded, of an accepted type, under its own key and on its own partition (else it
  went to ``<name>.rekeyed`` once, or to ``<name>.dead``).
- ``table`` (``get``, ``put``, ``delete``, ``scan(prefix)``; bytes to bytes) holds the rows of that partition. Equal
  partition counts and Java's partitioner make it hold every row of the event's key. What is put is read back at once.
- The event is acknowledged, in order, only once all its rows are in the changelog and all its outputs are written.
  So it may come again, and then finds some or all of its rows there already: write them again with the value they have,
  and return the outputs again (law 8).
- ``forget()`` is called whenever partitions move, before the next event: caches computed from rows are void.
- A returned ``Dead`` is written to ``<name>.dead``. ``Unavailable`` (the registry, say) makes the event come again
  after a pause. Any other exception ends the process with exit code 4, uncommitted; so do a send that fails, a crash
  inside Faust, a group that has forgotten this member while events are in flight, and a drain that takes longer than
  ``shutdown_seconds``. Nothing is written while membership of the group is in doubt.

The group is ``<namespace>.<name>``, the changelog ``<name>.changelog``; the topics and the changelog are in
``schemas/topics.yaml`` and exist before the start. State lies under ``<data_dir>/faust/<group>/<n>``, one directory a
process, taken over by the next after a crash.
"""

from __future__ import annotations

from workers.adapters.tables.routing import KeyedHandler
from workers.adapters.tables.state import PartitionView, TableView
from workers.adapters.tables.worker import KeyedWorker

__all__ = ["KeyedHandler", "KeyedWorker", "PartitionView", "TableView"]
