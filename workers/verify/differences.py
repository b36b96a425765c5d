"""What is not as it must be, and how two objects are told apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import numpy as np

from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array

What = Literal["missing", "extra", "stale", "drifted"]
"""Missing: not there. Extra: there, and nothing stands behind it. Stale: of an older revision. Drifted: changed."""
Kind = Literal["post", "visual", "row", "update", "facet", "creator", "bio", "fact", "signal", "safety"]
TOLERANCE: Final = 1e-3
"""How far a number of a vector may be from what it must be."""

UPSTREAM: Final[dict[Kind, tuple[str, ...]]] = {
    "post": ("embedder", "creators"),
    "visual": ("embedder",),
    "row": ("embedder", "creators"),
    "update": ("creators",),
    "facet": ("indexer",),
    "creator": ("indexer",),
    "bio": ("indexer",),
    "fact": ("outcomes",),
    "signal": ("outcomes",),
    "safety": ("embedder",),
}
"""Whose unread events may still change a thing of this kind."""
COLLECTION: Final[dict[Kind, str]] = {
    "post": "Post",
    "visual": "Visual",
    "facet": "Facet",
    "creator": "Creator",
    "bio": "Bio",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it must be. ``key`` decides its partition: the creator, or a signal's brand.

    ``id``: of an object its uuid, of a row ``creator_id/post_id``, of an update the creator, of a signal
    and of the facts of an erased creator ``brand_id|creator_id``; of safety scores their post's.
    ``post_id``: of a post, visual, row or scores.
    """

    what: What
    kind: Kind
    id: str
    key: str
    detail: str
    post_id: str = ""
    waits: bool = False


def unlike(expected: StoredObject, found: StoredObject) -> list[str]:
    """In what an object is not the one expected, each in a few words; empty where they are the same."""
    wrong = list(unlike_properties(expected.properties, found.properties))
    wrong += [
        f"{name}: not expected"
        for name in sorted(found.properties.keys() - expected.properties.keys())
        if found.properties[name] != []
    ]
    return wrong + list(unlike_vectors(expected.vectors, found.vectors))


def unlike_properties(expected: Mapping[str, PropertyValue], found: Mapping[str, PropertyValue]) -> Iterator[str]:
    """The expected properties that are missing or say something else. A list of nothing is as good as none."""
    for name, value in sorted(expected.items()):
        has = found.get(name)
        if has is None and value != []:
            yield f"{name}: missing"
        elif has is not None and not _same(value, has):
            yield f"{name}: {_shown(has)} instead of {_shown(value)}"


def unlike_vectors(expected: Mapping[str, Array], found: Mapping[str, Array]) -> Iterator[str]:
    """Vectors (d,) by name that are missing, not expected, or farther off than ``TOLERANCE``."""
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"vector {name}: missing"
        elif name not in expected:
            yield f"vector {name}: not expected"
        elif (distance := farthest(expected[name], found[name])) > TOLERANCE:
            yield f"vector {name}: off by {distance:.3g}"


def farthest(one: Array, other: Array) -> float:
    """The greatest difference of two vectors' numbers; infinite for two widths, or where one is not a number."""
    if one.shape != other.shape:
        return float("inf")
    distance = float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max(initial=0.0))
    return distance if np.isfinite(distance) else float("inf")


def _same(one: PropertyValue, other: PropertyValue) -> bool:
    if isinstance(one, bool | str | datetime | list) or isinstance(other, bool | str | datetime | list):
        return one == other
    # Weaviate keeps whole numbers as doubles.
    return float(one) == float(other)


def _shown(value: PropertyValue) -> str:
    text = value.isoformat() if isinstance(value, datetime) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
