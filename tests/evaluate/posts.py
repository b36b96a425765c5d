"""A world's posts through the workers' own code: events, rows, folds, published creators. No step is written anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from tests.evaluate.world import World
from workers.config import Settings
from workers.creators.facets import FoldSettings
from workers.creators.fold import Fold, Rows, fold_rows, window_start
from workers.creators.rows import PostRow, post_row
from workers.creators.updates import creator_updated
from workers.domain.events import CreatorUpdated, PostEmbedded
from workers.domain.perceptual import HASH_BYTES
from workers.domain.vectors import Array, centre, to_bytes, unit
from workers.indexer.objects import creator_objects

MODEL = "simulated"


def default_settings(dimensions: int) -> FoldSettings:
    """The constants that ship, whatever the environment says."""
    fields = {name: field.default for name, field in Settings.model_fields.items()}
    return FoldSettings(
        model_version=MODEL,
        dimensions=dimensions,
        facets=fields["fold_facets"],
        join=fields["fold_join"],
        half_life_days=fields["fold_half_life_days"],
        window=fields["fold_window"],
        caption_weight=fields["fold_caption"],
        landmark=fields["landmark"],
        duplicate_weight=fields["fold_duplicate"],
    )


def creator_id(index: int) -> str:
    """As ids sort, so do creators."""
    return f"c{index:05d}"


def uncentred(world: World) -> World:
    """The same world as if nobody had taken the means off."""
    return replace(world, means={kind: np.zeros_like(mean) for kind, mean in world.means.items()})


def queries_of(world: World) -> Array:
    """The briefs' vectors as the match has them, (B, d)."""
    return centre(world.briefs.query, world.means["query"])


def rows_of(world: World, caption_weight: float) -> list[Rows]:
    """Each creator's rows, as the creators worker writes them for what the embedder says."""
    posts = world.posts
    pictures = centre(posts.picture, world.means["picture"])
    captions = centre(posts.caption, world.means["caption"])
    by_creator: list[dict[str, PostRow]] = [{} for _ in range(world.shape.creators)]
    for index, owner in enumerate(posts.creator):
        event = PostEmbedded(
            post_id=f"p{index:07d}",
            creator_id=creator_id(int(owner)),
            revision=1,
            published_at=datetime.fromtimestamp(int(posts.published_ms[index]) / 1000, UTC),
            model_version=MODEL,
            visual=to_bytes(pictures[index]) if posts.shows[index] else None,
            caption=to_bytes(captions[index]) if posts.says[index] else None,
            event_hash="0" * 64,
            visual_hashes=(_look(int(posts.look[index])),) if posts.shows[index] else (),
        )
        by_creator[int(owner)][event.post_id] = post_row(event, caption_weight, world.shape.dimensions)
    return [Rows(rows) for rows in by_creator]


def _look(number: int) -> str:
    """A perceptual hash that no other picture is like: of digits drawn at random about half differ."""
    return hashlib.shake_256(str(number).encode()).hexdigest(HASH_BYTES - 1) + "00"


def folds_of(rows: list[Rows], settings: FoldSettings) -> list[Fold]:
    """Every creator folded."""
    return [fold_rows(creator_id(index), each, settings) for index, each in enumerate(rows)]


@dataclass(frozen=True, eq=False)
class Searchable:
    """The facets that the index holds, one creator's after the other's: ``starts`` (C + 1,), ``vectors`` (F, d)."""

    starts: Array
    vectors: Array
    shares: Array

    def per_creator(self) -> float:
        """Vectors that a creator has in the index."""
        return len(self.vectors) / (len(self.starts) - 1)


def searchable(folds: list[Fold], settings: FoldSettings, min_share: float) -> Searchable:
    """What the indexer stores of the published creators."""
    starts, vectors, shares = [0], [], []
    for update in published(folds, settings):
        for facet in creator_objects(update, min_share, settings.dimensions).facets:
            vectors.append(facet.vectors["facet"])
            shares.append(float(str(facet.properties["share"])))
        starts.append(len(vectors))
    return Searchable(np.array(starts), np.array(vectors, dtype=np.float64), np.array(shares))


def published(folds: list[Fold], settings: FoldSettings) -> Iterator[CreatorUpdated]:
    """The events that the creators worker publishes of these folds."""
    return (creator_updated(fold, settings) for fold in folds)


@dataclass(frozen=True, eq=False)
class Items:
    """Every post that is folded, by creator: ``starts`` (C + 1,), ``vectors`` (n, d) as stored, ``weights`` (n,)."""

    starts: Array
    vectors: Array
    weights: Array


def items_of(rows: list[Rows], settings: FoldSettings) -> Items:
    """The posts of each creator's window in the order of time, with the weight of their time."""
    starts, vectors, weights = [0], [], []
    for own in rows:
        ordered = sorted((row.published_ms, post_id) for post_id, row in own.posts.items())
        for published_ms, post_id in ordered[window_start(len(ordered), settings.window) :]:
            x = own.posts[post_id].x
            assert x is not None
            vectors.append(x)
            weights.append(settings.weight(published_ms))
        starts.append(len(vectors))
    return Items(np.array(starts), unit(np.array(vectors, dtype=np.float32)).astype(np.float32), np.array(weights))
