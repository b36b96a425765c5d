"""What of a creator's change is written at once, and what once they are quiet. Pure.

A changed vector is a delete and an insert in HNSW; a whole object with the byte-identical vector leaves it alone. So a
vector that has hardly moved is written as it is stored, and a facet of which nothing else matters is not written at
all, until the creator is settled: then exact values are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import numpy as np

from workers.domain.filters import SAFETY_PROPERTIES
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array
from workers.indexer.objects import CreatorObjects

TRAILING: Final = frozenset({"share", "posts", "last_at", "creator_revision", "revision", "last_published_at"})
"""Properties of a facet or a bio that may be behind until the creator is settled; all others are what is said."""
_SCORES: Final = frozenset(SAFETY_PROPERTIES.values())
ACTIVITY: Final = timedelta(days=1)
"""How far ``last_published_at`` may be behind on them: it is asked for in days."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Up to which cosine distance from what is stored a vector waits, and up to which change a share and a score.

    ``safety``: of a score that policies filter by. Every post moves the tail of each category a little; a facet's copy
    that had to follow at once would be written with each post of its creator.
    """

    moved: float
    share: float
    safety: float = 0.0


@dataclass(frozen=True, slots=True)
class Published:
    """What is stored of a creator, as it was written. ``facets`` may be there without a ``creator``."""

    facets: Mapping[UUID, StoredObject] = field(default_factory=dict)
    bio: StoredObject | None = None
    creator: StoredObject | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What is written and deleted, and what is stored ``after`` it. ``final``: that is exactly what is said."""

    facets: tuple[StoredObject, ...]
    bio: StoredObject | None
    creator: StoredObject | None
    gone: tuple[UUID, ...]
    bio_gone: bool
    after: Published
    final: bool


def next_step(
    said: CreatorObjects, stored: Published, thresholds: Thresholds, *, exact: bool = False, whole: bool = False
) -> Step:
    """From what is stored to what is said: within the thresholds, or ``exact`` where the creator is settled.

    ``whole``: everything is written, though it may be there: that heals what the store has lost.
    """
    facets = {each.id: _facet(each, stored.facets.get(each.id), thresholds, exact, whole) for each in said.facets}
    bio = None if said.bio is None else _bio(said.bio, stored.bio, thresholds, exact)
    creator = said.creator if exact else _kept(said.creator, stored.creator, thresholds)
    after = Published(facets, bio, creator)

    def news(one: StoredObject | None, before: StoredObject | None) -> StoredObject | None:
        return one if one is not None and (whole or unlike(one, before)) else None

    written = (news(each, stored.facets.get(id_)) for id_, each in facets.items())
    exactly = all(not unlike(each, facets[each.id]) for each in said.facets)
    return Step(
        facets=tuple(each for each in written if each is not None),
        bio=news(bio, stored.bio),
        creator=news(creator, stored.creator),
        gone=tuple(id_ for id_ in stored.facets if id_ not in facets),
        bio_gone=bio is None and stored.bio is not None,
        after=after,
        # Exact is final whatever was said: an event of two facets under one id would be open for ever.
        final=exact or (exactly and not unlike(said.creator, creator) and not (said.bio and unlike(said.bio, bio))),
    )


def may_wait(said: StoredObject, stored: StoredObject, thresholds: Thresholds) -> bool:
    """Whether an object may stay as it is stored until its creator is settled."""
    return not moved(said, stored, thresholds) and not shown_otherwise(said, stored, thresholds)


def moved(said: StoredObject, stored: StoredObject, thresholds: Thresholds) -> bool:
    """Whether a vector is farther from the stored one than may wait, or there is another set of them."""
    if said.vectors.keys() != stored.vectors.keys():
        return True
    return any(distance(vector, stored.vectors[name]) > thresholds.moved for name, vector in said.vectors.items())


def shown_otherwise(said: StoredObject, stored: StoredObject, thresholds: Thresholds) -> bool:
    """Whether a property filters or shows otherwise than it is said: shares and scores by more than may wait, activity
    by a day.

    The numbers and times of ``TRAILING`` besides these may be behind.
    """
    share, before = (float(str(each.properties.get("share", 0.0))) for each in (said, stored))
    if abs(share - before) > thresholds.share:
        return True
    active, known = (each.properties.get("last_published_at") for each in (said, stored))
    if isinstance(active, datetime) and isinstance(known, datetime):
        if abs(active - known) > ACTIVITY:
            return True
    elif active != known:
        return True
    names = (said.properties.keys() | stored.properties.keys()) - TRAILING
    near = {name for name in _SCORES & names if _near(said, stored, name, thresholds.safety)}
    return _differ(names - near, said.properties, stored.properties)


def _near(said: StoredObject, stored: StoredObject, name: str, most: float) -> bool:
    """Whether both have a score, and it changed by no more than may wait: known and unknown are never near."""
    one, other = said.properties.get(name), stored.properties.get(name)
    return isinstance(one, float | int) and isinstance(other, float | int) and abs(one - other) <= most


def distance(one: Array, other: Array) -> float:
    """1 - cos of two vectors (d,) of any length but none; 0 for the same bytes, infinite for two widths."""
    if one.shape != other.shape:
        return float("inf")
    if one.tobytes() == other.tobytes():
        return 0.0
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return 1.0 - float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))


def unlike(one: StoredObject, other: StoredObject | None) -> bool:
    """Whether anything, to the last bit of a vector, is not the same."""
    if other is None or not same_vectors(one, other):
        return True
    return _differ(one.properties.keys() | other.properties.keys(), one.properties, other.properties)


def _facet(
    said: StoredObject, stored: StoredObject | None, thresholds: Thresholds, exact: bool, whole: bool
) -> StoredObject:
    """The facet as it is to be stored now. Which revision it is of says the vector: a kept one is of an older."""
    if exact or stored is None or moved(said, stored, thresholds):
        return said
    if not whole and not shown_otherwise(said, stored, thresholds):
        return stored
    kept = _kept(said, stored, thresholds)
    if not unlike(kept, said):
        return said
    older = stored.properties.get("creator_revision")
    return (
        kept if older is None else StoredObject(said.id, {**kept.properties, "creator_revision": older}, kept.vectors)
    )


def _bio(said: StoredObject, stored: StoredObject | None, thresholds: Thresholds, exact: bool) -> StoredObject:
    """A bio that has changed is written at once; what else its object says is filters' copies, and a revision."""
    if exact or stored is None or not bio_may_wait(said, stored, thresholds):
        return said
    return stored


def bio_may_wait(said: StoredObject, stored: StoredObject, thresholds: Thresholds) -> bool:
    """The same of a bio, whose vector never waits."""
    return same_vectors(said, stored) and not shown_otherwise(said, stored, thresholds)


def _kept(said: StoredObject, stored: StoredObject | None, thresholds: Thresholds) -> StoredObject:
    """What is said, with the stored vector where that has hardly moved."""
    if stored is None or moved(said, stored, thresholds):
        return said
    return StoredObject(said.id, said.properties, stored.vectors)


def same_vectors(one: StoredObject, other: StoredObject) -> bool:
    """To the last bit."""
    if one.vectors.keys() != other.vectors.keys():
        return False
    return all(vector.tobytes() == other.vectors[name].tobytes() for name, vector in one.vectors.items())


def _differ(names: Iterable[str], one: Mapping[str, PropertyValue], other: Mapping[str, PropertyValue]) -> bool:
    return any(_value(one.get(name)) != _value(other.get(name)) for name in names)


def _value(value: PropertyValue | None) -> object:
    """A list of nothing is as good as none: the store does not tell them apart."""
    return None if value == [] else value
