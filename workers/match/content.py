"""Content search: pictures and captions asked side by side, their cosines blended, one hit per post. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from workers.domain.queries import Found
from workers.domain.stored import PropertyValue, StoredObject
from workers.domain.vectors import Array

ABSENT = 0.0
"""What a missing picture or caption counts as: on centred vectors the cosine of unrelated things."""


@dataclass(frozen=True, slots=True)
class BestVisual:
    """The visual of a post that is nearest to the query; ``timestamp_ms`` within a video, 0 for a picture."""

    cosine: float
    position: int
    timestamp_ms: int
    url: str
    perceptual_hash: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A post and why it was found. A score is None where the post has no such thing, or it was not asked for."""

    post: Mapping[str, PropertyValue]
    score: float
    caption_score: float | None
    visual: BestVisual | None


def against(query: Array, objects: Iterable[StoredObject], vector: str) -> list[Found]:
    """Stored objects with their cosine to the query (d,); those without this vector are left out."""
    return [
        Found(each, float(np.dot(query, np.asarray(each.vectors[vector], dtype=np.float64))))
        for each in objects
        if vector in each.vectors
    ]


def best_visuals(found: Iterable[Found]) -> dict[str, BestVisual]:
    """The nearest visual of each post; of equals the first in the post."""
    best: dict[str, BestVisual] = {}
    for each in found:
        properties = each.object.properties
        visual = BestVisual(
            each.cosine,
            int(str(properties.get("position", 0))),
            int(str(properties.get("timestamp_ms", 0))),
            picture_url(properties),
            str(properties.get("perceptual_hash") or ""),
        )
        known = best.get(post := str(properties["post_id"]))
        if known is None or _order(visual) < _order(known):
            best[post] = visual
    return best


def picture_url(visual: Mapping[str, PropertyValue]) -> str:
    """Where a visual's medium was when it was embedded (a signed address may have expired since)."""
    return str(visual.get("media_url", ""))


def _order(visual: BestVisual) -> tuple[float, int, int]:
    return (-visual.cosine, visual.position, visual.timestamp_ms)


def blend_hits(
    posts: Mapping[str, Mapping[str, PropertyValue]],
    visuals: Mapping[str, BestVisual],
    captions: Mapping[str, float],
    *,
    blend: float,
    limit: int,
) -> list[Hit]:
    """The best posts by ``(1 - blend) * visual + blend * caption``; equal scores in the order of their ids.

    A removed post, or one whose object is not there (yet), is no hit; nor is one without the only thing asked for.
    """
    hits = []
    for post_id, post in posts.items():
        visual = visuals.get(post_id) if blend < 1.0 else None
        caption = captions.get(post_id) if blend > 0.0 else None
        if post.get("removed") or (visual is None and caption is None):
            continue
        score = (1.0 - blend) * (visual.cosine if visual else ABSENT) + blend * (ABSENT if caption is None else caption)
        hits.append(Hit(post, score, caption, visual))
    hits.sort(key=lambda hit: (-hit.score, str(hit.post["post_id"])))
    return hits[:limit]
