"""What is done otherwise in each ablation: one choice at a time, all else as it ships. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.evaluate.world import Shape, World
from workers.creators.facets import FoldSettings

NEVER: Final = 1_000_000
"""A half-life of so many days, or a window of so many posts, is none."""
FOLDS: Final[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
    "facets at most (K)": ("facets", (1, 2, 4, 6, 12, 64)),
    "join threshold": ("join", (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)),
    "half-life, days": ("half_life_days", (20.0, 30.0, 120.0, NEVER)),
    "window, posts (P)": ("window", (16, 32, 64, NEVER)),
    "weight of a post that shows an earlier picture again": ("duplicate_weight", (0.05, 0.5, 1.0)),
}
"""Settings of the fold: the field, and the values that are tried beside what ships."""
CAPTION_WEIGHTS: Final = (0.0, 0.25, 0.75, 1.0)
MIN_SHARES: Final = (0.0, 0.01, 0.05, 0.1)
TEMPERATURES: Final = (0.06, 0.08, 0.1, 0.12, 0.15, 0.2)
DEPTHS: Final = (25, 50, 100, 150, 300)
RAW_JOINS: Final = (0.6, 0.75, 0.85)
"""Without centring everything joins everything at any threshold that suits centred vectors: others are tried too."""
TUNED_JOINS: Final = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
TUNED_FACETS: Final = (6, 8, 12)
ENCODERS: Final[Mapping[str, Mapping[str, float]]] = {
    "as drawn": {},
    "noisier posts": {"noise": 1.6},
    "clearer posts, strong styles": {"noise": 0.7, "style": 0.6},
}
"""Constants must suit encoders that nobody has drawn: they are chosen over all three."""


@dataclass(frozen=True)
class Variant:
    """``of``: the choice; ``value``: what is tried in its place; the settings of its fold."""

    of: str
    value: str
    settings: FoldSettings


def fold_variants(shipped: FoldSettings) -> list[Variant]:
    """Each setting of the fold by itself, but for the values that ship."""
    return [
        Variant(of, "none" if value == NEVER else f"{value:g}", replace(shipped, **{field: value}))
        for of, (field, values) in FOLDS.items()
        for value in values
        if value != getattr(shipped, field)
    ]


def shape_of(shape: Shape, encoder: str) -> Shape:
    """A world of the same size seen by another encoder."""
    return replace(shape, **ENCODERS[encoder])


def with_one_mean(world: World) -> World:
    """One mean taken off pictures and texts alike."""
    both = (world.means["picture"] + world.means["caption"]) / 2
    return replace(world, means=dict.fromkeys(world.means, both))


def with_two_means(world: World) -> World:
    """One mean for pictures and one for texts, briefs included."""
    return replace(world, means={**world.means, "query": world.means["caption"]})
