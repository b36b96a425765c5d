"""Who shows the same picture, and who was first: asked when it is wanted, for it is known of all creators only there.

The nearest visuals by vector are candidates, their perceptual hashes say whether they are the same picture. The order
is that of the creators' fold: (published_at, post_id), never that of arrival.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from workers.domain.perceptual import alike, looks_of
from workers.domain.queries import Index
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array
from workers.match.content import Hit

MOST_ASKED = 24
"""Visuals of one post whose copies are looked for: the first of them."""
NEAREST, MOST_NEAREST = 100, 1600
_LAST = datetime.max.replace(tzinfo=UTC)

Properties = Mapping[str, PropertyValue]
Order = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Another post that shows some of the same: its visual's properties, and how many of the visuals asked for."""

    visual: Properties
    visuals: int


@dataclass(frozen=True, slots=True)
class Copies:
    """``first``: whether the post came before all ``duplicates`` (earliest first); None where nothing can tell."""

    first: bool | None
    duplicates: list[Duplicate]


NOT_COMPARED = Copies(None, [])


def order_of(properties: Properties) -> Order:
    """Where a post, or its visual, stands among all; what has no date stands last."""
    at = properties.get("published_at")
    return (at if isinstance(at, datetime) else _LAST, str(properties["post_id"]))


async def copies_of(index: Index, visuals: Sequence[StoredObject]) -> Copies:
    """Of a post by its visuals, with vectors. Plain ones, and those of before there were hashes, are like nothing."""
    asked = [each for each in visuals if each.properties.get("perceptual_hash") and "visual" in each.vectors]
    if not asked:
        return NOT_COMPARED
    found = await asyncio.gather(*(_same(index, each) for each in asked[:MOST_ASKED]))
    counts: dict[str, int] = {}
    shown: dict[str, Properties] = {}
    own = order_of(asked[0].properties)
    for same in found:
        for post_id, properties in same.items():
            if post_id != own[1]:
                counts[post_id] = counts.get(post_id, 0) + 1
                shown[post_id] = properties
    duplicates = [Duplicate(each, counts[str(each["post_id"])]) for each in sorted(shown.values(), key=order_of)]
    return Copies(all(own < order_of(each.visual) for each in duplicates), duplicates)


async def _same(index: Index, visual: StoredObject) -> dict[str, Properties]:
    """Posts that show this picture, by id. Deeper while the farther half of what was found still has copies in it."""
    look = looks_of([str(visual.properties["perceptual_hash"])])
    fetched = NEAREST
    while True:
        found = await index.near("Visual", visual.vectors["visual"], limit=fetched)
        same = [_alike(each.object.properties, look) for each in found]
        if len(found) < fetched or fetched >= MOST_NEAREST or not any(same[fetched // 2 :]):
            pairs = zip(found, same, strict=True)
            return {
                str(each.object.properties["post_id"]): each.object.properties for each, is_same in pairs if is_same
            }
        fetched *= 4


def _alike(properties: Properties, look: Array) -> bool:
    own = looks_of([str(properties.get("perceptual_hash") or "")])
    return bool(alike(own, look).any())


def originals(hits: Iterable[Hit]) -> dict[str, str]:
    """Of hits whose nearest visual another hit showed before, that hit's post: by post id. Each names the first."""
    ordered = sorted(hits, key=lambda hit: order_of(hit.post))
    firsts: list[tuple[str, str]] = []
    found: dict[str, str] = {}
    for hit in ordered:
        if hit.visual is None or not hit.visual.perceptual_hash:
            continue
        post_id, look = str(hit.post["post_id"]), looks_of([hit.visual.perceptual_hash])
        original = next((post for post, other in firsts if alike(look, looks_of([other])).any()), None)
        if original is None:
            firsts.append((post_id, hit.visual.perceptual_hash))
        else:
            found[post_id] = original
    return found
