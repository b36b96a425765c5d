"""Questions to a store of vectors, said without any store's own words: conditions, nearness, what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol
from uuid import UUID

from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array

Relation = Literal["equal", "any_of", "none_of", "at_least", "at_most", "not_over"]

NEGATIONS: Final = ("none_of", "not_over")
"""What an object meets by not having the property, too."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One property and what must hold of it; a missing property meets nothing but ``none_of`` and ``not_over``.

    ``any_of`` and ``none_of`` take several texts and read a text or a list of texts; ``at_least``, ``at_most`` and
    ``not_over`` take a number or an aware datetime; ``equal`` takes a text, a whole number or a truth value.
    An object that fails it passes all the same where it meets ``otherwise``, which takes none of the two negations.
    """

    property: str
    relation: Relation
    value: str | bool | int | float | datetime | tuple[str, ...]
    otherwise: Condition | None = None

    def __post_init__(self) -> None:
        if self.otherwise is not None and self.otherwise.relation in NEGATIONS:
            raise ValueError(f"{self.otherwise.relation} cannot be the way out of a condition")


def holds(condition: Condition, properties: Mapping[str, PropertyValue]) -> bool:
    """Whether an object with these properties meets the condition: what every store must agree with."""
    if condition.otherwise is not None and holds(condition.otherwise, properties):
        return True
    value = properties.get(condition.property)
    wanted = condition.value
    if condition.relation in ("any_of", "none_of"):
        has = set(value) if isinstance(value, list) else {value}
        met = not has.isdisjoint(wanted if isinstance(wanted, tuple) else (wanted,))
        return met if condition.relation == "any_of" else not met
    if value is None:
        return condition.relation == "not_over"
    if condition.relation == "equal":
        return value == wanted
    if isinstance(value, datetime) and isinstance(wanted, datetime):
        return value >= wanted if condition.relation == "at_least" else value <= wanted
    if isinstance(value, (int, float)) and isinstance(wanted, (int, float)):
        return value >= wanted if condition.relation == "at_least" else value <= wanted
    raise TypeError(f"{condition.property}: {value!r} and {wanted!r} have no order")


def all_hold(conditions: Iterable[Condition], properties: Mapping[str, PropertyValue]) -> bool:
    """Whether every condition is met."""
    return all(holds(condition, properties) for condition in conditions)


@dataclass(frozen=True, slots=True)
class Found:
    """An object near a vector and their cosine, -1 to 1."""

    object: StoredObject
    cosine: float


class Index(Protocol):
    """What readers ask of the collections of one model version, by plain names (``Facet``).

    Every call may raise ``Unavailable``; an answer holds at most what the store can hold at once (``limit``).
    ``properties``: only these come along, all where it is None; most of an answer's time goes into them.
    """

    async def served_model(self) -> str:
        """The model version whose collections are served: where the alias ``Facet`` points."""

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
        """The objects nearest to a vector among those that meet every condition, nearest first."""

    async def matching(
        self,
        collection: str,
        conditions: Sequence[Condition],
        *,
        limit: int,
        vectors: bool = False,
        properties: Sequence[str] | None = None,
    ) -> list[StoredObject]:
        """Objects that meet every condition, in no order."""

    async def fetch(
        self, collection: str, ids: Sequence[UUID], vectors: bool = False, properties: Sequence[str] | None = None
    ) -> dict[UUID, StoredObject]:
        """The objects of these ids that there are."""

    async def count(self, collection: str, conditions: Sequence[Condition] = ()) -> int:
        """How many objects meet every condition."""

    async def flat_cutoff(self, collection: str) -> int:
        """Under so many objects that meet the conditions, ``near`` compares each of them; above, it may miss some."""
