"""Which frames of a video are looked at, and which of these are its keyframes. Pure; decision 0015 says why so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from workers.domain.vectors import Array

LOOKS: Final = 64
"""Frames of one video that are looked at, at most."""
_EVENLY: Final = 24
_CELLS: Final = 16
SAME: Final = 4.0
"""Frames nearer than this, in grey levels of 0 to 255 by ``farness``, are near-identical: one of them is enough."""
SCENE: Final = 16.0
"""Between two frames that follow each other in the looks, from here on the scene has changed."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A frame as it lies in its file: when it is shown, in the file's own ticks, and whether it decodes alone."""

    at: int
    alone: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Coded frames ``first`` to ``last``, decoded one after the other for those of them that are shown ``wanted``."""

    first: int
    last: int
    wanted: frozenset[int]


def runs(coded: Sequence[Coded], most: int) -> list[Run]:
    """What to decode of a video, in the order of the file; about ``most`` frames of it, and the first in any case.

    Frames that decode alone are looked at for what they are: encoders set one where a scene begins. Where a stretch
    has none, frames are taken evenly, those first that cost the least to get at.
    """
    if not coded:
        return []
    heads = [number for number, frame in enumerate(coded) if frame.alone and number] if most > 1 else []
    heads = [0, *heads]
    kept = _thinned(heads, min(LOOKS - _EVENLY, max(1, most)))
    reach: dict[int, int] = dict.fromkeys(kept, 0)
    wanted: dict[int, set[int]] = {head: {coded[head].at} for head in kept}
    left = most - len(kept)
    between = [(number - heads[bisect_right(heads, number) - 1], number) for number in _evenly(coded, kept)]
    for cost, number in sorted(between):
        head = number - cost
        more = max(0, cost - reach.get(head, -1))
        if more <= left:
            left -= more
            reach[head] = max(cost, reach.get(head, 0))
            wanted.setdefault(head, set()).add(coded[number].at)
    return [Run(head, head + reach[head], frozenset(wanted[head])) for head in sorted(reach)]


def _evenly(coded: Sequence[Coded], kept: Sequence[int]) -> list[int]:
    """One coded frame for each of so many equal parts of the video in which none is kept already."""
    order = sorted(range(len(coded)), key=lambda number: (coded[number].at, number))
    times = [coded[number].at for number in order]
    span = times[-1] - times[0]
    there = {(coded[number].at - times[0]) * _EVENLY // (span + 1) for number in kept}
    parts = (part for part in range(_EVENLY) if part not in there)
    # What is shown in its middle: at its beginning lies what the part before it ended with.
    middles = (times[0] + (2 * part + 1) * span // (2 * _EVENLY) for part in parts)
    found = order if len(order) <= _EVENLY else [order[bisect_right(times, middle) - 1] for middle in middles]
    return sorted(set(found) - set(kept))


def _thinned(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of them, evenly, the first among them."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[part * len(numbers) // most] for part in range(most)]


def signature(pixels: Array) -> Array:
    """What frames are compared by: the mean colours of 16 x 16 cells, float32 (768,), of uint8 (S, S, 3)."""
    size = pixels.shape[0]
    edges = np.linspace(0, size, _CELLS + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.float32), edges, axis=0), edges, axis=1)
    cells = np.diff([*edges, size])
    return np.asarray(sums / (cells[:, None, None] * cells[None, :, None]), dtype=np.float32).reshape(-1)


def farness(one: Array, others: Array) -> Array:
    """The mean difference of a signature (n,) from each of others (k, n), 0 to 255, float64 (k,)."""
    return np.asarray(np.abs(others.astype(np.float64) - one.astype(np.float64)).mean(axis=1))


def chosen(times: Sequence[int], signatures: Sequence[Array], most: int) -> list[int]:
    """Which of the frames looked at are keyframes: indices in order, 1 to ``most`` of them, the first frame included.

    ``times`` rise. First the beginnings of scenes, the most different of them where there are too many; then, evenly
    in time, what is unlike all that is chosen. No two keyframes are near-identical. Nothing for no frames.
    """
    if not times:
        return []
    table = np.stack([farness(one, np.stack(signatures)) for one in signatures])
    scenes = [number for number in range(1, len(times)) if table[number - 1, number] >= SCENE]
    picked = [0]
    while len(picked) < most and (far := _unlike(table, scenes, picked)):
        picked.append(max(far, key=lambda number: (table[number, picked].min(), -number)))
    while len(picked) < most and (far := _unlike(table, range(1, len(times)), picked)):
        picked.append(max(far, key=lambda number: (min(abs(times[number] - times[p]) for p in picked), -number)))
    return sorted(picked)


def _unlike(table: Array, numbers: Sequence[int], picked: Sequence[int]) -> list[int]:
    return [number for number in numbers if table[number, list(picked)].min() >= SAME]
