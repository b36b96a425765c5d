"""What a batch means for each creator: the newest event, and whether an erasure came before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workers.domain.events import CreatorUpdated


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done for one creator: ``erased`` first, if so, then ``event``, if there is one.

    ``index``: where in the batch the event (or the tombstone, without one) stood.
    """

    erased: bool
    event: CreatorUpdated | None
    index: int


def newest_changes(batch: Iterable[tuple[int, str, CreatorUpdated | None]]) -> dict[str, Change]:
    """The change of each creator, from (index, creator_id, event or None for a tombstone) in the topic's order.

    The highest revision counts, of equal ones the last. A tombstone ends all that stood before it: after an erasure a
    creator begins anew, and revisions may be lower.
    """
    changes: dict[str, Change] = {}
    for index, creator_id, event in batch:
        before = changes.get(creator_id)
        if event is None:
            changes[creator_id] = Change(True, None, index)
        elif before is None or before.event is None or event.revision >= before.event.revision:
            changes[creator_id] = Change(before is not None and before.erased, event, index)
    return changes


def is_outdated(event: CreatorUpdated, stored_revision: int | None) -> bool:
    """Whether a newer revision is stored. An equal one is written again: what is missing of it is healed."""
    return stored_revision is not None and event.revision < stored_revision
