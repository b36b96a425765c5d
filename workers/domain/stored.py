"""What a vector store keeps, and the port behind which it stands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from workers.domain.vectors import Array

PropertyValue = str | int | float | bool | datetime | list[str]
"""Datetimes are aware. A property without a value is left out: there is no None."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredObject:
    """An object of a collection, always whole. ``vectors``: float32 of shape (d,) by vector name; empty for none."""

    id: UUID
    properties: Mapping[str, PropertyValue]
    vectors: Mapping[str, Array] = field(default_factory=dict)


class Store(Protocol):
    """Where objects live. Collections go by their plain names (``Visual``); every call may raise ``Unavailable``."""

    async def upsert(self, collection: str, objects: Sequence[StoredObject]) -> list[str | None]:
        """Write each object whole, in place of the one that has its id. Each one's own error, or None, in order."""

    async def fetch(self, collection: str, ids: Sequence[UUID], vectors: bool = False) -> dict[UUID, StoredObject]:
        """The objects of these ids that there are; vectors exactly as they were written, where asked for."""

    async def find(
        self, collection: str, field: str, values: Sequence[str], vectors: bool = False
    ) -> dict[UUID, StoredObject]:
        """The objects whose text property is one of these values exactly; vectors where asked for."""

    async def delete(self, collection: str, ids: Sequence[UUID]) -> None:
        """Remove the objects of these ids; those that are not there are gone already."""

    async def delete_where(
        self, collection: str, field: str, value: str, *, at_least: Mapping[str, int] | None = None
    ) -> int:
        """Remove the objects whose text property is ``value`` and whose whole numbers are ``at_least`` so many.

        How many. ``delete_where("Visual", "post_id", "p1", at_least={"position": 3})`` leaves three pictures.
        """


class Listing(Protocol):
    """The collections of the model that serves."""

    def objects(
        self, collection: str, vectors: bool = True, properties: Sequence[str] | None = None
    ) -> AsyncIterator[StoredObject]: ...

    async def count(self, collection: str) -> int: ...


class Fetching(Protocol):
    """Objects by their ids."""

    async def fetch(self, collection: str, ids: Sequence[UUID], vectors: bool = False) -> dict[UUID, StoredObject]: ...
