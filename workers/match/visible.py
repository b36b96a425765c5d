"""What may be shown: nothing of an erased creator, from the moment the erasure is acknowledged.

The index and the signals follow a little later, and then the two agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from workers.domain.erasure import Erasures
from workers.domain.events import FeedbackSignalled
from workers.domain.queries import Condition, Found
from workers.domain.stored import StoredObject
from workers.domain.vectors import Array
from workers.match.dead_posts import DeadPost
from workers.match.ports import DeadPosts, Index, Signals


class VisibleIndex:
    """An index without the objects of erased creators. Counts still hold them until they are deleted."""

    def __init__(self, index: Index, erasures: Erasures) -> None:
        self._index, self._erasures = index, erasures

    async def served_model(self) -> str:
        """As the index says."""
        return await self._index.served_model()

    async def near(
        self,
        collection: str,
        vector: Array,
        *,
        limit: int,
        conditions: Sequence[Condition] = (),
        vectors: bool = False,
        properties: Sequence[str] | None = None,
    ) -> list[Found]:
        """The nearest ``limit``, less those of erased creators."""
        found = await self._index.near(
            collection, vector, limit=limit, conditions=conditions, vectors=vectors, properties=_with_owner(properties)
        )
        return [each for each in found if self._shown(each.object)]

    async def matching(
        self,
        collection: str,
        conditions: Sequence[Condition],
        *,
        limit: int,
        vectors: bool = False,
        properties: Sequence[str] | None = None,
    ) -> list[StoredObject]:
        """The same of what meets conditions."""
        found = await self._index.matching(
            collection, conditions, limit=limit, vectors=vectors, properties=_with_owner(properties)
        )
        return [each for each in found if self._shown(each)]

    async def fetch(
        self, collection: str, ids: Sequence[UUID], vectors: bool = False, properties: Sequence[str] | None = None
    ) -> dict[UUID, StoredObject]:
        """The same by id."""
        found = await self._index.fetch(collection, ids, vectors, _with_owner(properties))
        return {key: each for key, each in found.items() if self._shown(each)}

    async def count(self, collection: str, conditions: Sequence[Condition] = ()) -> int:
        """As the index counts."""
        return await self._index.count(collection, conditions)

    async def flat_cutoff(self, collection: str) -> int:
        """As the index says."""
        return await self._index.flat_cutoff(collection)

    def _shown(self, stored: StoredObject) -> bool:
        return not self._erasures.erased(str(stored.properties.get("creator_id", "")))


def _with_owner(properties: Sequence[str] | None) -> Sequence[str] | None:
    """Whose an object is must come along, whatever was asked for: by that it is shown or not."""
    return None if properties is None else tuple(dict.fromkeys((*properties, "creator_id")))


class VisibleSignals:
    """Signals without those of erased creators."""

    def __init__(self, signals: Signals, erasures: Erasures) -> None:
        self._signals, self._erasures = signals, erasures

    def of_brand(self, brand_id: str) -> Mapping[str, FeedbackSignalled]:
        """By creator."""
        return {key: one for key, one in self._signals.of_brand(brand_id).items() if not self._erasures.erased(key)}

    def of_creator(self, creator_id: str) -> Mapping[str, FeedbackSignalled]:
        """By brand."""
        return {} if self._erasures.erased(creator_id) else self._signals.of_creator(creator_id)


class VisibleDeadPosts:
    """Dead posts without those of erased creators."""

    def __init__(self, dead: DeadPosts, erasures: Erasures) -> None:
        self._dead, self._erasures = dead, erasures

    def get(self, post_id: str) -> DeadPost | None:
        """The newest death of a post, and what was done about it."""
        found = self._dead.get(post_id)
        return None if found is not None and self._erasures.erased(found.creator_id) else found
